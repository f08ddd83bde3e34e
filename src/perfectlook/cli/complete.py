"""`perfectlook complete`: products that go with photos, as text, JSON and picture sheets."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.asking import add_category, add_count, add_place, check_place, drawable, opened
from perfectlook.cli.choosing import add_choosing, check_choosing, chosen_rules
from perfectlook.cli.numbers import share, weight
from perfectlook.cli.productline import product_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from perfectlook.cli.asking import Asked
    from perfectlook.recommender import Answer, Look, Section

FAILED = 1
PRODUCTS, ALTERNATIVES = 10, 3
"""What -k is where it is not given."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `complete`."""
    complete = subparsers.add_parser(
        "complete",
        help="recommend products that go with photos",
        description="Recommend products of a catalogue that complete the look of each photo, by category.",
    )
    complete.add_argument("photos", metavar="PHOTO", nargs="+", help="pictures of real scenes")
    add_place(complete)
    add_category(
        complete,
        "answer for these categories only, one or several: a whole path (Furniture|Chairs), the top of "
        "a subtree, or one level by itself (default: all, likeliest to complete the photo first; largest "
        "first with a model that does not suggest categories)",
    )
    add_count(
        complete,
        None,
        "products of each category (default: 10); with --look alternatives of each slot (default: 3)",
    )
    add_choosing(complete)
    complete.add_argument(
        "--spread",
        metavar="0..1",
        type=share,
        default=0.0,
        help="how much products should differ from those before them, rather than be near (default: 0, off)",
    )
    complete.add_argument(
        "--look",
        action="store_true",
        help="compose a whole look: one product for each category, near the photo and near each other",
    )
    complete.add_argument(
        "--weight",
        metavar="W",
        type=weight,
        help="with --look: how much its products should go with each other (default: 0.5)",
    )
    complete.add_argument(
        "--budget", metavar="AMOUNT", help='with --look: what all may cost together, 500 or "500 EUR"'
    )
    complete.add_argument(
        "--lock",
        metavar="CATEGORY=ID",
        nargs="+",
        action="extend",
        default=[],
        help="with --look: products that keep the slot of their category",
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
    from perfectlook.cli.reporting import print_notes
    from perfectlook.cli.sheetfile import check_sheet

    check_place(arguments)
    check_sheet(arguments.sheet)
    _check_look(arguments)
    answers: list[Answer | Look] = []
    with opened(arguments) as recommender:
        for answer in _answers(recommender, arguments):
            answers.append(answer)
            if not arguments.json:
                print(*_lines(answer, bare=arguments.all), sep="\n")
    if arguments.json and answers:
        documents = [answer.as_json(None) if arguments.all else answer.as_json() for answer in answers]
        write_json(arguments.json, documents if len(arguments.photos) > 1 else documents[0])
    print_notes(note for answer in answers for note in answer.notes)
    skipped = len(arguments.photos) - len(answers)
    if skipped and len(arguments.photos) > 1:
        print(f"{skipped} of {len(arguments.photos)} photos skipped", file=sys.stderr)
    return FAILED if not answers or (arguments.strict and skipped) else 0


def _check_look(arguments: argparse.Namespace) -> None:
    """Make sure that flags fit together.

    Raises:
        UsageError: they do not.
    """
    from perfectlook.errors import UsageError

    check_choosing(arguments)
    if arguments.look and arguments.all:
        raise UsageError("--all shows the bare ranking, and --look chooses: leave one of them out")
    if arguments.look and arguments.spread:
        raise UsageError("--spread is of rankings, and a look is none: use --weight with --look")
    for flag, value in (("weight", arguments.weight), ("budget", arguments.budget), ("lock", arguments.lock)):
        if value not in (None, []) and not arguments.look:
            raise UsageError(f"--{flag} is of whole looks: add --look")


def _answers(recommender: "Asked", arguments: argparse.Namespace) -> "Iterator[Answer | Look]":
    """Answer for each photo that can be read, and draw its sheet."""
    from perfectlook.cli.sheetfile import write_sheet
    from perfectlook.errors import PictureError

    answering = _answering(recommender, arguments)
    for number, photo in enumerate(arguments.photos, 1):
        try:
            answer = answering(photo)
            if arguments.sheet:
                several = len(arguments.photos) > 1
                file = (
                    arguments.sheet.with_stem(f"{arguments.sheet.stem}-{number}")
                    if several
                    else arguments.sheet
                )
                write_sheet(file, _sheet(recommender, answer, photo))
        except PictureError as error:
            print(f"skipped: {error}", file=sys.stderr)
        else:
            yield answer


def _answering(recommender: "Asked", arguments: argparse.Namespace) -> "Callable[[str], Answer | Look]":
    """What to do with each photo; wrong use that no photo changes is found before the first."""
    rules, unavailable = chosen_rules(arguments), arguments.include_unavailable or arguments.all
    if not arguments.look:
        return lambda photo: recommender.complete(
            photo,
            arguments.category,
            arguments.k or PRODUCTS,
            arguments.where,
            variety=not arguments.all,
            spread=arguments.spread,
            rules=rules,
            include_unavailable=unavailable,
        )
    from perfectlook.recommender.stylist import WEIGHT

    locked = _locked(arguments.lock)
    return lambda photo: recommender.look(
        photo,
        arguments.category,
        arguments.where,
        weight=WEIGHT if arguments.weight is None else arguments.weight,
        budget=arguments.budget,
        locked=locked,
        alternatives=arguments.k or ALTERNATIVES,
        rules=rules,
        include_unavailable=unavailable,
    )


def _locked(pairs: list[str]) -> "Mapping[str, str]":
    from perfectlook.errors import UsageError

    locked = {}
    for pair in pairs:
        category, separator, id_ = pair.rpartition("=")
        if not separator or not category or not id_:
            raise UsageError(f"--lock {pair}: write a whole category and a product's id: Furniture|Chairs=ID")
        locked[category] = id_
    return locked


def _sheet(recommender: "Asked", answer: "Answer | Look", photo: str) -> "Image":
    from perfectlook.recommender import Answer
    from perfectlook.sheet import draw_look, draw_sheet

    if isinstance(answer, Answer):
        with drawable(recommender, answer) as shown:
            return draw_sheet(shown, photo)
    with drawable(recommender, answer) as chosen:
        return draw_look(chosen, photo)


def _lines(answer: "Answer | Look", *, bare: bool) -> "Iterator[str]":
    from perfectlook.recommender import Answer

    return _text(answer, bare=bare) if isinstance(answer, Answer) else _look_text(answer)


def _text(answer: "Answer", *, bare: bool) -> Iterator[str]:
    """The lines of an answer as a person reads it."""
    yield answer.photo
    for section in answer.sections:
        yield ""
        yield f"  {section.category}{_note(section)}"
        if not section.products:
            yield "      nothing"
        for product in section.products:
            yield product_line(product, bare=bare)
    yield ""
    for rule in answer.unused_rules:
        yield f"  rule {rule.number} ({rule.action}) is not followed: {rule.reason}"


def _look_text(look: "Look") -> Iterator[str]:
    """The lines of a look as a person reads it."""
    yield look.photo
    for slot in look.slots:
        likely = "" if slot.suggested is None else f"  {slot.suggested:.0%}"
        yield ""
        yield f"  {slot.category}{likely}{'  (locked)' if slot.locked else ''}"
        yield product_line(slot.product)
        for other in slot.alternatives:
            yield f"  or{product_line(other.product)[4:]}  ({other.objective:.3f})"
    for category in look.missing:
        yield ""
        yield f"  {category}"
        yield "      nothing"
    yield ""
    cost = f"; {look.price}" if look.price else ""
    if look.slots:
        yield (
            f"  distances {look.distance:.3f} + {look.weight:g} x {look.apart:.3f} apart = "
            f"{look.objective:.3f} ({look.proof}){cost}"
        )
    else:
        yield f"  {look.proof}"
    yield ""


def _note(section: "Section") -> str:
    known = section.resolution
    likely = "" if section.suggested is None else f"  {section.suggested:.0%}"
    if known.how == "exact":
        return likely
    if known.category is None:
        return f"{likely}  (a category the model does not know)"
    return f"{likely}  (looked at as {known.category})"
