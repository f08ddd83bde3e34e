"""How commands tell of what is wrong."""

import pytest

from perfectlook.cli.output import SHOWN, print_problems
from perfectlook.data.layout import ProblemKind
from perfectlook.types import Problem


def test_only_what_is_left_out_is_said_to_be_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [ProblemKind.DUPLICATE_ROW, ProblemKind.MISSING_PRODUCT, ProblemKind.BOX_OUTSIDE, ""]
    print_problems([Problem("rows:1", "s", "why", kind) for kind in kinds], "set")
    assert capsys.readouterr().err.splitlines() == [
        "problem: rows:1: s: why",
        "skipped: rows:1: s: why",
        "problem: rows:1: s: why",
        "skipped: rows:1: s: why",
        "set: 4 problems",
    ]


def test_the_first_are_listed_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems([Problem("rows", str(number), "why") for number in range(1234)], "set")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "set: 1,234 problems (the first 20 are listed)"
    print_problems([], "set")
    assert capsys.readouterr().err == ""
