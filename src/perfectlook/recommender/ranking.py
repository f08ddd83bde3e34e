"""The first products of one category: by distance and rules, each look once, as spread out as asked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from perfectlook.answers import RankedProduct, UnusedRule
from perfectlook.catalogue import Catalogue
from perfectlook.recommender.candidates import Candidates, Ranked
from perfectlook.recommender.diversity import distinct, spread_out
from perfectlook.recommender.rules import NO_RULES, Rule, Rules
from perfectlook.stores import Hit, Point, Query
from perfectlook.stores.base import fields_of
from perfectlook.stores.filters import Filter, matches
from perfectlook.taxonomy import matches as is_under

if TYPE_CHECKING:
    from perfectlook.model.distances import Norm
    from perfectlook.model.runtime import Model, SceneEmbedding


class Pins(NamedTuple):
    """Pinned products with their rules, and the pins that cannot be followed."""

    usable: list[tuple[Rule, Point]]
    unused: tuple[UnusedRule, ...]

    def of(self, category: str) -> list[tuple[Rule, Point]]:
        """Those of a category, in the order of rules."""
        return [(rule, point) for rule, point in self.usable if point.category == category]


def placed_pins(catalogue: Catalogue, model: "Model", rules: Rules, where: Filter | None) -> Pins:
    """Look up the pinned products; what `where` does not let through is not shown, pinned or not."""
    if not rules.pins:
        return Pins([], ())
    points = catalogue.get({rule.id for rule in rules.pins}, model)
    usable: dict[str, tuple[Rule, Point]] = {}
    unused = []
    for rule in rules.pins:
        point = points.get(rule.id)
        reason = _reason(rule, point, where, usable)
        if reason is None and point is not None:
            usable[rule.id] = (rule, point)
        else:
            unused.append(rule.unused(reason or ""))
    return Pins(list(usable.values()), tuple(unused))


def _reason(
    rule: Rule, point: Point | None, where: Filter | None, usable: dict[str, tuple[Rule, Point]]
) -> str | None:
    """Why a pin cannot be followed; None when it can."""
    if point is None:
        return f"the catalogue has no product '{rule.id}'"
    if rule.id in usable:
        return f"rule {usable[rule.id][0].number} pins product '{rule.id}' already"
    if rule.category is not None and not is_under(point.category, rule.category):
        return f"product '{rule.id}' is of {point.category}, not of {rule.category}"
    if where is not None and not matches(where, point.id, point.category, fields_of(point.payload)):
        return f"product '{rule.id}' is not available, excluded, or left out by the filter"
    return None


_FIRST = {"squared_l2": 8, "l2": 48}
_COUNTED = 1000
"""How many products are retrieved to say from which rank a rule moved one."""


class Ranking:
    """Finds the `k` products that answer for a category, exactly when the searches are.

    With a spread, they are chosen among the nearest `spread_pool(k)` that look different.
    """

    def __init__(
        self,
        scene: "SceneEmbedding",
        category: str,
        k: int,
        *,
        norm: "Norm",
        variety: bool = True,
        spread: float = 0.0,
        where: Filter | None = None,
        rules: Rules = NO_RULES,
        pins: Sequence[tuple[Rule, Point]] = (),
        shown: Sequence[Point] = (),
    ) -> None:
        """Begin.

        Args:
            scene: what distances are to.
            category: the catalogue's.
            k: how many products.
            norm: of the distances.
            variety: pass over products that look the same as one that is shown.
            spread: 0 to 1; see `variety.spread_out`.
            where: what products must match.
            rules: boost and bury; what they exclude is in `where`.
            pins: products of the category with the rule that pins each.
            shown: products that variety does not repeat.
        """
        self.category = category
        self.products: list[Ranked] = []
        self.done = False
        self._k = k
        self._norm = norm
        self._variety = variety
        self._spread = spread
        self._pool = spread_pool(k) if spread else k
        self._candidates = Candidates(
            scene, category, norm=norm, first=self._pool + _FIRST[norm], where=where, rules=rules
        )
        self._pins = _placed(pins, self._candidates)
        self._shown = [*self._candidates.measured(shown), *_within(self._pins, k)]
        self._rule_of = {point.id: rule for rule, point in pins}

    @property
    def queries(self) -> list[Query]:
        """What to search for next."""
        return self._candidates.queries

    def take(self, found: Sequence[Sequence[Hit]]) -> None:
        """Take what the searches for `queries` found."""
        self._candidates.take(found)
        pinned = {each.id for each in self._pins.values()}
        free = [each for each in self._candidates.ranked if each.id not in pinned]
        pool = distinct(free, self._pool, shown=self._shown) if self._variety else free[: self._pool]
        self.products = spread_out(pool, self._k, self._spread, self._norm, pins=self._pins)
        last = pool[-1].place if len(pool) == self._pool else float("inf")
        self.done = not self._candidates.want(last) and not self._counts_on()

    def moved(self, product: Ranked) -> list[tuple[Rule, int | None]]:
        """The rules that moved a product, with its rank by distance alone; None where that is far behind."""
        rules = [*product.rules, *([self._rule_of[product.id]] if product.id in self._rule_of else [])]
        rank = self._candidates.bare_rank(product) if rules else None
        return [(rule, rank) for rule in rules]

    def _counts_on(self) -> bool:
        """Go on retrieving, within bounds, where the rank that a rule moved a product from is not known."""
        open_ = [each for each in self.products for _, rank in self.moved(each) if rank is None]
        if not open_ or self._candidates.asked >= _COUNTED:
            return False
        return self._candidates.want(float("inf"))


def spread_pool(k: int) -> int:
    """How many of the nearest products a spread list of `k` is chosen from."""
    return max(50, 5 * k)


def _within(pins: Mapping[int, Ranked], k: int) -> list[Ranked]:
    return [each for rank, each in pins.items() if rank <= k]


def _placed(pins: Sequence[tuple[Rule, Point]], candidates: Candidates) -> Mapping[int, Ranked]:
    """Each pinned product at its rank, or at the next that no earlier rule has taken."""
    placed: dict[int, Ranked] = {}
    for rule, point in pins:
        rank = rule.rank
        while rank in placed:
            rank += 1
        (placed[rank],) = candidates.measured([point])
    return placed


def ranked_products(ranking: Ranking, *, parts: bool = True) -> list[RankedProduct]:
    """The products of a ranking with the rules that moved them; `parts` says whether distances have two."""
    return [
        product.answer(rank, ranking.moved(product), parts=parts)
        for rank, product in enumerate(ranking.products, 1)
    ]
