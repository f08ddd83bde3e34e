"""Pickles of plain containers are read. Pickles that run code are refused."""

import collections
import os
import pickle
from pathlib import Path

import pytest

from perfectlook.data.fetch.ikea import read_dict
from perfectlook.errors import DatasetError

PLAIN = {
    "text": "Bäddsoffa",
    "numbers": [1, -2.5, 10**30, True, None],
    "containers": [
        (1, 2),
        {3},
        frozenset({4}),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, b=[2]),
    ],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_are_read_in_every_protocol(tmp_path: Path, protocol: int):
    file = tmp_path / "plain.p"
    file.write_bytes(pickle.dumps(PLAIN, protocol))
    assert read_dict(file) == PLAIN


def test_strings_of_python_2_are_text(tmp_path: Path):
    file = tmp_path / "old.p"
    file.write_bytes(b"(dp0\nS'na\\xc3\\xafve'\np1\n(lp2\nVr\\u00f6d\np3\nas.")
    assert read_dict(file) == {"naïve": ["röd"]}


class _Runs:
    def __init__(self, what: object, *arguments: object) -> None:
        self.call = (what, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("what", "arguments", "named"),
    [
        (os.system, ("touch EVIDENCE",), "system"),
        (eval, ("open('EVIDENCE', 'w')",), "eval"),
        (exec, ("open('EVIDENCE', 'w')",), "exec"),
        (getattr, ({}, "__class__"), "getattr"),
        (bytearray, (10**12,), "bytearray"),
        (Path, ("x",), "Path"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_that_run_code_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: object,
    arguments: tuple[object, ...],
    named: str,
    protocol: int,
):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "evil.p"
    file.write_bytes(pickle.dumps({"a": _Runs(what, *arguments)}, protocol))
    with pytest.raises(
        DatasetError, match=rf"evil\.p: cannot be read \(\S*{named} is not allowed, only plain containers"
    ):
        read_dict(file)
    assert not (tmp_path / "EVIDENCE").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        pickle.dumps(PLAIN)[:-5],
        b"\x80\x04\x8d" + b"\xff" * 8,
        b"Pelsewhere\n.",
        b"ios\nsystem\n.",
    ],
)
def test_a_damaged_pickle_is_an_error(tmp_path: Path, content: bytes):
    file = tmp_path / "damaged.p"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"damaged\.p: cannot be read"):
        read_dict(file)
