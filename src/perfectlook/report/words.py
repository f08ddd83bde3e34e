"""How a page says things: figures, categories, and why a case is listed."""

from perfectlook.metrics import Interval
from perfectlook.report.case import Case
from perfectlook.report.choice import Kind
from perfectlook.taxonomy import split_path
from perfectlook.types import REGIONS, Product

THIN = "\u00a0"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 67.6 %."""
    return f"{100 * share:.{digits}f}{THIN}%"


def bounds(figure: Interval) -> str:
    """The interval of a share: 64.8 to 70.2 %."""
    return f"{100 * figure.low:.1f} to {percent(figure.high)}"


def pairs(count: int) -> str:
    """A number of pairs."""
    return counted(count, "pair")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things."""
    return f"{count:,}{THIN}{noun if count == 1 else plural or noun + 's'}"


def last_level(category: str) -> str:
    """What a category is called where there is little room: its last level."""
    levels = split_path(category)
    return levels[-1] if levels else "no category"


def spoken_path(category: str) -> str:
    """All levels of a category: Furniture › Chairs."""
    return " › ".join(split_path(category)) or "no category"


def name_of(product: Product) -> str:
    """What a product is called by those who cannot see it: its title, or its id."""
    return product.title or f"product {product.id}"


def rank_of(case: Case) -> str:
    """Where the true product came: 3 of 547."""
    return f"{case.placed.result.rank:,g} of {case.placed.n_products:,}"


def why_listed(case: Case, kind: Kind) -> str:
    """The sentence that says why a case is on the page."""
    if kind == "best":
        return f"{_nearer(case)} {_as_often(case.placed.chance_of_as_good, 'well')}"
    if kind == "worst":
        return f"{_nearer(case)} {_as_often(case.placed.chance_of_as_bad, 'badly')}"
    share = case.placed.result.share
    return (
        f"Drawn at random. {_nearer(case)} So the true product comes before {percent(share, 0)} of them; a "
        f"guess, before {percent(0.5, 0)} on average."
    )


def _nearer(case: Case) -> str:
    count, nearer = case.placed.n_candidates, case.n_nearer
    ties = f", and {case.n_as_near:,} as near" if case.n_as_near else ""
    if count == 1:
        return f"The only other product of the category lies {'nearer' if nearer else 'no nearer'}{ties}."
    if not nearer:
        return f"None of the {count:,} other products lies nearer{ties}."
    if nearer == count:
        return f"All {count:,} other products lie nearer."
    return f"{nearer:,} of the {count:,} other products {'lies' if nearer == 1 else 'lie'} nearer{ties}."


def _as_often(chance: float, how: str) -> str:
    if chance > 0.4:
        return f"A guess does as {how} nearly every other time."
    return f"A guess does as {how} once in {round(1 / chance):,} times."


def what_made_it(case: Case) -> str:
    """What the true product's distance is made of, against the category's mean; empty without parts."""
    if case.true.parts is None or case.mean_parts is None:
        return ""
    against = "Against the average product of the category, the whole scene"
    whole = case.true.parts.whole - case.mean_parts.whole
    if case.attention is None:
        return f"{against} {_moves(whole)}."
    regions = case.true.parts.regions - case.mean_parts.regions
    if (whole <= 0) == (regions <= 0):
        return f"{against} {_moves(whole)} and the regions {abs(regions):.2f}."
    return f"{against} {_moves(whole)}, and the regions {_move(regions)}."


def _moves(difference: float) -> str:
    size = f"{abs(difference):.2f}"
    return f"pulls it {size} nearer" if difference <= 0 else f"pushes it {size} away"


def _move(difference: float) -> str:
    size = f"{abs(difference):.2f}"
    return f"pull it {size} nearer" if difference <= 0 else f"push it {size} away"


def remarks(case: Case, *, has_copy: bool, is_trained: bool) -> list[str]:
    """What to bear in mind about a case, a few words each."""
    said = []
    if is_trained:
        said.append("the model was trained on this scene")
    if has_copy:
        said.append("the scene has a copy under another id")
    if case.seen_in_training:
        said.append("product seen in training")
    if case.beside is not None:
        left = (case.beside.right - case.beside.left) * (case.beside.bottom - case.beside.top)
        said.append(f"{percent(left, 0)} of the picture is left beside the product")
    if case.known_category is None:
        said.append("the model does not know this category")
    elif case.known_category != case.category:
        said.append(f"taken as {last_level(case.known_category)}")
    if case.attention is not None and case.known_category is not None:
        strongest = float(case.attention.max()) * REGIONS
        said.append(f"its strongest region has {strongest:.1f} times an even share of the attention")
    if case.placed.n_candidates < 10:
        said.append("few candidates: luck counts for much")
    return said
