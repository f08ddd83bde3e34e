"""`perfectlook complete`, `similar` and `explain`: products for a photo, and why they go with it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from perfectlook.cli.options import (
    Choosing,
    Few,
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
from perfectlook.cli.output import check_sheet, print_notes, product_line, reason_lines, write_json
from perfectlook.errors import PictureError, UsageError
from perfectlook.progress import counted
from perfectlook.taxonomy import short_names
from perfectlook.texts import plain, short_title

if TYPE_CHECKING:
    from perfectlook import answers

FAILED = 1
PRODUCTS, ALTERNATIVES = 10, 3
MOST_CATEGORIES = 8
"""How many categories are printed if none is named."""
"""Defaults of `-k`: products of a category, and alternatives of a slot."""
NEAREST, NAMED = 3, 3
"""How many products `explain` explains by default, and how many regions it names for each."""

Count = Annotated[Positive, Parameter(name="-k")]


def register(app: App) -> None:
    """Add the commands."""
    app.command(complete)
    app.command(similar)
    app.command(explain)


def complete(
    photo: str | None = None,
    /,
    *photos: str,
    model: Folder,
    catalogue: Location,
    product: Text | None = None,
    category: Texts | None = None,
    k: Count | None = None,
    choosing: Choosing = Choosing(),
    spread: Share = 0.0,
    keep_in_scene: bool = False,
    look: bool = False,
    weight: Weight | None = None,
    budget: Text | None = None,
    lock: Texts | None = None,
    alternatives: Few | None = None,
    slots: str | None = None,
    json: JsonOut = None,
    sheet: Sheet = None,
    strict: Strict = False,
) -> int:
    """Recommend the catalogue's products that complete the look of each photo, or of a product, by category.

    Args:
        photo: photo of a real scene
        photos: more photos
        product: id of a product of the catalogue, instead of a photo: recommend what goes with it
        category: answer only for these categories: a whole path (Furniture|Chairs), the top of a subtree or
            one level (default: all, those most likely to complete the photo first)
        k: products per category (default: 10); with --look, alternatives per slot (default: 3)
        spread: 0 to 1: prefer products that differ from those ranked before them (default: 0, off)
        keep_in_scene: also recommend products that the photo already shows
        look: compose a whole look: one product per category, near the photo and near each other
        weight: with --look: how much its products should go with each other (default: the model's)
        budget: with --look: maximum total price, 500 or "500 EUR"
        lock: with --look: CATEGORY=ID, a product that keeps the slot of its category; the last level of the
            path is enough
        alternatives: with --look: how many other whole looks to show, up to 5 (default: none)
        slots: with --look: TOML file that says which slots exclude each other, and quantities (default: the
            table of the package)
        sheet: draw the photo, the attention and the products on one page; with several photos, FILE-1.png,
            FILE-2.png ...
        strict: exit with 1 if any photo cannot be read

    Returns:
        1 if no photo could be read, or with `--strict` if any photo failed.

    Raises:
        PerfectLookError: the model, the catalogue or a category cannot be used, or a file cannot be written.
    """
    from perfectlook.recommender import Recommender, SlotTable

    check_sheet(sheet)
    if (photo is None) == (product is None):
        raise UsageError("Give either photos or --product ID, and not both.")
    asked = choosing.options(spread=spread) | {"keep_in_scene": keep_in_scene or choosing.all}
    if look and choosing.all:
        raise UsageError("--all and --look exclude each other. Leave one of them out.")
    if look and spread:
        raise UsageError("--spread and --look exclude each other. Use --weight with --look instead.")
    of_looks = {"weight": weight, "budget": budget, "lock": lock}
    of_looks |= {"alternatives": alternatives, "slots": slots}
    for flag, value in of_looks.items():
        if value is not None and not look:
            raise UsageError(f"--{flag} requires --look. Add --look, or leave out --{flag}.")
    expected = "CATEGORY=ID, as in Furniture|Chairs=chair-1 or Chairs=chair-1"
    table = SlotTable.given(slots)
    locked = dict(key_and_value("--lock", each, expected, at_last=True) for each in lock or [])
    with Recommender.open(catalogue, model=model) as recommender:

        def answered(shown: str | None) -> "answers.Answer | answers.Look":
            if not look:
                number, more = k or PRODUCTS, {"variety": not choosing.all, "spread": spread, **asked}
                return recommender.complete(shown, category, number, product=product, **more)
            return recommender.look(
                shown,
                category,
                product=product,
                weight=weight,
                budget=budget,
                locked=locked,
                alternatives=k or ALTERNATIVES,
                other_looks=alternatives or 0,
                slots=table,
                **asked,
            )

        found = []
        for answer in _answers(answered, (photo, *photos), sheet):
            found.append(answer)
            if not json:
                most = None if category or choosing.all else MOST_CATEGORIES
                print(*map(plain, _lines(answer, bare=choosing.all, most=most)), sep="\n")
    if json and found:
        documents = [_document(answer, bare=choosing.all) for answer in found]
        write_json(json, documents if photos else documents[0])
    print_notes(note for answer in found for note in answer.notes)
    skipped = 1 + len(photos) - len(found)
    if skipped and photos:
        print(f"{skipped} of {1 + len(photos)} photos were skipped", file=sys.stderr)
    return FAILED if not found or (strict and skipped) else 0


def _answers(
    answered: "Callable[[str | None], answers.Answer | answers.Look]",
    photos: Sequence[str | None],
    sheet: Path | None,
) -> "Iterator[answers.Answer | answers.Look]":
    """Yield the answer for each photo that can be read, and draw its sheet. Report the others as skipped."""
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
    """Find the products that look most like a product of the catalogue, or like the product on a photo.

    Args:
        like: id of a product of the catalogue, or a photo of a product
        category: search only these categories (default: the product's own; for a photo, the three categories
            whose products look most like it on average)
        k: products per category (default: 10)
        sheet: draw the product or photo and its similar products on one page

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
    """Explain which parts of a photo make products of a category near or far.

    A product's distance is the sum of the contributions of the whole scene and of each region.

    Args:
        photo: photo of a real scene
        category: a category of the catalogue: a whole path (Furniture|Chairs), or its last level
        k: number of nearest products to explain (default: 3)
        product: explain these products of the category instead of the nearest ones
        sheet: draw each product next to the photo with the contribution of each region

    Raises:
        PerfectLookError: the photo, the model, the catalogue, the category or a product cannot be used, or a
            file cannot be written.
    """
    from perfectlook.recommender import Recommender

    if k is not None and product:
        raise UsageError("-k and --product exclude each other. Leave one of them out.")
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
    """Draw an answer's sheet, then write its JSON or print it."""
    if sheet:
        answer.save(sheet)
    if json:
        write_json(json, _document(answer, bare=bare))
    else:
        print(*map(plain, _lines(answer, bare=bare)), sep="\n")


def _document(answer: "answers.DrawableAnswer", *, bare: bool) -> dict[str, Any]:
    return answer.to_dict(None) if bare else answer.to_dict()


def _lines(answer: "answers.DrawableAnswer", *, bare: bool, most: int | None = None) -> Iterator[str]:
    """Yield the lines of an answer for people. `bare` prints all digits; `most` limits the categories."""
    from perfectlook import answers

    match answer:
        case answers.Answer():
            yield from _sections(_asked(answer), answer.categories[:most], bare=bare)
            if more := answer.categories[len(answer.categories[:most]) :]:
                others = counted(len(more), "more category", "more categories")
                yield f"  {others}: name them with --category, or use --json, which has all"
                yield ""
            for product in answer.in_scene[:most]:
                yield f"  the photo seems to show {product.id}  {short_title(product.title)}".rstrip()
            for rule in answer.unused_rules:
                yield f"  rule {rule.rule} ({rule.action}) is not applied: {rule.reason}"
        case answers.Similar():
            yield from _sections(_asked(answer), answer.categories, bare=bare)
        case answers.Look():
            yield from _look(answer)
        case answers.Explanation():
            yield from _explanation(answer)


def _asked(answer: "answers.Answer | answers.Similar | answers.Look") -> str:
    """Return the name of the photo, or the id and the title of the product, of a request."""
    title = answer.product and answer.product.title
    return f"{answer.asked}  {title}" if title else answer.asked


def _sections(
    head: str, sections: "Sequence[answers.Section | answers.SimilarSection]", *, bare: bool
) -> Iterator[str]:
    yield head
    for section in sections:
        lines = [
            line
            for product in section.products
            for line in (product_line(product, bare=bare), *([] if bare else reason_lines(product)))
        ]
        yield from _block(f"{section.category}{_note(section)}", lines)
    yield ""


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", f"  {title}", *(lines or ["      nothing"])]


def _note(section: "answers.Section | answers.SimilarSection") -> str:
    """Return how likely the category is, and which category of the model stands in for it."""
    from perfectlook import answers

    if not isinstance(section, answers.Section):
        return ""
    known = section.resolved
    likely = "  already there" if section.present else _likely(section.suggested)
    if known.how == "exact":
        return likely
    return f"{likely}  ({_stands_in(known)})"


def _likely(suggested: float | None) -> str:
    return "" if suggested is None else f"  {suggested:.0%}"


def _stands_in(known: "answers.Resolved") -> str:
    return f"treated as {known.category}" if known.category else "a category that the model does not know"


def _look(look: "answers.Look") -> Iterator[str]:
    yield _asked(look)
    for slot in look.slots:
        others = [f"  or{product_line(each)[4:]}  ({each.objective:.3f})" for each in slot.alternatives]
        chosen = [product_line(slot.product), *reason_lines(slot.product)]
        yield from _block(_slot_title(slot), [*chosen, *others])
    for category in look.missing:
        yield from _block(category, [])
    yield ""
    yield f"  {_total(look)}"
    if look.excluded:
        names = short_names(look.excluded)
        yield f"  without {'; '.join(names.values())}: they exclude another slot of the look"
    for number, other in enumerate(look.alternatives, 2):
        yield from ("", f"  look {number}: {_total(other)}", "")
        for slot in other.slots:
            yield f"{product_line(slot.product)}  ({_slot_title(slot)})"
    yield ""


def _slot_title(slot: "answers.Slot") -> str:
    count = f"  {slot.quantity} pieces" if slot.quantity > 1 else ""
    return f"{slot.category}{count}{_likely(slot.suggested)}{'  (locked)' if slot.locked else ''}"


def _total(look: "answers.Look") -> str:
    """Return the objective of a look and its price."""
    if not look.slots:
        return look.proof
    return (
        f"distances {look.distance:.3f} + {look.weight:g} x {look.apart:.3f} apart = "
        f"{look.objective:.3f} ({look.proof}){f'; {look.price}' if look.price else ''}"
    )


def _explanation(explanation: "answers.Explanation") -> Iterator[str]:
    average = f"{explanation.n_products:,} products, mean distance {explanation.mean_distance:.3f}"
    yield from (explanation.photo, "", f"  {explanation.category}: {average}")
    if explanation.resolved.how != "exact":
        yield f"  ({_stands_in(explanation.resolved)})"
    if not explanation.has_regions:
        yield "  (the model uses the whole scene only)"
    for each in explanation.products:
        yield ""
        yield from _product_lines(each, has_regions=explanation.has_regions)
    yield ""


def _product_lines(product: "answers.ExplainedProduct", *, has_regions: bool) -> Iterator[str]:
    relative = product.relative
    title = short_title(product.title)
    yield f"  {product.rank:>4}  {product.distance:.3f}  {product.id}  {title}".rstrip()
    yield from reason_lines(product)
    if has_regions:
        if product.why and product.why.whole + product.why.regions > 0:
            yield (
                f"        nearer than usual by: whole scene {product.why.whole:.0%}, "
                f"regions {product.why.regions:.0%}"
            )
        scale = product.distance or 1.0
        shares = [part / scale for part in product.regions]
        yield from _regions("        largest shares:", shares, shares, "{:.1%}")
    if len(product.parts) > 1:
        shares_of = (f"{name} {part / (product.distance or 1.0):.1%}" for name, part in product.parts.items())
        yield f"        of the distance, by part of the model: {', '.join(shares_of)}"
    nearer = "nearer" if relative.distance <= 0 else "farther"
    line = f"        {nearer} than the average product by {abs(relative.distance):.3f}"
    if has_regions:
        line += f": whole scene {relative.distance_global:+.3f}, regions {relative.distance_local:+.3f}"
    yield line
    if len(relative.parts) > 1:
        yield "        " + ", ".join(f"{name} {part:+.3f}" for name, part in relative.parts.items())
    nearer_by = [-part for part in relative.regions]
    yield from _regions("        pull it nearer:", nearer_by, relative.regions, "{:+.4f}")
    yield from _regions("        push it farther:", relative.regions, relative.regions, "{:+.4f}")


def _regions(head: str, order: list[float], values: list[float], form: str) -> Iterator[str]:
    """Yield one line that names the strongest regions with their values; nothing if no region stands out."""
    import numpy as np

    from perfectlook.model.attribution import place_of, row_and_column, strongest

    named = []
    for region in strongest(np.asarray(order), NAMED):
        row, column = row_and_column(region)
        named.append(f"row {row}, column {column} ({place_of(region)}) {form.format(values[region])}")
    if named:
        yield f"{head} {'; '.join(named)}"
