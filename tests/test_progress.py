import io
import itertools

import pytest

from perfectlook.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, states, *, step: float = 1.0) -> list[str]:
    """Show these states, one every `step` seconds, and return the output."""
    now = [0.0]
    line = ProgressLine("scenes", stream=stream, clock=lambda: now[0])
    for state in states:
        line(*state)
        now[0] += step
    return stream.getvalue().split("\n")


def test_elsewhere_a_line_comes_every_tenth_of_the_work():
    lines = run(io.StringIO(), [(done, 200, 0) for done in range(201)])
    assert lines[0] == "scenes: 0 of 200 pictures"
    assert lines[1] == "scenes: 20 of 200 pictures, 1.0 a second, 3 min 00 s left"
    assert lines[-2] == "scenes: 200 of 200 pictures, 1.0 a second, 3 min 20 s"
    assert len(lines) == 12  # the start, ten tenths, and what follows the last line's end


def test_elsewhere_fast_work_writes_a_line_a_second_at_most():
    lines = run(io.StringIO(), [(done, 100, 0) for done in range(101)], step=0.02)
    assert len(lines) - 1 == 3  # at 0, 1 and 2 seconds


def test_elsewhere_slow_work_writes_a_line_every_half_minute():
    lines = run(io.StringIO(), [(done, 100_000, 0) for done in range(121)])
    assert [line.split()[1] for line in lines[:-1]] == ["0", "30", "60", "90", "120"]


def test_a_terminal_gets_one_line_that_is_drawn_again():
    stream = Terminal()
    run(stream, [(0, 3, 0), (1, 3, 1), (2, 3, 1), (3, 3, 1)])
    assert stream.getvalue().count("\n") == 1
    drawn = stream.getvalue().split("\r")
    assert drawn[0] == ""
    assert drawn[2].rstrip() == "scenes: 1 of 3 pictures, 1 failed, 1.0 a second, 2 s left"
    assert drawn[-1].rstrip() == "scenes: 3 of 3 pictures, 1 failed, 1.0 a second, 3 s"
    for before, after in itertools.pairwise(drawn[1:]):
        assert len(after.rstrip("\n")) >= len(before.rstrip("\n ").rstrip())  # nothing of the old line stays


def test_a_terminal_is_redrawn_at_most_ten_times_a_second():
    stream = Terminal()
    run(stream, [(done, 1000, 0) for done in range(1001)], step=0.001)
    assert stream.getvalue().count("\r") == pytest.approx(11, abs=1)


def test_a_line_too_long_for_the_terminal_is_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    run(stream, [(0, 1000, 0), (500, 1000, 0)])
    assert max(len(part) for part in stream.getvalue().split("\r")) == 19


def test_the_rate_counts_what_was_done_since_it_began():
    lines = run(io.StringIO(), [(900, 1000, 0), (1000, 1000, 0)], step=10)
    assert lines[1] == "scenes: 1,000 of 1,000 pictures, 10.0 a second, 10 s"


def test_empty_work_writes_one_line():
    assert run(io.StringIO(), [(0, 0, 0)]) == ["scenes: 0 of 0 pictures", ""]


@pytest.mark.parametrize(
    ("left", "said"), [(59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")]
)
def test_durations_have_readable_units(left: int, said: str):
    lines = run(io.StringIO(), [(0, left + 30, 0), (30, left + 30, 0)], step=30)
    assert lines[1].endswith(f"{said} left")
