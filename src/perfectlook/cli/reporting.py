"""How commands tell of what was skipped."""

import sys
from collections.abc import Sequence

from perfectlook.types import Problem

SHOWN = 20


def print_problems(problems: Sequence[Problem], what: str) -> None:
    """Print the first problems with their reasons, and how many there are, to standard error."""
    if not problems:
        return
    for problem in problems[:SHOWN]:
        print(f"skipped: {problem}", file=sys.stderr)
    more = f" (the first {SHOWN} are listed)" if len(problems) > SHOWN else ""
    print(f"{what}: {len(problems):,} problems{more}", file=sys.stderr)
