from pathlib import Path

import pytest

from perfectlook.data.layout import JsonObject, UnusableError, lines_of, object_of
from perfectlook.errors import DatasetError


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(content)
    return path


def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path: Path) -> None:
    path = written(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"b": 2}\n{"c": 3}')
    assert list(lines_of(path)) == [(1, b'{"a": 1}'), (4, b'{"b": 2}'), (5, b'{"c": 3}')]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON"),
        (b"hello", "not JSON"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON (nested too deeply)"),
        (b'["a"]', "not an object"),
        (b"null", "not an object"),
    ],
)
def test_what_is_not_an_object_is_unusable(line: bytes, reason: str) -> None:
    with pytest.raises(UnusableError) as raised:
        object_of(line)
    assert raised.value.reason.startswith(reason)
    assert raised.value.kind == "malformed row"
    assert len(raised.value.item) < 80


def test_an_entry_is_found_by_line(tmp_path: Path) -> None:
    path = written(tmp_path, '{\n"a": {"b": 1},\n\n"c": "d", "é\\"\\u00e9": "c"\n}'.encode())
    file = JsonObject(path)
    assert file.entries == {"a": {"b": 1}, "c": "d", 'é"é': "c"}
    assert [file.where(key) for key in file.entries] == [
        f"{path}, line 2",
        f"{path}, line 4",
        f"{path}, line 4",
    ]
    assert not list(file.duplicates())


def test_of_two_entries_of_an_id_the_last_is_used(tmp_path: Path) -> None:
    path = written(tmp_path, b'{\n"a": "x",\n"b": {"n": 1, "n": 2},\n"a": "y"\n}')
    file = JsonObject(path)
    assert file.entries["a"] == "y"
    (problem,) = file.duplicates()
    assert (problem.where, problem.item, problem.kind) == (f"{path}, line 4", "a", "duplicate id")
    assert "'x' and 'y'" in problem.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1,}', r"not JSON \(.* at column 9\)"),
        (b'["a"]', "expected an object with one entry for each id"),
        (b'[{"a": 1}]', "expected an object with one entry for each id"),
        (b'{\n"a": 1\n"b": 2}', r"not JSON \(.* at line 3, column 1\)"),
        (b"", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a":' * 100_000, "not JSON .nested too deeply"),
    ],
)
def test_a_file_that_is_not_one_object_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DatasetError, match=reason) as raised:
        JsonObject(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.json: no such file\. Check the path"):
        JsonObject(tmp_path / "none.json")
    with pytest.raises(DatasetError, match=r"none\.jsonl: no such file"):
        list(lines_of(tmp_path / "none.jsonl"))
