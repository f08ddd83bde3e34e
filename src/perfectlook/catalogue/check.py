"""Check a feed: what a sync would do with it, without pictures and without a catalogue."""

import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np

from perfectlook.catalogue.sources import open_source
from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds import KEPT, Feed, FeedOptions
from perfectlook.feeds.categories import write_map as write_category_map
from perfectlook.model.runtime import Model
from perfectlook.prices import sale_at
from perfectlook.types import Problem, Product

EXAMPLES = 3
"""How many problems of one kind a check keeps as examples."""

Severity: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(slots=True)
class ProblemGroup:
    """The problems of one kind: how many, the first ones, and whether their rows still become products."""

    kind: str
    count: int = 0
    kept: bool = False
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CategoryCheck:
    """One category of a feed, and the category of the model that replaces it (None if there is none)."""

    products: int
    known: str | None = None
    how: str = "not checked"
    sure: float = 0.0

    @property
    def is_lost(self) -> bool:
        """Whether no category of the model, or more than one, can stand for it. It is never suggested."""
        return self.how != "not checked" and not self.sure


@dataclass(slots=True)
class PriceCheck:
    """The prices in one currency that hold now."""

    products: int
    least: str
    most: str
    on_sale: int


@dataclass(slots=True)
class FeedCheck:
    """What a sync would do with a feed.

    Attributes:
        source: the feed.
        model: the model whose categories were compared; None without one.
        products: the rows that become products.
        columns: the column of each field that was found in the first row.
        fields: how many products have each field.
        problems: the problems by kind, the most frequent first.
        categories: the categories, the most frequent first.
        prices: the prices that hold now, by currency.
        availability: how many products have each availability; "" stands for none.
        same_picture: how many products have the picture of an earlier product.
        groups: how many groups of variants there are.
        not_shown: how many products of a platform's export are not shown there, by the text that says so.
        errors: why a sync would stop before it changes anything.
    """

    source: str
    model: str | None = None
    products: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)
    problems: list[ProblemGroup] = field(default_factory=list)
    categories: dict[str, CategoryCheck] = field(default_factory=dict)
    prices: dict[str, PriceCheck] = field(default_factory=dict)
    availability: dict[str, int] = field(default_factory=dict)
    same_picture: int = 0
    groups: int = 0
    not_shown: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """`error` if a sync would stop, `warning` if it would lose rows, fields or suggestions, else `ok`."""
        is_lossy = bool(self.problems) or any(each.is_lost for each in self.categories.values())
        return "error" if self.errors else "warning" if is_lossy else "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {"severity": self.severity, **asdict(self)}


def check_feed(
    feed: Path | str,
    model: Model | Path | str | None = None,
    *,
    at: float | None = None,
    write_map: Path | str | None = None,
    **options: Unpack[FeedOptions],
) -> FeedCheck:
    """Read a feed as a sync reads it, and report what it would do. Pictures are neither fetched nor read.

    Memory stays small: of all rows, the check keeps only ids and counts.

    Args:
        feed: the path or URL of a feed.
        model: a model, its folder or its name, whose categories are compared with those of the feed.
        write_map: a CSV file for the map of categories that was used. Edit it, and pass it as `categories`.
        at: the time that decides which sales count, in seconds since 1970; by default now.
        options: how to read the feed.

    Raises:
        UsageError: there is no feed at the path or URL, or an option is invalid.
        FeedError: the format is unknown.
        FetchError: the URL cannot be fetched.
        ModelError: the model cannot be opened.
    """
    source = open_source(feed, **options)
    if not isinstance(source, Feed):
        raise UsageError(f"{feed}: not a feed. Name a file, or an http:// or https:// URL.")
    opened = Model.open(model) if isinstance(model, Path | str) else model
    check = FeedCheck(source.name, opened.name if opened else None)
    counts = _Counts(time.time() if at is None else at)
    try:
        # Problems are counted row by row, because a list of all of them may be large.
        for product in source.products(lambda *_: counts.take(source.problems)):
            counts.add(product)
            source.pictures.forget()
    except FeedError as error:
        check.errors.append(str(error))
    counts.take(source.problems)
    check.columns = source.called
    check.not_shown = dict(source.not_shown.most_common())
    counts.write(check)
    if not check.products and not check.errors:
        why = "no row becomes a product. Correct the rows that are listed."
        check.errors.append(f"{source.name}: {why if check.problems else 'has no rows. Export it again.'}")
    matches = {name: source.categories.find(name, opened.categories) for name in check.categories if opened}
    for name, match in matches.items():
        found = check.categories[name]
        found.known, found.how, found.sure = match
    if write_map and opened:
        write_category_map(Path(write_map), matches)
    return check


class _Counts:
    """Counts over the products and the problems of a feed."""

    def __init__(self, at: float) -> None:
        self.products = 0
        self._at = at
        self._problems: dict[str, ProblemGroup] = {}
        self._fields: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()
        self._availability: Counter[str] = Counter()
        self._prices: dict[str, tuple[int, Decimal, Decimal, int]] = {}
        self._pictures, self._groups = array("Q"), array("Q")

    def take(self, problems: list[Problem]) -> bool:
        """Count problems, and empty the list. Always False: no row is unchanged."""
        for each in problems:
            group = self._problems.setdefault(each.kind, ProblemGroup(each.kind, kept=each.kind in KEPT))
            group.count += 1
            if len(group.examples) < EXAMPLES:
                group.examples.append(str(each))
        problems.clear()
        return False

    def add(self, product: Product) -> None:
        """Count a product."""
        fields = product.fields
        self.products += 1
        self._fields.update(fields.keys())
        self._fields["title"] += bool(product.title)
        self._categories[product.category] += 1
        self._availability[fields.get("availability", "")] += 1
        self._pictures.append(_hash(str(product.picture)))
        if group := fields.get("item_group_id"):
            self._groups.append(_hash(group))
        sale = sale_at(fields, self._at)
        if price := sale or fields.get("price", ""):
            amount, currency = Decimal(price.split()[0]), price.split()[1]
            number, least, most, on_sale = self._prices.get(currency, (0, amount, amount, 0))
            self._prices[currency] = number + 1, min(least, amount), max(most, amount), on_sale + bool(sale)

    def write(self, check: FeedCheck) -> None:
        """Write the counts into a check."""
        check.products = self.products
        check.fields = {name: number for name, number in self._fields.most_common() if number}
        check.problems = sorted(self._problems.values(), key=lambda each: -each.count)
        check.categories = {name: CategoryCheck(number) for name, number in self._categories.most_common()}
        check.availability = dict(self._availability.most_common())
        check.prices = {
            currency: PriceCheck(number, f"{least:f}", f"{most:f}", on_sale)
            for currency, (number, least, most, on_sale) in sorted(self._prices.items())
        }
        check.same_picture = len(self._pictures) - len(np.unique(np.frombuffer(self._pictures, np.uint64)))
        check.groups = len(np.unique(np.frombuffer(self._groups, np.uint64)))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
