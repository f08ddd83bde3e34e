"""How commands tell of what is wrong."""

import sys
from collections.abc import Iterable, Sequence

from perfectlook.datasets.problems import KEPT as OF_SETS
from perfectlook.feeds.problems import KEPT as OF_FEEDS
from perfectlook.types import Problem

SHOWN = 20
KEPT = OF_SETS | OF_FEEDS


def print_notes(notes: Iterable[str]) -> None:
    """Print what may be wrong with a question, each note once, to standard error."""
    for note in dict.fromkeys(notes):
        print(f"note: {note}", file=sys.stderr)


def print_problems(problems: Sequence[Problem], what: str) -> None:
    """Print the first problems with their reasons, and how many there are, to standard error."""
    if not problems:
        return
    for problem in problems[:SHOWN]:
        print(f"{'problem' if problem.kind in KEPT else 'skipped'}: {problem}", file=sys.stderr)
    more = f" (the first {SHOWN} are listed)" if len(problems) > SHOWN else ""
    print(f"{what}: {len(problems):,} problems{more}", file=sys.stderr)
