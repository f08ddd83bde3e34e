"""`perfectlook explain`: where the distance of a product to a photo comes from."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from perfectlook.cli.options import (
    add_category,
    add_choosing,
    add_count,
    add_place,
    check_choosing,
    chosen_rules,
    share,
    weight,
)
from perfectlook.cli.output import product_line, short_title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from perfectlook.answers import Answer, ExplainedProduct, Explanation, Look, Section, Similar
    from perfectlook.recommender import Recommender


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
    from perfectlook.cli.output import check_sheet, print_notes, write_json
    from perfectlook.recommender import Recommender

    check_sheet(arguments.sheet)
    _check_look(arguments)
    answers: list[Answer | Look] = []
    with Recommender.open(arguments.model, arguments.catalogue) as recommender:
        for answer in _answers(recommender, arguments):
            answers.append(answer)
            if not arguments.json:
                print(*_lines(answer, bare=arguments.all), sep="\n")
    if arguments.json and answers:
        documents = [answer.to_dict(None) if arguments.all else answer.to_dict() for answer in answers]
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


def _answers(recommender: "Recommender", arguments: argparse.Namespace) -> "Iterator[Answer | Look]":
    """Answer for each photo that can be read, and draw its sheet."""
    from perfectlook.cli.output import write_sheet
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
                write_sheet(file, _sheet(answer, photo))
        except PictureError as error:
            print(f"skipped: {error}", file=sys.stderr)
        else:
            yield answer


def _answering(recommender: "Recommender", arguments: argparse.Namespace) -> "Callable[[str], Answer | Look]":
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
    from perfectlook.recommender.look import WEIGHT

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


def _sheet(answer: "Answer | Look", photo: str) -> "Image":
    from perfectlook.answers import Answer
    from perfectlook.sheet import draw_look, draw_sheet

    return draw_sheet(answer, photo) if isinstance(answer, Answer) else draw_look(answer, photo)


def _lines(answer: "Answer | Look", *, bare: bool) -> "Iterator[str]":
    from perfectlook.answers import Answer

    return _text(answer, bare=bare) if isinstance(answer, Answer) else _look_text(answer)


def _text(answer: "Answer", *, bare: bool) -> Iterator[str]:
    """The lines of an answer as a person reads it."""
    yield answer.photo
    for section in answer.categories:
        yield ""
        yield f"  {section.category}{_note(section)}"
        if not section.products:
            yield "      nothing"
        for product in section.products:
            yield product_line(product, bare=bare)
    yield ""
    for rule in answer.unused_rules:
        yield f"  rule {rule.rule} ({rule.action}) is not followed: {rule.reason}"


def _look_text(look: "Look") -> Iterator[str]:
    """The lines of a look as a person reads it."""
    yield look.photo
    for slot in look.slots:
        likely = "" if slot.suggested is None else f"  {slot.suggested:.0%}"
        yield ""
        yield f"  {slot.category}{likely}{'  (locked)' if slot.locked else ''}"
        yield product_line(slot.product)
        for other in slot.alternatives:
            yield f"  or{product_line(other)[4:]}  ({other.objective:.3f})"
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
    known = section.resolved
    likely = "" if section.suggested is None else f"  {section.suggested:.0%}"
    if known.how == "exact":
        return likely
    if known.category is None:
        return f"{likely}  (a category the model does not know)"
    return f"{likely}  (looked at as {known.category})"


def add_parser_similar(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `similar`."""
    similar = subparsers.add_parser(
        "similar",
        help="find products that look alike",
        description="Find the products of a catalogue that look most like one of them, or like the product "
        "on a photo.",
    )
    similar.add_argument(
        "like", metavar="ID|PHOTO", help="the id of a product of the catalogue, or else a picture of one"
    )
    add_place(similar)
    add_category(
        similar,
        "look in these categories only (default: that of the product; for a photo the three whose "
        "products look most like it on the whole)",
    )
    add_count(similar, 10, "products of each category (default: 10)")
    add_choosing(similar)
    similar.add_argument(
        "--json", metavar="FILE", help="write JSON instead of printing; - for standard output"
    )
    similar.add_argument(
        "--sheet", metavar="FILE.png", type=Path, help="draw the product or photo and its look-alikes"
    )
    similar.set_defaults(func=run_similar)


def run_similar(arguments: argparse.Namespace) -> int:
    """Find look-alikes.

    Raises:
        PerfectLookError: the product or photo, the model, the catalogue, a category, the filter or the rules
            cannot be used, or a file cannot be written.
    """
    from perfectlook.cli.output import check_sheet, print_notes, write_json, write_sheet
    from perfectlook.recommender import Recommender

    check_sheet(arguments.sheet)
    check_choosing(arguments)
    rules = chosen_rules(arguments)
    with Recommender.open(arguments.model, arguments.catalogue) as recommender:
        found = recommender.similar(
            arguments.like,
            arguments.category,
            arguments.k,
            arguments.where,
            variety=not arguments.all,
            rules=rules,
            include_unavailable=arguments.include_unavailable or arguments.all,
        )
        if arguments.sheet:
            from perfectlook.sheet import draw_lookalikes

            write_sheet(arguments.sheet, draw_lookalikes(found))
    if arguments.json:
        write_json(arguments.json, found.to_dict(None) if arguments.all else found.to_dict())
    else:
        print(*_text_similar(found, bare=arguments.all), sep="\n")
    print_notes(found.notes)
    return 0


def _text_similar(found: "Similar", *, bare: bool) -> Iterator[str]:
    """The lines of the answer as a person reads it."""
    from perfectlook.cli.output import product_line

    title = found.product and found.product.title
    yield f"{found.asked}  {title}" if title else found.asked
    for section in found.categories:
        yield ""
        yield f"  {section.category}"
        if not section.products:
            yield "      nothing"
        for product in section.products:
            yield product_line(product, bare=bare)
    yield ""


NAMED = 3
"""How many regions are named."""


def add_parser_explain(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `explain`."""
    explain = subparsers.add_parser(
        "explain",
        help="say why products go with a photo",
        description="Say how much of the distance of products to a photo comes from the whole scene and how "
        "much from which of its regions, and what makes them nearer than other products of the category.",
    )
    explain.add_argument("photo", metavar="PHOTO", help="the picture of a real scene")
    add_place(explain)
    add_category(
        explain,
        "a category of the catalogue: a whole path (Furniture|Chairs), or its last level by itself",
        several=False,
    )
    which = explain.add_mutually_exclusive_group()
    add_count(which, 3, "explain the nearest N products (default: 3)")
    which.add_argument(
        "--product",
        metavar="ID",
        nargs="+",
        action="extend",
        help="explain these products of the category, however near they are",
    )
    explain.add_argument(
        "--json", metavar="FILE", help="write JSON instead of printing; - for standard output"
    )
    explain.add_argument(
        "--sheet",
        metavar="FILE.png",
        type=Path,
        help="draw the photo with what each region contributes, beside each product",
    )
    explain.set_defaults(func=run_explain)


def run_explain(arguments: argparse.Namespace) -> int:
    """Explain products for one photo.

    Raises:
        PerfectLookError: the photo, the model, the catalogue, the category or a product cannot be used, or a
            file cannot be written.
    """
    from perfectlook.cli.output import check_sheet, write_json, write_sheet
    from perfectlook.recommender import Recommender

    check_sheet(arguments.sheet)
    with Recommender.open(arguments.model, arguments.catalogue) as recommender:
        explanation = recommender.explain(arguments.photo, arguments.category, arguments.k, arguments.product)
    if arguments.sheet:
        from perfectlook.sheet import draw_explanation

        write_sheet(arguments.sheet, draw_explanation(explanation, arguments.photo))
    if arguments.json:
        write_json(arguments.json, explanation.to_dict())
    else:
        print(*_text_explain(explanation), sep="\n")
    return 0


def _text_explain(explanation: "Explanation") -> Iterator[str]:
    """The lines of an explanation as a person reads it."""
    yield explanation.photo
    yield ""
    yield (
        f"  {explanation.category}: {explanation.n_products:,} products, at {explanation.mean_distance:.3f} "
        "on average"
    )
    if explanation.resolved.how != "exact":
        stand_in = explanation.resolved.category
        yield f"  (looked at as {stand_in})" if stand_in else "  (a category the model does not know)"
    if not explanation.has_regions:
        yield "  (the model looks at the whole scene only)"
    for each in explanation.products:
        yield ""
        yield from _of_product(each, has_regions=explanation.has_regions)
    yield ""


def _of_product(product: "ExplainedProduct", *, has_regions: bool) -> Iterator[str]:
    relative = product.relative
    title = short_title(product.title)
    yield f"  {product.rank:>4}  {product.distance:.3f}  {product.id}  {title}".rstrip()
    if has_regions:
        scale = product.distance or 1.0
        yield (
            f"        of the distance: whole scene {product.distance_global / scale:.1%}, "
            f"regions {product.distance_local / scale:.1%}"
        )
        shares = [part / scale for part in product.regions]
        yield from _regions("        most:", shares, shares, "{:.1%}")
    nearer = "nearer" if relative.distance <= 0 else "farther"
    line = f"        {nearer} than the average product by {abs(relative.distance):.3f}"
    if has_regions:
        line += f": whole scene {relative.distance_global:+.3f}, regions {relative.distance_local:+.3f}"
    yield line
    nearer_by = [-part for part in relative.regions]
    yield from _regions("        nearer by:", nearer_by, relative.regions, "{:+.4f}")
    yield from _regions("        farther by:", relative.regions, relative.regions, "{:+.4f}")


def _regions(head: str, order: list[float], values: list[float], form: str) -> Iterator[str]:
    """One line naming the regions that stand out, with their numbers; none where none does."""
    import numpy as np

    from perfectlook.model.attribution import place_of, row_and_column, strongest

    said = []
    for region in strongest(np.asarray(order), NAMED):
        row, column = row_and_column(region)
        said.append(f"row {row}, column {column} ({place_of(region)}) {form.format(values[region])}")
    if said:
        yield f"{head} {'; '.join(said)}"
