"""The report of an experiment, against closed forms, and what it refuses to say."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from perfectlook.answers import FeedbackEvent
from perfectlook.cli.main import main
from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.service.feedback import FeedbackStore
from perfectlook.service.outcomes import compare, outcomes, resampled


def sessions(seed: int, count: int, click: float, spend: float = 20.0) -> np.ndarray:
    """Sessions of 4 to 12 products, each clicked with a chance that varies between sessions."""
    random = np.random.default_rng(seed)
    shown = random.integers(4, 13, count)
    clicked = random.binomial(shown, random.beta(50 * click, 50 * (1 - click), count))
    added = random.binomial(clicked, 0.3)
    bought = random.binomial(added, 0.5)
    value = np.round(bought * random.gamma(2.0, spend, count), 2)
    return np.stack([shown, clicked, added, bought, value], 1).astype(float)


def test_the_intervals_are_those_of_the_closed_form():
    rows = sessions(1, 4_000, 0.05)
    shown, clicked, _, _, value = rows.T
    (arm,) = compare({"x/a": rows})["arms"]
    rate = clicked.sum() / shown.sum()
    # the delta method: the standard error of a ratio of means
    error = np.std(clicked - rate * shown, ddof=1) / np.sqrt(len(rows)) / shown.mean()
    assert arm["click_through"]["value"] == pytest.approx(rate, abs=1e-6)
    assert arm["click_through"]["ci95"] == pytest.approx([rate - 1.96 * error, rate + 1.96 * error], rel=0.02)
    error = np.std(value, ddof=1) / np.sqrt(len(rows))
    low, high = value.mean() - 1.96 * error, value.mean() + 1.96 * error
    assert arm["revenue"]["ci95"] == pytest.approx([low, high], rel=0.05)


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(100):
        low, high = compare({"x/a": sessions(seed, 300, 0.1)})["arms"][0]["click_through"]["ci95"]
        held += low <= 0.1 <= high
    assert 0.90 <= held / 100 <= 0.99


def test_equal_rows_are_drawn_as_a_bootstrap_draws_them():
    rows = np.array([[1.0, 0, 0, 0, 0]] * 30 + [[1.0, 1, 0, 0, 0]] * 10)
    means = resampled(rows)[:, 1]
    assert means.mean() == pytest.approx(0.25, abs=0.01)
    assert means.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 40), rel=0.1)
    assert set(resampled(rows)[:, 0]) == {1.0}


def test_a_difference_is_named_only_where_it_is_shown():
    same = compare({"x/a": sessions(2, 2_000, 0.05), "x/b": sessions(3, 2_000, 0.05)})
    more = compare({"x/a": sessions(2, 2_000, 0.05), "x/b": sessions(3, 2_000, 0.08)})
    assert same["difference"]["click_through"]["verdict"] == "no difference shown"
    assert more["difference"]["click_through"]["verdict"] == "higher"
    assert more["difference"]["click_through"]["ci95"][0] > 0
    few = compare({"x/a": sessions(2, 99, 0.05), "x/b": sessions(3, 2_000, 0.5)})
    assert few["difference"]["click_through"]["verdict"] == "too few to compare"
    rare = sessions(4, 200, 0.05)
    rare[:, 1:] = 0
    none = compare({"x/a": rare, "x/b": rare})["difference"]
    assert (none.pop("of"), none.pop("minus")) == ("b", "a")
    assert {each["verdict"] for each in none.values()} == {"too few to compare"}


def test_the_report_reads_what_the_service_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def event(what: str, product: str, **more: str) -> FeedbackEvent:
        return FeedbackEvent.model_validate(
            {"product": product, "category": "A", "rank": 1, "event": what, **more}
        )

    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        for number in range(4):
            seen = [event("shown", "p"), event("shown", "q"), event("clicked", "p")]
            store.add(f"answer-{number}", "m", seen[: 3 if number else 2], f"s{number}", "x/a")
        store.add("answer-9", "m", [event("shown", "p")], "s9", "x/b")
        store.add("order-100", "m", [event("purchased", "p", value="40.00 EUR")], "s1", "x/a")
        store.add("order-101", "m", [event("purchased", "p", value="40.00 EUR")], "s8", "x/a")  # none shown
        store.add("answer-8", "m", [event("shown", "p")])  # outside the experiment
    (found,) = outcomes(tmp_path)  # the folder of the catalogue
    a, b = found["arms"]
    assert (found["experiment"], found["currencies"]) == ("x", ["EUR"])
    assert [a["sessions"], a["shown"], a["clicked"], a["purchased"]] == [4, 8, 3, 1]
    assert (a["click_through"]["value"], a["revenue"]["value"]) == (3 / 8, 10.0)
    assert (b["sessions"], b["click_through"]["value"]) == (1, 0.0)
    assert main(["feedback", "report", str(tmp_path / "feedback.sqlite")]) == 0
    said = capsys.readouterr().out
    assert "a: 4 sessions, 8 products shown, clicks 37.50 %" in said
    assert "revenue 10.00 EUR a session" in said
    assert "too few to compare" in said


def test_a_file_without_an_experiment_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    FeedbackStore(tmp_path / "feedback.sqlite").close()
    assert outcomes(tmp_path) == []
    assert main(["feedback", "report", str(tmp_path)]) == 0
    assert "no event belongs to an experiment" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"no such file\. Name the server's --feedback"):
        outcomes(tmp_path / "absent")


def test_a_session_on_several_servers_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def event(what: str, product: str = "p") -> FeedbackEvent:
        return FeedbackEvent.model_validate({"product": product, "category": "A", "rank": 1, "event": what})

    one, other, third = (tmp_path / name for name in "abc")
    with FeedbackStore(one / "feedback.sqlite", arms=["x/old", "x/new"]) as store:
        store.add("answer-1", "m", [event("shown"), event("shown", "q")], "s1", "x/new")
        store.add("answer-2", "m", [event("shown")], "s2", "x/old")
    with FeedbackStore(other / "feedback.sqlite", arms=["x/old", "x/new"]) as store:
        store.add("answer-1", "m", [event("clicked"), event("shown")], "s1", "x/new")  # "shown" again
    FeedbackStore(third / "feedback.sqlite").close()
    (found,) = outcomes(one, other / "feedback.sqlite", third)
    old, new = found["arms"]
    assert [old["arm"], old["sessions"], old["shown"], old["clicked"]] == ["old", 1, 1, 0]
    assert [new["arm"], new["sessions"], new["shown"], new["clicked"]] == ["new", 1, 2, 1]
    assert main(["feedback", "report", str(one), str(other)]) == 0
    assert "new: 1 sessions, 2 products shown, clicks 50.00 %" in capsys.readouterr().out
    (tmp_path / "d").write_text("not SQLite" * 100)
    with pytest.raises(PerfectLookError, match="d: expected a file of feedback"):
        outcomes(one, tmp_path / "d")


def test_arms_have_the_order_of_their_file(tmp_path: Path):
    shown = FeedbackEvent(product="p", category="A", rank=1, event="shown")
    with FeedbackStore(tmp_path / "feedback.sqlite", arms=["x/old", "x/new"]) as store:
        for number, arm in enumerate(("x/new", "x/old", "w/b", "w/a")):
            store.add(f"answer-{number}", "m", [shown], f"s{number}", arm)
    before, found = outcomes(tmp_path)
    assert [each["arm"] for each in found["arms"]] == ["old", "new"]
    assert (found["difference"]["of"], found["difference"]["minus"]) == ("new", "old")
    assert [each["arm"] for each in before["arms"]] == ["a", "b"]  # of a file without an order


def test_a_file_without_an_order_of_arms_is_read(tmp_path: Path):
    shown = FeedbackEvent(product="p", category="A", rank=1, event="shown")
    with FeedbackStore(tmp_path / "feedback.sqlite") as store:
        for arm in ("x/b", "x/a"):
            store.add(f"answer-{arm}", "m", [shown], "s1", arm)
    with closing(sqlite3.connect(tmp_path / "feedback.sqlite")) as file:
        file.execute("DROP TABLE arms")
    (found,) = outcomes(tmp_path)
    assert [each["arm"] for each in found["arms"]] == ["a", "b"]
