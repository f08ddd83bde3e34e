"""Keys: only hashes are stored, and the file may change while in use; rates, by a clock of the test."""

import hashlib
import os
from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.security import CALLERS, Keys, Rates, new_key


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


def test_a_burst_then_the_rate():
    now = 0.0
    rates = Rates(2.0, 3, clock=lambda: now)
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait("b") == 0  # each has its own
    now = 0.5
    assert [rates.wait("a"), rates.wait("a")] == [0, 1]
    now = 100.0
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]  # never more than the burst


def test_the_wait_is_long_enough():
    now = 0.0
    rates = Rates(0.1, 1, clock=lambda: now)
    rates.wait("a")
    wait = rates.wait("a")
    assert wait == 10
    now = float(wait)
    assert rates.wait("a") == 0


def test_cheap_calls_cost_less_and_no_rate_is_no_limit():
    now = 0.0
    rates = Rates(1.0, 1, clock=lambda: now)
    assert [rates.wait("a", 0.25) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert not any(Rates(0.0, 1).wait("a") for _ in range(100))


def test_only_so_many_callers_are_remembered():
    rates = Rates(1.0, 1, clock=lambda: 0.0)
    for number in range(CALLERS + 10):
        rates.wait(str(number))
    assert len(rates._buckets) == CALLERS
