"""`perfectlook complete`: products that go with photos, as text, JSON and picture sheets."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.numbers import positive

if TYPE_CHECKING:
    from perfectlook.recommender import Answer, Recommender, Section

FAILED = 1


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `complete`."""
    complete = subparsers.add_parser(
        "complete",
        help="recommend products that go with photos",
        description="Recommend products of a catalogue that complete the look of each photo, by category.",
    )
    complete.add_argument("photos", metavar="PHOTO", nargs="+", help="pictures of real scenes")
    complete.add_argument(
        "--model", metavar="MODEL", type=Path, required=True, help="the folder of a trained model"
    )
    complete.add_argument(
        "--catalogue", metavar="FOLDER|URL", required=True, help="a catalogue synced with the model"
    )
    complete.add_argument(
        "--category",
        metavar="PATH",
        nargs="+",
        action="extend",
        help="answer for these categories only, one or several: a whole path (Furniture|Chairs), the top of "
        "a subtree, or one level by itself (default: all, likeliest to complete the photo first; largest "
        "first with a model that does not suggest categories)",
    )
    complete.add_argument(
        "-k", metavar="N", type=positive, default=10, help="products of each category (default: 10)"
    )
    complete.add_argument(
        "--all",
        action="store_true",
        help="the bare ranking: copies are not passed over, distances are not rounded",
    )
    complete.add_argument(
        "--json",
        metavar="FILE",
        help="write JSON instead of printing, a list for several photos; - for standard output",
    )
    complete.add_argument(
        "--sheet",
        metavar="FILE.png",
        type=Path,
        help="draw photo, attention and products on one page; for several photos FILE-1.png, FILE-2.png ...",
    )
    complete.add_argument("--strict", action="store_true", help="exit with 1 if any photo cannot be read")
    complete.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Complete photos; those that cannot be read are named and the others go on.

    Returns 1 when no photo could be read, or with `--strict` when one could not.

    Raises:
        PerfectLookError: the model, the catalogue or a category cannot be used, or a file cannot be written.
    """
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.sheetfile import check_sheet
    from perfectlook.recommender import Recommender

    check_sheet(arguments.sheet)
    answers = []
    with Recommender.open(arguments.model, arguments.catalogue) as recommender:
        for answer in _answers(recommender, arguments):
            answers.append(answer)
            if not arguments.json:
                print(*_text(answer, bare=arguments.all), sep="\n")
    if arguments.json and answers:
        documents = [answer.as_json(None) if arguments.all else answer.as_json() for answer in answers]
        write_json(arguments.json, documents if len(arguments.photos) > 1 else documents[0])
    skipped = len(arguments.photos) - len(answers)
    if skipped and len(arguments.photos) > 1:
        print(f"{skipped} of {len(arguments.photos)} photos skipped", file=sys.stderr)
    return FAILED if not answers or (arguments.strict and skipped) else 0


def _answers(recommender: "Recommender", arguments: argparse.Namespace) -> Iterator["Answer"]:
    """Answer for each photo that can be read, and draw its sheet."""
    from perfectlook.cli.sheetfile import write_sheet
    from perfectlook.errors import PictureError

    for number, photo in enumerate(arguments.photos, 1):
        try:
            answer = recommender.complete(photo, arguments.category, arguments.k, variety=not arguments.all)
            if arguments.sheet:
                from perfectlook.sheet import draw_sheet

                several = len(arguments.photos) > 1
                file = (
                    arguments.sheet.with_stem(f"{arguments.sheet.stem}-{number}")
                    if several
                    else arguments.sheet
                )
                write_sheet(file, draw_sheet(answer, photo))
        except PictureError as error:
            print(f"skipped: {error}", file=sys.stderr)
        else:
            yield answer


def _text(answer: "Answer", *, bare: bool) -> Iterator[str]:
    """The lines of an answer as a person reads it."""
    yield answer.photo
    for section in answer.sections:
        yield ""
        yield f"  {section.category}{_note(section)}"
        if not section.products:
            yield "      nothing"
        for product in section.products:
            distance = f"{product.distance!r}" if bare else f"{product.distance:.3f}"
            title = " ".join((product.record.title or "").split())[:60]
            yield f"  {product.rank:>4}  {distance}  {product.id}  {title}".rstrip()
    yield ""


def _note(section: "Section") -> str:
    known = section.resolution
    likely = "" if section.suggested is None else f"  {section.suggested:.0%}"
    if known.how == "exact":
        return likely
    if known.category is None:
        return f"{likely}  (a category the model does not know)"
    return f"{likely}  (looked at as {known.category})"
