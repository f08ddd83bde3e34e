"""Which pinned products may stand at their ranks, and why others may not."""

from typing import TYPE_CHECKING, NamedTuple

from perfectlook.catalogue import Catalogue
from perfectlook.filters import Filter, matches
from perfectlook.recommender.answer import UnusedRule
from perfectlook.recommender.rules import Rule, Rules
from perfectlook.stores import Point
from perfectlook.stores.base import fields_of
from perfectlook.taxonomy import matches as is_under

if TYPE_CHECKING:
    from perfectlook.bundle import Model


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
            unused.append(UnusedRule(rule.number, rule.action, rule.name, reason or ""))
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
