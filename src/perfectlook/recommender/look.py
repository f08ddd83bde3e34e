"""Composes a whole look: retrieves products for every slot in one search and chooses among them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from perfectlook.answers import Alternative, Look, RankedProduct, Resolved, Slot
from perfectlook.catalogue import Catalogue
from perfectlook.errors import UsageError
from perfectlook.recommender.composition import Composition, Pool, SlotProblem, compose
from perfectlook.recommender.diversity import Candidate, distinct
from perfectlook.recommender.filters import all_of
from perfectlook.recommender.ranking import ROUNDING, CategorySearch, retrieve
from perfectlook.recommender.rules import NO_RULES, Rules
from perfectlook.stores import Point, Query
from perfectlook.stores.filters import Compare, Filter, Has, Money, Number, field_text, read_number
from perfectlook.taxonomy import normalise
from perfectlook.types import Float64Array

if TYPE_CHECKING:
    from perfectlook.model.runtime import Model, SceneEmbedding


UNIT = Decimal("0.0001")
"""Prices are summed in ten-thousandths of a currency: fractions of a cent occur in feeds."""
_GREATEST = Decimal(10) ** 12

_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)(?:\s*([A-Za-z]{3}))?\s*")


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount; where the currency is None, in the only one that the products' prices have."""

    amount: Decimal
    currency: str | None = None

    @classmethod
    def of(cls, given: "Budget | Decimal | int | str") -> "Budget":
        """Read a budget: 500, "499.90", "500 EUR".

        Raises:
            UsageError: it is none.
        """
        if isinstance(given, Budget):
            return given
        found = _BUDGET.fullmatch(str(given))
        if found is None or not 0 < Decimal(found[1]) <= _GREATEST:
            raise UsageError(
                f"budget '{given}': write an amount above 0, with its currency or without: 500 EUR"
            )
        return cls(Decimal(found[1]), found[2] and found[2].upper())

    @property
    def affordable(self) -> Compare:
        """The filter of products that cost no more than all of it."""
        value = self.amount if self.currency is None else Money(self.amount, self.currency)
        return Compare("price", "<=", value)

    @property
    def units(self) -> int:
        """The amount in the smallest unit, rounded down."""
        return int((self.amount / UNIT).to_integral_value(ROUND_FLOOR))

    @classmethod
    def from_units(cls, amounts: Iterable[int], currency: str | None) -> "list[Budget]":
        """Amounts counted in the smallest unit, as amounts of a currency."""
        return [cls(_in_cents(amount * UNIT), currency) for amount in amounts]

    def __str__(self) -> str:
        return said(self.amount, self.currency)


def _in_cents(amount: Decimal) -> Decimal:
    """The amount with two decimals, where it needs no more."""
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else amount


def said(amount: Decimal, currency: str | None) -> str:
    """An amount as people write it."""
    return f"{amount:f} {currency}" if currency else f"{amount:f}"


def price_of(product: Candidate, category: str) -> Number | None:
    """What a customer pays for a product; None where it does not say."""
    return read_number(field_text("price", product.id, category, product.record.fields))


def units_of(price: Number) -> int:
    """A price in the smallest unit, rounded up."""
    return int((price.amount / UNIT).to_integral_value(ROUND_CEILING))


def in_its_currency(budget: Budget, prices: Iterable[Number]) -> Budget:
    """Return the budget with the currency of the prices, where it has none.

    Raises:
        UsageError: the prices are in several currencies.
    """
    if budget.currency is not None:
        return budget
    currencies = sorted({price.currency or "" for price in prices})
    if len(currencies) > 1:
        named = ", ".join(name or "none" for name in currencies)
        raise UsageError(f"budget {budget}: prices are in several currencies ({named}); name one: 500 EUR")
    return Budget(budget.amount, currencies[0] or None) if currencies else budget


WEIGHT = 0.5
"""λ where none is given."""
SLOTS = 5
"""Categories of a look where none are named."""
MOST_SLOTS = 12
CANDIDATES = 200
"""Products retrieved for each slot."""
_CHEAPER = 10
"""Products asked for at once while looking for a cheaper one."""


class LookComposer:
    """Composes one look for one scene. All slots' products are retrieved in one call of the catalogue."""

    def __init__(
        self,
        scene: "SceneEmbedding",
        catalogue: Catalogue,
        model: "Model",
        *,
        weight: float = WEIGHT,
        budget: Budget | None = None,
        where: Filter | None = None,
        rules: Rules = NO_RULES,
        locked: Mapping[str, Point] | None = None,
        alternatives: int = 3,
    ) -> None:
        """Take the scene, where products are, and what is asked for: see `Recommender.look`."""
        self._scene = scene
        self._catalogue = catalogue
        self._model = model
        self._weight = weight
        self._budget = budget
        self._where = [] if where is None else [where]
        self._rules = rules
        self._locked = locked or {}
        self._n_alternatives = alternatives

    def compose(self, photo: str, suggested: Mapping[str, float | None]) -> Look:
        """Compose the look of a photo with a slot for each category.

        Raises:
            UsageError: the budget is too small, or prices are in several currencies; a locked product has
                no price although there is a budget.
            CatalogueError: the catalogue fails.
        """
        self._candidates = {category: self._begun(category) for category in suggested}
        self._retrieve()
        ranked = {category: self._ranked(category) for category in suggested}
        if self._budget is not None:
            ranked = self._with_prices(ranked)
        chosen = [category for category in suggested if ranked[category]]
        missing = [category for category in suggested if not ranked[category]]
        pools = [self._pool(category, ranked[category]) for category in chosen]
        units = None if self._budget is None else self._budget.units
        problem = SlotProblem(pools, self._weight, units)
        composed = compose(problem) if pools else Composition((), 0.0, 0.0)
        if composed is None:
            raise self._too_dear(chosen, pools)
        products = [ranked[category][row] for category, row in zip(chosen, composed.rows, strict=True)]
        slots = [
            Slot(
                category=category,
                **({} if suggested[category] is None else {"suggested": suggested[category]}),
                resolved=Resolved.of(self._model.resolve(category)),
                locked=category in self._locked,
                product=self._answer(1, category, products[number]),
                alternatives=self._alternatives(
                    category, ranked[category], problem.exchanged(composed.rows, number), products[number]
                ),
            )
            for number, category in enumerate(chosen)
        ]
        return Look(
            photo=photo,
            model=self._model.name,
            slots=slots,
            missing=missing,
            weight=self._weight,
            distance=sum(each.place for each in products),
            apart=apart(products),
            objective=composed.objective,
            lower_bound=composed.lower_bound,
            proven_exact=composed.proven and self._catalogue.store.exact,
            price=_price(zip(chosen, products, strict=True)),
            budget=None if self._budget is None else str(self._budget),
        )

    def _begun(self, category: str) -> CategorySearch:
        affordable = [] if self._budget is None else [self._budget.affordable]
        return CategorySearch(
            self._scene,
            category,
            norm=self._model.norm,
            first=CANDIDATES,
            where=all_of([*self._where, *affordable]),
            rules=self._rules,
        )

    def _retrieve(self) -> None:
        open_ = [each for each in self._candidates.values() if each.category not in self._locked]
        retrieve(self._catalogue, self._model, open_)

    def _ranked(self, category: str) -> list[Candidate]:
        candidates = self._candidates[category]
        if (point := self._locked.get(category)) is not None:
            return candidates.measured([point])
        return candidates.found

    def _with_prices(self, ranked: dict[str, list[Candidate]]) -> dict[str, list[Candidate]]:
        """Products with a price in the budget's currency, among them the cheapest of each category."""
        assert self._budget is not None
        ranked = ranked | self._too_dear_alone([name for name, products in ranked.items() if not products])
        known = [price_of(each, category) for category, products in ranked.items() for each in products]
        self._budget = in_its_currency(self._budget, [price for price in known if price is not None])
        for category in self._locked:
            if self._units(ranked[category][0], category) is None:
                raise UsageError(
                    f"budget {self._budget}: the locked product '{ranked[category][0].id}' has no price in "
                    "its currency; unlock it, or leave the budget out"
                )
        priced = {
            category: [each for each in products if self._units(each, category) is not None]
            for category, products in ranked.items()
        }
        return self._with_cheapest(priced)

    def _too_dear_alone(self, categories: Sequence[str]) -> dict[str, list[Candidate]]:
        """Products of categories where none costs less than the whole budget: to say what one would cost."""
        where = all_of([*self._where, Has("price")])
        points = [self._scene.query_point(category) for category in categories]
        queries = [
            Query(point, _CHEAPER, frozenset({category}), where=where)
            for point, category in zip(points, categories, strict=True)
        ]
        found = self._catalogue.search(queries, self._model) if queries else []
        return {
            category: self._candidates[category].measured(hits)
            for category, hits in zip(categories, found, strict=True)
        }

    def _with_cheapest(self, ranked: dict[str, list[Candidate]]) -> dict[str, list[Candidate]]:
        """Add ever cheaper products until there are none: a look within the budget is missed no more."""
        open_ = [
            category
            for category, products in ranked.items()
            if products and category not in self._locked and not self._has_all(category, products)
        ]
        while open_:
            found = self._catalogue.search(
                [self._cheaper(category, ranked[category]) for category in open_], self._model
            )
            for category, hits in zip(list(open_), found, strict=True):
                if len(hits) < _CHEAPER:
                    open_.remove(category)
                held = {each.id for each in ranked[category]}
                more = self._candidates[category].measured([hit for hit in hits if hit.id not in held])
                ranked[category] = sorted([*ranked[category], *more], key=lambda each: each.order)
        return ranked

    def _has_all(self, category: str, products: Sequence[Candidate]) -> bool:
        """Whether these are all affordable products of a category."""
        candidates = self._candidates[category]
        return candidates.unseen == float("inf") and len(candidates.found) >= len(products)

    def _cheaper(self, category: str, products: Sequence[Candidate]) -> Query:
        assert self._budget is not None
        least = min(price.amount for each in products if (price := price_of(each, category)) is not None)
        currency = self._budget.currency
        value: Decimal | Money = least if currency is None else Money(least, currency)
        where = all_of([*self._where, Compare("price", "<", value)])
        return Query(self._scene.query_point(category), _CHEAPER, frozenset({category}), where=where)

    def _units(self, product: Candidate, category: str) -> int | None:
        """A product's price in the smallest unit; None where it has none in the budget's currency."""
        price = price_of(product, category)
        if self._budget is None or price is None or price.currency != self._budget.currency:
            return None
        return units_of(price)

    def _pool(self, category: str, products: Sequence[Candidate]) -> Pool:
        prices = [self._units(each, category) or 0 for each in products]
        locked = category in self._locked
        return Pool(
            np.asarray([each.place for each in products], np.float64),
            np.stack([each.vector for each in products]),
            np.asarray(prices, np.int64),
            float("inf") if locked else self._candidates[category].unseen - ROUNDING,
        )

    def _too_dear(self, categories: Sequence[str], pools: Sequence[Pool]) -> UsageError:
        assert self._budget is not None
        cheapest = Budget.from_units([int(pool.prices.min()) for pool in pools], self._budget.currency)
        each = "; ".join(f"{category} {price}" for category, price in zip(categories, cheapest, strict=True))
        total = said(sum((price.amount for price in cheapest), Decimal(0)), self._budget.currency)
        return UsageError(
            f"budget {self._budget}: the cheapest look of these categories costs {total} ({each}); raise the "
            "budget or ask for fewer categories"
        )

    def _alternatives(
        self, category: str, products: Sequence[Candidate], objectives: Float64Array, chosen: Candidate
    ) -> list[Alternative]:
        order = [int(row) for row in np.argsort(objectives, kind="stable") if np.isfinite(objectives[row])]
        objective_of = {products[row].id: float(objectives[row]) for row in order}
        others = distinct(
            (products[row] for row in order if products[row] is not chosen),
            self._n_alternatives,
            shown=[chosen],
        )
        return [
            self._alternative(objective_of[each.id], self._answer(rank, category, each))
            for rank, each in enumerate(others, 2)
        ]

    def _answer(self, rank: int, category: str, product: Candidate) -> RankedProduct:
        from_rank = self._candidates[category].bare_rank(product) if product.rules else None
        return product.answer(rank, [(rule, from_rank) for rule in product.rules])

    @staticmethod
    def _alternative(objective: float, product: RankedProduct) -> Alternative:
        given = {name: getattr(product, name) for name in product.model_fields_set}
        return Alternative(objective=objective, **given)


def locked_products(catalogue: Catalogue, model: "Model", locked: Mapping[str, str]) -> dict[str, Point]:
    """Return the products that keep their slots, by category.

    Raises:
        UsageError: there is no such product, or it is of another category.
    """
    if not locked:
        return {}
    points = catalogue.get(locked.values(), model)
    found = {}
    for name, id_ in locked.items():
        category, point = normalise(name), points.get(id_)
        if point is None:
            raise UsageError(f"locked product '{id_}': {catalogue.location} has no such product")
        if point.category != category:
            raise UsageError(f"locked product '{id_}': it is of {point.category}, not of {category}")
        found[category] = point
    return found


def apart(products: Sequence[Candidate]) -> float:
    """The mean Euclidean distance of the products' vectors over all pairs; 0 for a single one."""
    vectors = [each.vector.astype(np.float64) for each in products]
    lengths = [float(np.linalg.norm(a - b)) for a, b in combinations(vectors, 2)]
    return float(np.mean(lengths)) if lengths else 0.0


def _price(products: "zip[tuple[str, Candidate]]") -> str | None:
    """The sum of prices, None unless every product has one and all are in one currency."""
    prices = [price_of(product, category) for category, product in products]
    known = [price for price in prices if price is not None]
    if not known or len(known) < len(prices) or len({price.currency for price in known}) > 1:
        return None
    return said(sum((price.amount for price in known), Decimal(0)), known[0].currency)
