"""Keys: only hashes are kept; several at once; the file may change while it is used."""

import hashlib
import os
from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.security import Keys, new_key


def test_a_key_is_known_by_its_line_which_does_not_tell_it():
    key, line = new_key("shop")
    assert line == f"shop:{hashlib.sha256(key.encode()).hexdigest()}"
    assert key not in line
    assert new_key("shop")[0] != key


@pytest.mark.parametrize("name", ["", "a:b", "a b", "x" * 65, "é"])
def test_names_that_are_none(name: str):
    with pytest.raises(UsageError, match="cannot name a key"):
        new_key(name)


def test_keys_rotate_without_a_restart(tmp_path: Path):
    (old, old_line), (new, new_line) = new_key("old"), new_key("new")
    file = tmp_path / "keys"
    file.write_text(f"# keys\n\n{old_line}\n")
    keys = Keys(file)
    assert (keys.owner(old), keys.owner(new), keys.owner("")) == ("old", None, None)
    file.write_text(f"{old_line}\n{new_line}\n")
    assert (keys.owner(old), keys.owner(new)) == ("old", "new")
    file.write_text(f"{new_line}\n")
    os.utime(file, ns=(1, 1))
    assert (keys.owner(old), keys.owner(new)) == (None, "new")


def test_a_file_that_breaks_later_leaves_the_keys_before(tmp_path: Path):
    key, line = new_key("a")
    file = tmp_path / "keys"
    file.write_text(line)
    keys = Keys(file)
    file.write_text("half a li")
    assert keys.owner(key) == "a"
    file.unlink()
    assert keys.owner(key) == "a"


def test_a_file_that_is_none_is_refused_at_the_start(tmp_path: Path):
    (tmp_path / "keys").write_text("shop:not-a-hash\n")
    with pytest.raises(UsageError, match="line 1"):
        Keys(tmp_path / "keys")
    with pytest.raises(UsageError, match="cannot be read"):
        Keys(tmp_path / "absent")
    assert Keys(None).owner("anything") is None
