"""`perfectlook complete`, `similar` and `explain`: what a catalogue has for a photo, and why."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from perfectlook.cli.options import (
    Choosing,
    Folder,
    JsonOut,
    Location,
    Positive,
    Share,
    Sheet,
    Strict,
    Text,
    Texts,
    Weight,
    key_and_value,
)
from perfectlook.cli.output import check_sheet, print_notes, product_line, short_title, write_json
from perfectlook.errors import PictureError, UsageError

if TYPE_CHECKING:
    from perfectlook import answers

FAILED = 1
PRODUCTS, ALTERNATIVES = 10, 3
"""`-k` where it is not given: products of a category, alternatives of a slot."""
NEAREST, NAMED = 3, 3
"""How many products `explain` explains, and how many of their regions it names."""

Count = Annotated[Positive, Parameter(name="-k")]


def register(app: App) -> None:
    """Add the commands."""
    app.command(complete)
    app.command(similar)
    app.command(explain)


def complete(
    photo: str,
    /,
    *photos: str,
    model: Folder,
    catalogue: Location,
    category: Texts | None = None,
    k: Count | None = None,
    choosing: Choosing = Choosing(),
    spread: Share = 0.0,
    look: bool = False,
    weight: Weight | None = None,
    budget: Text | None = None,
    lock: Texts | None = None,
    json: JsonOut = None,
    sheet: Sheet = None,
    strict: Strict = False,
) -> int:
    """Recommend products of a catalogue that complete the look of each photo, by category.

    Args:
        photo: picture of a real scene.
        photos: more of them.
        category: answer for these categories only, one or several: a whole path (Furniture|Chairs), the
            top of a subtree, or one level (default: all, those most likely to complete the photo first).
        k: products of each category (default: 10); with --look, alternatives of each slot (default: 3).
        spread: 0 to 1: how much products should differ from those before them, rather than be near
            (default: 0, off).
        look: compose a whole look: one product of each category, near the photo and near each other.
        weight: with --look: how much its products should go with each other (default: 0.5).
        budget: with --look: what all its products may cost together, 500 or "500 EUR".
        lock: with --look: CATEGORY=ID, products that keep the slot of their category.
        sheet: draw photo, attention and products on one page; FILE-1.png, FILE-2.png ... for several photos.
        strict: exit with 1 if any photo cannot be read.

    Returns:
        1 when no photo could be read, or with `--strict` when one could not.

    Raises:
        PerfectLookError: the model, the catalogue or a category cannot be used, or a file cannot be written.
    """
    from perfectlook.recommender import Recommender
    from perfectlook.recommender.look import WEIGHT

    check_sheet(sheet)
    asked = choosing.options(spread=spread)
    if look and choosing.all:
        raise UsageError("--all shows the bare ranking, and --look chooses products; leave one of them out")
    if look and spread:
        raise UsageError("--spread changes rankings, and a look has none; use --weight with --look")
    for flag, value in (("weight", weight), ("budget", budget), ("lock", lock)):
        if value is not None and not look:
            raise UsageError(f"--{flag} requires --look")
    expected = "a whole category and a product's id: Furniture|Chairs=ID"
    locked = dict(key_and_value("--lock", each, expected, at_last=True) for each in lock or [])
    with Recommender.open(catalogue, model=model) as recommender:

        def answered(shown: str) -> "answers.Answer | answers.Look":
            if not look:
                number, variety = k or PRODUCTS, not choosing.all
                return recommender.complete(shown, category, number, variety=variety, spread=spread, **asked)
            return recommender.look(
                shown,
                category,
                weight=WEIGHT if weight is None else weight,
                budget=budget,
                locked=locked,
                alternatives=k or ALTERNATIVES,
                **asked,
            )

        found = []
        for answer in _answers(answered, (photo, *photos), sheet):
            found.append(answer)
            if not json:
                print(*_lines(answer, bare=choosing.all), sep="\n")
    if json and found:
        documents = [_document(answer, bare=choosing.all) for answer in found]
        write_json(json, documents if photos else documents[0])
    print_notes(note for answer in found for note in answer.notes)
    skipped = 1 + len(photos) - len(found)
    if skipped and photos:
        print(f"{skipped} of {1 + len(photos)} photos skipped", file=sys.stderr)
    return FAILED if not found or (strict and skipped) else 0


def _answers(
    answered: "Callable[[str], answers.Answer | answers.Look]", photos: Sequence[str], sheet: Path | None
) -> "Iterator[answers.Answer | answers.Look]":
    """Answer for each photo that can be read, and draw its sheet; the others are named."""
    for number, photo in enumerate(photos, 1):
        try:
            answer = answered(photo)
            if sheet:
                file = sheet.with_stem(f"{sheet.stem}-{number}") if len(photos) > 1 else sheet
                answer.save(file)
        except PictureError as error:
            print(f"skipped: {error}", file=sys.stderr)
        else:
            yield answer


def similar(
    like: Annotated[str, Parameter(name="ID|PHOTO")],
    /,
    *,
    model: Folder,
    catalogue: Location,
    category: Texts | None = None,
    k: Count = 10,
    choosing: Choosing = Choosing(),
    json: JsonOut = None,
    sheet: Sheet = None,
) -> int:
    """Find the products of a catalogue that look most like one of them, or like the product on a photo.

    Args:
        like: id of a product of the catalogue, or else a picture of a product.
        category: look in these categories only (default: the product's own; for a photo, the three categories
            whose products look most like it on the whole).
        k: products of each category (default: 10).
        sheet: draw the product or photo with its look-alikes on one page.

    Raises:
        PerfectLookError: the product or photo, the model, the catalogue, a category, the filter or the rules
            cannot be used, or a file cannot be written.
    """
    from perfectlook.recommender import Recommender

    check_sheet(sheet)
    asked = choosing.options()
    with Recommender.open(catalogue, model=model) as recommender:
        found = recommender.similar(like, category, k, variety=not choosing.all, **asked)
        _give(found, json, sheet, bare=choosing.all)
    print_notes(found.notes)
    return 0


def explain(
    photo: str,
    /,
    *,
    model: Folder,
    catalogue: Location,
    category: str,
    k: Count | None = None,
    product: Texts | None = None,
    json: JsonOut = None,
    sheet: Sheet = None,
) -> int:
    """Say which parts of a photo make products of a category near to it or far from it.

    The distance of a product is the sum of what the whole scene and what each region contribute.

    Args:
        photo: picture of a real scene.
        category: a category of the catalogue: a whole path (Furniture|Chairs), or its last level.
        k: explain the nearest products, this many (default: 3).
        product: explain these products of the category instead, however near they are.
        sheet: draw the photo with what each region contributes, next to each product.

    Raises:
        PerfectLookError: the photo, the model, the catalogue, the category or a product cannot be used, or a
            file cannot be written.
    """
    from perfectlook.recommender import Recommender

    if k is not None and product:
        raise UsageError("-k explains the nearest products, --product explains others; leave one of them out")
    check_sheet(sheet)
    with Recommender.open(catalogue, model=model) as recommender:
        _give(recommender.explain(photo, category, k or NEAREST, product), json, sheet)
    return 0


def _give(
    answer: "answers.Similar | answers.Explanation",
    json: str | None,
    sheet: Path | None,
    *,
    bare: bool = False,
) -> None:
    """Draw an answer's sheet, and write its JSON or print it."""
    if sheet:
        answer.save(sheet)
    if json:
        write_json(json, _document(answer, bare=bare))
    else:
        print(*_lines(answer, bare=bare), sep="\n")


def _document(answer: "answers.DrawableAnswer", *, bare: bool) -> dict[str, Any]:
    return answer.to_dict(None) if bare else answer.to_dict()


def _lines(answer: "answers.DrawableAnswer", *, bare: bool) -> Iterator[str]:
    """The lines of an answer as a person reads it, with all digits of distances if it is `bare`."""
    from perfectlook import answers

    match answer:
        case answers.Answer():
            yield from _sections(answer.photo, answer.categories, bare=bare)
            for rule in answer.unused_rules:
                yield f"  rule {rule.rule} ({rule.action}) is not followed: {rule.reason}"
        case answers.Similar():
            title = answer.product and answer.product.title
            yield from _sections(
                f"{answer.asked}  {title}" if title else answer.asked, answer.categories, bare=bare
            )
        case answers.Look():
            yield from _look(answer)
        case answers.Explanation():
            yield from _explanation(answer)


def _sections(
    head: str, sections: "Sequence[answers.Section | answers.SimilarSection]", *, bare: bool
) -> Iterator[str]:
    yield head
    for section in sections:
        lines = [product_line(product, bare=bare) for product in section.products]
        yield from _block(f"{section.category}{_note(section)}", lines)
    yield ""


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", f"  {title}", *(lines or ["      nothing"])]


def _note(section: "answers.Section | answers.SimilarSection") -> str:
    """How likely the category is, and which category of the model stands in for it."""
    from perfectlook import answers

    if not isinstance(section, answers.Section):
        return ""
    known = section.resolved
    likely = _likely(section.suggested)
    if known.how == "exact":
        return likely
    return f"{likely}  ({_stands_in(known)})"


def _likely(suggested: float | None) -> str:
    return "" if suggested is None else f"  {suggested:.0%}"


def _stands_in(known: "answers.Resolved") -> str:
    return f"looked at as {known.category}" if known.category else "a category the model does not know"


def _look(look: "answers.Look") -> Iterator[str]:
    yield look.photo
    for slot in look.slots:
        others = [f"  or{product_line(each)[4:]}  ({each.objective:.3f})" for each in slot.alternatives]
        locked = "  (locked)" if slot.locked else ""
        title = f"{slot.category}{_likely(slot.suggested)}{locked}"
        yield from _block(title, [product_line(slot.product), *others])
    for category in look.missing:
        yield from _block(category, [])
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


def _explanation(explanation: "answers.Explanation") -> Iterator[str]:
    average = f"{explanation.n_products:,} products, at {explanation.mean_distance:.3f} on average"
    yield from (explanation.photo, "", f"  {explanation.category}: {average}")
    if explanation.resolved.how != "exact":
        yield f"  ({_stands_in(explanation.resolved)})"
    if not explanation.has_regions:
        yield "  (the model looks at the whole scene only)"
    for each in explanation.products:
        yield ""
        yield from _of_product(each, has_regions=explanation.has_regions)
    yield ""


def _of_product(product: "answers.ExplainedProduct", *, has_regions: bool) -> Iterator[str]:
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
