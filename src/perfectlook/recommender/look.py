"""Compose a look: retrieve products for every slot in one search, and choose one product for each slot."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from perfectlook.answers import Alternative, Look, OtherLook, RankedProduct, Resolved, Slot
from perfectlook.catalogue import Catalogue
from perfectlook.errors import BudgetError, UsageError
from perfectlook.recommender.composition import (
    Between,
    Composition,
    Earlier,
    Pool,
    SlotProblem,
    compose_best,
    euclidean,
)
from perfectlook.recommender.explain import Explainer
from perfectlook.recommender.ranking import ROUNDING, CategorySearch, Measured, distinct, repeating, retrieve
from perfectlook.recommender.rules import NO_RULES, Rules
from perfectlook.recommender.scope import all_of, choose_category
from perfectlook.recommender.slots import SlotTable
from perfectlook.stores import Point, Query
from perfectlook.stores.filters import Compare, Filter, Has, Money, Number, field_text, read_number
from perfectlook.taxonomy import short_names
from perfectlook.types import BoolArray, Float32Array, Float64Array

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm
    from perfectlook.model.runtime import Model, SceneEmbedding


UNIT = Decimal("0.0001")
"""The smallest unit of prices. Feeds contain fractions of a cent."""
_GREATEST = Decimal(10) ** 12

_BUDGET = re.compile(r"\s*((?![0-9]+\.[0-9]{3}(?![0-9]))[0-9]+(?:\.[0-9]+)?)(?:\s*([A-Za-z]{3}))?\s*")


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of money. Without a currency, all products must have prices in the same currency."""

    amount: Decimal
    currency: str | None = None

    @classmethod
    def of(cls, given: "Budget | Decimal | int | str") -> "Budget":
        """Read a budget: 500, "499.90", "500 EUR".

        Raises:
            UsageError: the text is not a budget.
        """
        if isinstance(given, Budget):
            return given
        found = _BUDGET.fullmatch(str(given))
        if found is None or not 0 < Decimal(found[1]) <= _GREATEST:
            raise UsageError(
                f"budget '{given}': expected an amount above 0 and up to {_GREATEST:,}, with or without a "
                "currency. Write it like 500 or 500 EUR, without three decimals."
            )
        return cls(Decimal(found[1]), found[2] and found[2].upper())

    @property
    def affordable(self) -> Compare:
        """The filter of products that cost at most the whole budget."""
        value = self.amount if self.currency is None else Money(self.amount, self.currency)
        return Compare("price", "<=", value)

    def per_piece(self, quantity: int) -> "Budget":
        """Return what each of this many pieces may cost, rounded up."""
        return Budget((self.amount / quantity).quantize(UNIT, ROUND_CEILING), self.currency)

    @property
    def units(self) -> int:
        """The amount in the smallest unit, rounded down."""
        return int((self.amount / UNIT).to_integral_value(ROUND_FLOOR))

    @classmethod
    def from_units(cls, units: int, currency: str | None) -> "Budget":
        """Return a budget from an amount in the smallest unit, with two decimals unless it needs more."""
        amount = units * UNIT
        cents = amount.quantize(Decimal("0.01"))
        return cls(cents if cents == amount else amount, currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}" if self.currency else f"{self.amount:f}"


def prices_of(products: Measured) -> list[Number | None]:
    """Return the price of each product, None for a product without a price."""
    return [
        read_number(field_text("price", each.id, each.category, products.record(row)["fields"]))
        for row, each in enumerate(products.products)
    ]


def units_of(price: Number) -> int:
    """Return a price in the smallest unit, rounded up."""
    return int((price.amount / UNIT).to_integral_value(ROUND_CEILING))


def in_its_currency(budget: Budget, prices: Iterable[Number]) -> Budget:
    """Return the budget, with the currency of the prices if the budget has no currency.

    Raises:
        UsageError: the prices are in several currencies.
    """
    if budget.currency is not None:
        return budget
    currencies = sorted({price.currency or "" for price in prices})
    if len(currencies) > 1:
        named = ", ".join(name or "none" for name in currencies)
        raise UsageError(
            f"budget {budget}: the products have prices in several currencies ({named}). "
            "Name one of them, as in 500 EUR."
        )
    return Budget(budget.amount, currencies[0] or None) if currencies else budget


WEIGHT = 0.5
"""The default of λ for a model without complements. Other models have their own, for each slot."""
SLOTS = 5
"""The number of categories of a look, if none are named."""
MOST_SLOTS = 12
"""The most categories that a look can have."""
MOST_OTHERS = 5
"""The most other looks that a request can have."""
CANDIDATES = 200
"""How many products are retrieved for each slot."""
_CHEAPER = 10
"""How many products each search for cheaper products retrieves."""


@dataclass(eq=False)
class LookComposer:
    """Composes one look for one scene. `Recommender.look` explains the attributes.

    The products of all slots are retrieved in one call of the catalogue.
    """

    scene: "SceneEmbedding"
    catalogue: Catalogue
    model: "Model"
    norm: "Norm"
    explainer: Explainer
    weight: float | None = None
    budget: Budget | None = None
    where: Filter | None = None
    rules: Rules = NO_RULES
    locked: Mapping[str, Point] = field(default_factory=dict)
    alternatives: int = 3
    slots: SlotTable = field(default_factory=SlotTable)
    other_looks: int = 0
    excluded: Sequence[str] = ()

    def compose(self, asked: Mapping[str, Any], suggested: Mapping[str, float | None]) -> Look:
        """Compose a look with a slot for each category that no other slot excludes.

        `asked` has the fields that name the photo or the product.

        Raises:
            UsageError: the budget is too small, prices are in several currencies, or there is a budget and a
                locked product has no price.
            CatalogueError: the catalogue fails.
        """
        self._asked, self._suggested = asked, suggested
        self._quantities = {category: self.slots.quantity(category) for category in suggested}
        self._searches = {
            category: CategorySearch(
                self.scene,
                category,
                norm=self.norm,
                first=CANDIDATES,
                where=all_of(
                    [self.where, self.budget.per_piece(quantity).affordable if self.budget else None]
                ),
                rules=self.rules,
            )
            for category, quantity in self._quantities.items()
        }
        open_ = [search for category, search in self._searches.items() if category not in self.locked]
        retrieve(self.catalogue, self.model, open_)
        found = {
            category: search.measure([self.locked[category]]) if category in self.locked else search.found
            for category, search in self._searches.items()
        }
        if self.budget:
            self.budget = self._with_prices(found, self.budget)
        self._found = found
        chosen = [category for category in suggested if len(found[category])]
        if not chosen:
            return self._look((), SlotProblem([], 0.0), Composition((), 0.0, 0.0))
        self._pools = {category: self._pool(category, found[category]) for category in chosen}
        self._between, self._least = self._distances()
        self._remembered = _remembered(self._between)
        looks: list[Look] = []
        earlier: list[Mapping[str, BoolArray]] = []
        sets = self.slots.sets(chosen)
        while True:
            problems = [self._problem(categories, earlier) for categories in sets]
            if (best := compose_best(problems)) is None:
                break
            number, composed = best
            kind = OtherLook if looks else Look
            looks.append(self._look(sets[number], problems[number], composed, kind))
            if len(looks) > self.other_looks:
                break
            earlier.append(
                {
                    category: repeating(found[category], row)
                    for category, row in zip(sets[number], composed.rows, strict=True)
                }
            )
        if not looks:
            raise self._too_dear(sets)
        first, *others = looks
        return first.model_copy(update={"alternatives": others}) if others else first

    def _problem(self, categories: Sequence[str], earlier: Sequence[Mapping[str, BoolArray]]) -> SlotProblem:
        """Return the problem of a look with these slots that repeats at most half of each earlier look."""
        pools = [self._pools[category] for category in categories]
        differing = [
            Earlier(
                [
                    repeats.get(category, np.zeros(len(pool.costs), bool))
                    for category, pool in zip(categories, pools, strict=True)
                ],
                min(len(repeats), len(pools)) // 2,
            )
            for repeats in earlier
        ]
        budget = self.budget.units if self.budget else None
        return SlotProblem(pools, self._weight(len(pools)), budget, self._remembered, self._least, differing)

    def _look(
        self, categories: Sequence[str], problem: SlotProblem, composed: Composition, kind: type[Look] = Look
    ) -> Look:
        """Return a composed look as part of an answer."""
        found, rows = self._found, composed.rows
        products = [found[category].take([row]) for category, row in zip(categories, rows, strict=True)]
        slots = [
            Slot(
                category=category,
                **({} if (likely := self._suggested[category]) is None else {"suggested": likely}),
                resolved=Resolved.of(self.model.resolve(category)),
                locked=category in self.locked,
                quantity=self._quantities[category],
                product=self._answer(1, category, found[category], row),
                alternatives=self._alternatives(
                    category, found[category], problem.exchanged(rows, number), row
                ),
            )
            for number, (category, row) in enumerate(zip(categories, rows, strict=True))
        ]
        missing = [category for category in self._suggested if not len(found[category])]
        unused = [category for category in self._suggested if category not in {*categories, *missing}]
        more: dict[str, Any] = {"excluded": [*self.excluded, *unused]} if self.excluded or unused else {}
        return kind(
            **self._asked,
            model=self.model.name,
            slots=slots,
            missing=missing,
            weight=self._weight(len(slots)),
            distance=sum(float(each.places[0]) for each in products),
            apart=apart(products, self._between) if products else 0.0,
            objective=composed.objective,
            lower_bound=composed.lower_bound,
            proven_exact=composed.proven and self.catalogue.store.exact,
            price=_price(products, [slot.quantity for slot in slots]),
            budget=None if self.budget is None else str(self.budget),
            **more,
        )

    def _weight(self, slots: int) -> float:
        """λ: as given, or by default that of the model's complements for each slot."""
        if self.weight is not None:
            return self.weight
        complements = self.model.complements
        return complements.weight * slots if complements else WEIGHT

    def _distances(self) -> tuple[Between, float]:
        """Return the distance between the products of two pools, and a lower bound of it."""
        complements = self.model.complements
        if complements is None:
            return euclidean, 0.0
        vectors = [pool.vectors for pool in self._pools.values()]
        longest = max(float(np.linalg.norm(each - complements.mean, axis=1).max()) for each in vectors)
        return complements.apart, complements.least_apart(longest)

    def _with_prices(self, found: dict[str, Measured], budget: Budget) -> Budget:
        """Drop products without a price in the budget's currency, and add cheaper products of each category.

        Returns:
            The budget, in the currency of the prices.
        """
        none = {category: Has("price") for category, products in found.items() if not len(products)}
        found |= self._search_more(none)  # the error must state a price if nothing is affordable
        known = [price for products in found.values() for price in prices_of(products)]
        budget = in_its_currency(budget, [price for price in known if price is not None])
        for category, products in found.items():
            priced = [row for row, units in enumerate(_units(products, budget)) if units is not None]
            if category in self.locked and not priced:
                raise UsageError(
                    f"budget {budget}: the locked product '{products.ids[0]}' has no price in this currency. "
                    "Unlock it, or leave out the budget."
                )
            found[category] = products.take(priced)
        open_ = [category for category, products in found.items() if self._may_have_more(category, products)]
        # Search until there are no cheaper products, so that no look within the budget is missed.
        while open_:
            more = self._search_more(
                {category: _cheaper(found[category], budget.currency) for category in open_}
            )
            for category, products in more.items():
                held = set(found[category].ids)
                new = [row for row, id_ in enumerate(products.ids) if id_ not in held]
                found[category] = found[category].followed_by(products.take(new)).in_order()
            open_ = [category for category in open_ if len(more[category]) == _CHEAPER]
        return budget

    def _search_more(self, conditions: Mapping[str, Filter]) -> dict[str, Measured]:
        """Return the nearest products of each category that also match the category's condition."""
        queries = [
            Query(
                self.scene.query_point(category),
                _CHEAPER,
                frozenset({category}),
                where=all_of([self.where, condition]),
            )
            for category, condition in conditions.items()
        ]
        found = self.catalogue.search(queries, self.model) if queries else []
        return {
            category: self._searches[category].measure(hits.products, hits.vectors).in_order()
            for category, hits in zip(conditions, found, strict=True)
        }

    def _may_have_more(self, category: str, products: Measured) -> bool:
        """Whether the catalogue may have more affordable products of a category than these."""
        search = self._searches[category]
        has_all = search.unseen == float("inf") and len(search.found) >= len(products)
        return len(products) > 0 and category not in self.locked and not has_all

    def _pool(self, category: str, products: Measured) -> Pool:
        prices = [(units or 0) * self._quantities[category] for units in _units(products, self.budget)]
        locked = category in self.locked
        return Pool(
            products.places,
            products.vectors,
            np.asarray(prices, np.int64),
            float("inf") if locked else self._searches[category].unseen - ROUNDING,
        )

    def _too_dear(self, sets: Sequence[Sequence[str]]) -> BudgetError:
        """Return the error of a budget below the cheapest look."""
        assert self.budget is not None
        currency = self.budget.currency
        cheapest = {name: int(pool.prices.min()) for name, pool in self._pools.items()}
        categories = min(sets, key=lambda names: sum(cheapest[name] for name in names))
        names = short_names(categories)
        slots, shown = [], []
        for category in categories:
            pool, products = self._pools[category], self._found[category]
            row = int(np.lexsort((pool.costs, pool.prices))[0])
            price, quantity = str(Budget.from_units(cheapest[category], currency)), self._quantities[category]
            product = {"id": products.ids[row], "title": products.record(row)["title"]}
            locked = category in self.locked
            slots.append(
                {"category": category, **product, "quantity": quantity, "price": price, "locked": locked}
            )
            shown.append(f"{f'{quantity} x ' if quantity > 1 else ''}{names[category]} {price}")
        units = sum(cheapest[category] for category in categories)
        total = Budget.from_units(units, currency)
        dearest = max(categories, key=lambda category: cheapest[category])
        suffices = len(slots) > 1 and units - cheapest[dearest] <= self.budget.units
        remedy = f"Raise the budget to {total}."
        if suffices:
            remedy = f"Drop {names[dearest]} or raise the budget to {total}."
        elif len(slots) > 1:
            remedy = f"{names[dearest]} cost most. Raise the budget to {total}, or ask for fewer categories."
        return BudgetError(
            f"budget {self.budget}: the cheapest look of these categories costs {total} "
            f"({'; '.join(shown)}). {remedy}",
            {
                "budget": str(self.budget),
                "cheapest": {"price": str(total), "slots": slots},
                "dearest": dearest,
                "drop_suffices": suffices,
            },
        )

    def _alternatives(
        self, category: str, products: Measured, objectives: Float64Array, chosen: int
    ) -> list[Alternative]:
        order = [int(row) for row in np.argsort(objectives, kind="stable") if np.isfinite(objectives[row])]
        free = (row for row in order if row != chosen)
        alternatives = []
        for rank, row in enumerate(distinct(products, free, self.alternatives, shown=[chosen]), 2):
            answer = self._answer(rank, category, products, row)
            given = {name: getattr(answer, name) for name in answer.model_fields_set}
            alternatives.append(Alternative(objective=float(objectives[row]), **given))
        return alternatives

    def _answer(self, rank: int, category: str, products: Measured, row: int) -> RankedProduct:
        rules = products.rules[row]
        from_rank = self._searches[category].bare_rank(products, row) if rules else None
        moved = [(rule, from_rank) for rule in rules]
        return products.answer(row, rank, self.explainer, moved)


def locked_products(catalogue: Catalogue, model: "Model", locked: Mapping[str, str]) -> dict[str, Point]:
    """Return the locked products, by category. `locked` names categories by their path or a single level.

    Raises:
        UsageError: the catalogue does not have the product, or has it in another category; or a name matches
            no category, or several.
    """
    if not locked:
        return {}
    points, counts = catalogue.get(locked.values(), model), catalogue.categories()
    found: dict[str, Point] = {}
    for name, id_ in locked.items():
        if (point := points.get(id_)) is None:
            raise UsageError(f"locked product '{id_}': not in {catalogue.location}. Check the id.")
        category = choose_category(counts, name)
        if point.category != category:
            raise UsageError(
                f"locked product '{id_}': in the category '{point.category}', not in '{category}'. "
                "Lock it in its own category."
            )
        if category in found:
            raise UsageError(
                f"locked products '{found[category].id}' and '{id_}': both in the category '{category}'. "
                "Lock one of them."
            )
        found[category] = point
    return found


def check_locks(locked: Mapping[str, Point], product: Point | None, table: SlotTable) -> None:
    """Check that a look can have all locked products, by category, next to the product of the request.

    Raises:
        UsageError: two of them exclude each other.
    """
    given = [*locked.values(), *([product] if product else [])]
    names = short_names({each.category for each in given})
    for one, other in combinations(given, 2):
        if table.exclude(one.category, other.category):
            kind = "product" if other is product else "locked product"
            raise UsageError(
                f"locked product '{one.id}' ({names[one.category]}) and {kind} '{other.id}' "
                f"({names[other.category]}): exclude each other in a look. Unlock one of them."
            )


def apart(products: Sequence[Measured], between: Between = euclidean) -> float:
    """Return the mean distance of all pairs of products, or 0 for one product.

    Each element of `products` is one product.
    """
    lengths = [float(between(a.vectors[:1], b.vectors[:1])[0, 0]) for a, b in combinations(products, 2)]
    return float(np.mean(lengths)) if lengths else 0.0


def _remembered(between: Between) -> Between:
    """Return the distance with a memory for pools, which stay alive: looks with other slots share them."""
    held: dict[tuple[int, int], Float64Array] = {}

    def apart(one: Float32Array, other: Float32Array) -> Float64Array:
        key = (id(one), id(other))
        if key not in held:
            held[key] = between(one, other)
        return held[key]

    return apart


def _units(products: Measured, budget: Budget | None) -> list[int | None]:
    """Return the prices in the smallest unit, None for a product without a price in the budget's currency."""
    if budget is None:
        return [None] * len(products)
    return [
        units_of(price) if price and price.currency == budget.currency else None
        for price in prices_of(products)
    ]


def _cheaper(products: Measured, currency: str | None) -> Compare:
    """Return the filter of products that cost less than all of these."""
    least = min(price.amount for price in prices_of(products) if price is not None)
    return Compare("price", "<", least if currency is None else Money(least, currency))


def _price(products: Sequence[Measured], quantities: Sequence[int]) -> str | None:
    """Return the sum of the prices, or None unless all products have a price in the same currency."""
    known = [price for each in products for price in prices_of(each) if price is not None]
    if not known or len(known) < len(products) or len({price.currency for price in known}) > 1:
        return None
    total = sum((count * price.amount for count, price in zip(quantities, known, strict=True)), Decimal(0))
    return str(Budget(total, known[0].currency))
