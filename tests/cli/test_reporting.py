"""How commands report problems."""

from pathlib import Path

import pytest

from perfectlook.cli.output import SHOWN, check_file, check_sheet, print_problems, write_json
from perfectlook.data.layout import ProblemKind
from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.types import Problem


def test_only_left_out_rows_are_called_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [ProblemKind.DUPLICATE_ROW, ProblemKind.MISSING_PRODUCT, ProblemKind.BOX_OUTSIDE, ""]
    print_problems([Problem("rows, line 1", "s", "why", kind) for kind in kinds], "set")
    assert capsys.readouterr().err.splitlines() == [
        "problem: rows, line 1: s: why",
        "skipped: rows, line 1: s: why",
        "problem: rows, line 1: s: why",
        "skipped: rows, line 1: s: why",
        "set: 4 problems",
    ]


def test_the_first_problems_are_printed_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems([Problem("rows", str(number), "why") for number in range(1234)], "set")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "set: 1,234 problems (the first 20 are shown)"
    print_problems([], "set")
    assert capsys.readouterr().err == ""


def test_a_single_problem_is_singular(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems([Problem("rows", "1", "why")], "set")
    assert capsys.readouterr().err.splitlines()[-1] == "set: 1 problem"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "room.jpg").touch()
    for inside in ("x.png", "deeper/x.png"):
        with pytest.raises(UsageError, match=r"x\.png: .*room\.jpg is a file, not a folder\."):
            check_sheet(tmp_path / "room.jpg" / inside)


def test_json_that_cannot_be_written_names_its_flag(tmp_path: Path) -> None:
    with pytest.raises(PerfectLookError, match=r"cannot be written .* Pass another --json\."):
        write_json(tmp_path, {})


def test_a_file_is_checked_by_its_ending_and_its_folder(tmp_path: Path) -> None:
    check_file("--chart", None, "a chart is a picture", (".png", ".svg"))
    check_file("--chart", tmp_path / "a.SVG", "a chart is a picture", (".png", ".svg"))
    with pytest.raises(
        UsageError, match=r"--chart .*a\.gif: a chart is a picture\. End its name in \.png or \.svg\."
    ):
        check_file("--chart", tmp_path / "a.gif", "a chart is a picture", (".png", ".svg"))
    with pytest.raises(UsageError, match=r"--chart .*: the folder .*gone does not exist\. Make it"):
        check_file("--chart", tmp_path / "gone" / "a.png", "a chart is a picture", (".png", ".svg"))
