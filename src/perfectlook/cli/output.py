"""Output of commands: problems, notes, product lines, JSON and sheets."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.errors import MissingExtraError, PerfectLookError, UsageError
from perfectlook.progress import counted
from perfectlook.texts import plain, short_title

if TYPE_CHECKING:
    from perfectlook.answers import RankedProduct
    from perfectlook.types import Problem


SHOWN = 20


def print_notes(notes: Iterable[str]) -> None:
    """Print notes about the request to standard error, each note once."""
    for note in dict.fromkeys(notes):
        print(f"note: {plain(note)}", file=sys.stderr)


def print_problems(problems: "Sequence[Problem]", what: str) -> None:
    """Print the first problems with their reasons, and the number of all problems, to standard error."""
    if not problems:
        return
    from perfectlook.data.layout import KEPT as OF_SETS
    from perfectlook.feeds.fields import KEPT as OF_FEEDS

    for problem in problems[:SHOWN]:
        print(
            f"{'problem' if problem.kind in OF_SETS | OF_FEEDS else 'skipped'}: {plain(problem)}",
            file=sys.stderr,
        )
    more = f" (the first {SHOWN} are shown)" if len(problems) > SHOWN else ""
    print(f"{what}: {counted(len(problems), 'problem')}{more}", file=sys.stderr)


def product_line(product: "RankedProduct", *, bare: bool = False) -> str:
    """Return a product's rank, distance, id, title, price and the rules that moved it. `bare`: all digits."""
    distance = f"{product.distance!r}" if bare else f"{product.distance:.3f}"
    title = short_title(product.title)
    moved = f"  [{'; '.join(map(str, product.rules))}]" if product.rules else ""
    line = f"  {product.rank:>4}  {distance}  {product.id}  {title}".rstrip()
    price = " ".join(product.current_price.split())
    if product.old_price:
        price += f" (was {' '.join(product.old_price.split())})"
    return plain(f"{line}{f'  {price}' if price else ''}{moved}")


def reason_lines(product: "RankedProduct") -> list[str]:
    """Return the line of a product's reason, or nothing."""
    return [plain(f"        {product.reason.text}")] if product.reason else []


def beside_json(json: Path | str | None) -> AbstractContextManager[object]:
    """Return a context in which lines for people go to standard error, if `--json -` takes the output."""
    return redirect_stdout(sys.stderr) if str(json) == "-" else nullcontext()


def write_json(file: Path | str, document: object) -> None:
    """Write a document to a file, or to standard output if the file is "-".

    A file name may hold bytes that are not Unicode: they become JSON escapes. Standard output gets ASCII
    only, because its encoding is unknown.

    Raises:
        PerfectLookError: the file cannot be written.
    """
    text = json.dumps(document, indent=2, ensure_ascii=str(file) == "-") + "\n"
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as why:
        raise PerfectLookError(f"{file}: cannot be written ({why.strerror}). Pass another --json.") from why


def check_file(flag: str, file: Path | None, what: str, suffixes: Sequence[str]) -> None:
    """Check that a file can be written, before the work begins. None means no file.

    Raises:
        UsageError: the name ends in none of the `suffixes`, or the folder does not exist or is a file.
    """
    if file is None:
        return
    if file.suffix.lower() not in suffixes:
        raise UsageError(f"{flag} {file}: {what}. End its name in {' or '.join(suffixes)}.")
    if (blocking := next(filter(Path.exists, file.parents))) and not blocking.is_dir():
        raise UsageError(f"{flag} {file}: {blocking} is a file, not a folder. Choose another folder.")
    if not file.parent.is_dir():
        raise UsageError(f"{flag} {file}: the folder {file.parent} does not exist. Make it first.")


def check_sheet(file: Path | None) -> None:
    """Check that a sheet can be written, before the work begins. None means no sheet."""
    check_file("--sheet", file, "a sheet is a picture", (".png", ".jpg", ".jpeg", ".webp"))


def require(extra: str, what: str, *modules: str) -> None:
    """Check that the modules of an extra are installed.

    Raises:
        MissingExtraError: a module is missing.
    """
    if any(find_spec(name) is None for name in modules):
        raise MissingExtraError(what, extra)
