"""What the arms of an experiment did: rates and revenue with 95 % intervals, from stored feedback."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.service.feedback import SCHEMA

RESAMPLES = 1_000
FEWEST_SESSIONS, FEWEST_EVENTS = 100, 10
"""With fewer sessions, or fewer clicks, baskets or purchases, in an arm, the report compares nothing."""
RATES = {"click_through": "clicked", "add_to_basket": "added", "revenue": "purchased"}
"""The rates of an arm, and the events that each counts."""
_SUMS = ", ".join(f"sum(event = '{event}')" for event in ("shown", "clicked", "added", "purchased"))
_SESSIONS = f"""
SELECT {_SUMS}, total(value) FROM feedback WHERE arm = ? AND session NOT NULL
GROUP BY session HAVING sum(event = 'shown') > 0
"""
Numbers = npt.NDArray[np.float64]


def outcomes(*files: Path) -> list[dict[str, Any]]:
    """Return the outcome of each experiment, ordered by name, over all files of feedback.

    A session counts if a product was shown in it, also if its events are in several files. An event that was
    sent to several servers counts once. The intervals are percentiles of a bootstrap over sessions
    (1,000 resamples, seed 0): the events of one session depend on each other.

    Returns:
        For each experiment its `arms`, in the order of its file, and the `difference` of the last arm and the
        first one.

    Raises:
        UsageError: there is no file of feedback.
        PerfectLookError: a file cannot be read.
    """
    with closing(sqlite3.connect(":memory:", uri=True, isolation_level=None)) as together:
        together.executescript(SCHEMA)
        for file in files:
            _copy(file / "feedback.sqlite" if file.is_dir() else file, together)
        return _read(together)


def _copy(file: Path, together: sqlite3.Connection) -> None:
    """Copy the events of experiments, and the order of the arms."""
    if not file.is_file():
        raise UsageError(f"{file}: no such file. Name the server's --feedback, or the catalogue's folder.")
    try:
        together.execute("ATTACH ? AS one", [f"{file.absolute().as_uri()}?mode=ro"])
        together.execute("INSERT OR IGNORE INTO feedback SELECT * FROM one.feedback WHERE arm <> ''")
        if together.execute("SELECT 1 FROM one.sqlite_master WHERE name = 'arms'").fetchone():
            together.execute("INSERT OR IGNORE INTO arms SELECT * FROM one.arms")
        together.execute("DETACH one")
    except (sqlite3.Error, UnicodeError) as error:
        raise PerfectLookError(f"{file}: expected a file of feedback ({error}). Check the path.") from error


def _read(reader: sqlite3.Connection) -> list[dict[str, Any]]:
    arms = [row[0] for row in reader.execute("SELECT DISTINCT arm FROM feedback ORDER BY 1")]
    places = dict(reader.execute("SELECT arm, place FROM arms").fetchall())
    arms.sort(key=lambda arm: (arm.split("/")[0], places.get(arm, 0)))
    found = []
    for name in dict.fromkeys(each.split("/")[0] for each in arms):
        mine = [each for each in arms if each.split("/")[0] == name]
        sessions = {each: np.array(reader.execute(_SESSIONS, [each]).fetchall(), float) for each in mine}
        paid = "SELECT DISTINCT currency FROM feedback WHERE currency NOT NULL AND arm IN (?, ?)"
        currencies = sorted(row[0] for row in reader.execute(paid, [mine[0], mine[-1]]))
        found.append({"experiment": name, "currencies": currencies, **compare(sessions)})
    return found


def compare(sessions: Mapping[str, Numbers]) -> dict[str, Any]:
    """Return the figures of each arm, and their difference: the last arm minus the first one.

    Args:
        sessions: for each arm, one row a session: shown, clicked, added, purchased and the value paid.

    Returns:
        `arms` and `difference`. Each rate has a `value` and its `ci95`, and each difference a `verdict`:
        `higher`, `lower`, `no difference shown` or `too few to compare`.
    """
    sessions = {name: rows for name, rows in sessions.items() if len(rows)}
    drawn = {name: rates(resampled(rows)) for name, rows in sessions.items()}
    values = {name: rates(rows.sum(0) / len(rows)) for name, rows in sessions.items()}
    counts = {
        name: {
            "sessions": len(rows),
            **dict(zip(("shown", *RATES.values()), rows.sum(0).astype(int).tolist(), strict=False)),
        }
        for name, rows in sessions.items()
    }
    arms = [
        {
            "arm": name.split("/")[-1],
            **counts[name],
            **{rate: _figure(values[name][rate], drawn[name][rate]) for rate in RATES},
        }
        for name in sessions
    ]
    difference: dict[str, Any] = {}
    if len(sessions) > 1:
        first, *_, last = sessions
        difference = {"of": arms[-1]["arm"], "minus": arms[0]["arm"]}
        for rate, event in RATES.items():
            figure = _figure(values[last][rate] - values[first][rate], drawn[last][rate] - drawn[first][rate])
            few = min(
                min(each["sessions"] / FEWEST_SESSIONS, each[event] / FEWEST_EVENTS)
                for each in counts.values()
            )
            low, high = figure["ci95"]
            verdict = "higher" if low > 0 else "lower" if high < 0 else "no difference shown"
            difference[rate] = {**figure, "verdict": verdict if few >= 1 else "too few to compare"}
    return {"arms": arms, "difference": difference}


def resampled(rows: Numbers) -> Numbers:
    """Return the means of the columns for each resample of the rows: `RESAMPLES` x columns.

    Rows that are equal are drawn together, as a bootstrap draws them: their numbers are multinomial.
    """
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    random, share = np.random.default_rng(0), counts / counts.sum()
    times = (random.multinomial(len(rows), share) for _ in range(RESAMPLES))  # one by one: there may be many
    return np.stack([each @ distinct for each in times]) / len(rows)


def rates(means: Numbers) -> dict[str, Any]:
    """Return the rates for means a session: clicks and baskets for each product shown, and revenue."""
    shown, clicked, added, _, value = np.moveaxis(means, -1, 0)
    return {"click_through": clicked / shown, "add_to_basket": added / shown, "revenue": value}


def _figure(value: float, drawn: Numbers) -> dict[str, Any]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": round(float(value), 6), "ci95": [round(float(low), 6), round(float(high), 6)]}
