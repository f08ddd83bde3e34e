"""API keys, whose file may change while it is in use, and rate limits with a fake clock."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.security import CALLERS, Keys, Rates, new_key


def owner(keys: Keys, key: str) -> str | None:
    found = keys.find(key)
    return found and found.name


def test_the_line_of_a_key_holds_only_its_hash():
    key, line = new_key("shop")
    assert line == f"shop:{hashlib.sha256(key.encode()).hexdigest()}"
    assert key not in line
    assert new_key("shop")[0] != key


@pytest.mark.parametrize("name", ["", "a:b", "a b", "x" * 65, "é"])
def test_invalid_names_are_refused(name: str):
    with pytest.raises(UsageError, match=r"name '.*': invalid\. Use at most 64 letters"):
        new_key(name)


def test_keys_rotate_without_a_restart(tmp_path: Path):
    (old, old_line), (new, new_line) = new_key("old"), new_key("new")
    file = tmp_path / "keys"
    file.write_text(f"# keys\n\n{old_line}\n")
    keys = Keys(file)
    assert (owner(keys, old), owner(keys, new), owner(keys, "")) == ("old", None, None)
    file.write_text(f"{old_line}\n{new_line}\n")
    assert (owner(keys, old), owner(keys, new)) == ("old", "new")
    file.write_text(f"{new_line}\n")
    os.utime(file, ns=(1, 1))
    assert (owner(keys, old), owner(keys, new)) == (None, "new")


def test_a_broken_line_revokes_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (one, one_line), (other, other_line) = new_key("one"), new_key("other")
    file = tmp_path / "keys"
    file.write_text(f"{one_line}\n{other_line}\n")
    keys = Keys(file)
    file.write_text(f"{one_line[:-1]}\n{other_line}\n")
    assert (owner(keys, one), owner(keys, other)) == (None, "other")
    assert keys.problem == "the file of keys has malformed lines (1), which are ignored"
    assert [each.levelname for each in caplog.records] == ["ERROR"]  # once, not for each request


def test_a_file_that_cannot_be_read_revokes_all_keys(tmp_path: Path):
    key, line = new_key("a")
    file = tmp_path / "keys"
    file.write_text(line)
    keys = Keys(file)
    file.unlink()
    assert owner(keys, key) is None
    assert keys.check() == "the file of keys cannot be read, so no key is valid"
    file.write_text(line)
    assert owner(keys, key) == "a"
    assert keys.check() == ""
    file.write_bytes(b"\xff")
    assert owner(keys, key) is None


def test_a_key_may_do_what_its_scopes_say(tmp_path: Path):
    (reader, reader_line), (old, old_line) = new_key("reader", ["read"]), new_key("old")
    (tmp_path / "keys").write_text(f"{reader_line}\n{old_line}\n")
    keys = Keys(tmp_path / "keys")
    found, all_of_them = keys.find(reader), keys.find(old)
    assert found and found.scopes == {"read"}
    assert all_of_them and all_of_them.scopes == {"read", "write", "feedback"}
    with pytest.raises(UsageError, match=r"--scope admin: unknown scope\. Choose one of: read, write"):
        new_key("x", ["admin"])


def test_a_broken_line_does_not_stop_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    key, line = new_key("shop")
    (tmp_path / "keys").write_text(f"broken:not-a-hash\n{line}\n")
    keys = Keys(tmp_path / "keys")
    assert owner(keys, key) == "shop"
    assert keys.problem == "the file of keys has malformed lines (1), which are ignored"
    (logged,) = caplog.records
    assert f"{tmp_path / 'keys'}, line 1: expected 'name:sha256'" in vars(logged)["reason"]


def test_a_lost_file_is_refused_at_the_start(tmp_path: Path):
    with pytest.raises(
        UsageError, match=r"no such file\. Make it with `perfectlook keys new NAME >> .*absent`"
    ):
        Keys(tmp_path / "absent")
    assert owner(Keys(None), "anything") is None


def test_a_burst_and_then_the_rate():
    now = 0.0
    rates = Rates(2.0, 3, clock=lambda: now)
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait("b") == 0  # each caller has its own bucket
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


def test_the_number_of_remembered_callers_is_limited():
    rates = Rates(1.0, 1, clock=lambda: 0.0)
    for number in range(CALLERS + 10):
        rates.wait(str(number))
    assert len(rates._buckets) == CALLERS


def test_a_byte_that_is_not_utf8_spoils_its_line_alone(tmp_path: Path):
    (one, one_line), (other, other_line) = new_key("one"), new_key("other")
    file = tmp_path / "keys"
    file.write_bytes(f"# caf\xe9\n{one_line}\n".encode("latin-1"))
    keys = Keys(file)
    assert (owner(keys, one), keys.problem) == ("one", "")
    file.write_bytes(f"# caf\xe9\n{one_line}\xe9\n{other_line}\n".encode("latin-1"))
    assert (owner(keys, one), owner(keys, other)) == (None, "other")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path):
    key, line = new_key("one")
    (tmp_path / "keys").write_bytes(f"\ufeff{line}\r\n".encode())
    keys = Keys(tmp_path / "keys")
    assert (owner(keys, key), keys.problem) == ("one", "")


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path):
    (old, old_line), (new, new_line) = new_key("old"), new_key("new")
    file = tmp_path / "keys"
    file.write_text(old_line)
    keys, before = Keys(file), file.stat()
    time.sleep(0.05)  # the clock of files has steps
    file.write_text(new_line)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (owner(keys, old), owner(keys, new)) == (None, "new")
