"""A shop's rules: pin products to a rank, boost, bury or exclude them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias, get_args

from perfectlook.answers import Action, AppliedRule, UnusedRule
from perfectlook.errors import UsageError
from perfectlook.files import read_toml
from perfectlook.recommender.scope import all_of, any_of
from perfectlook.stores.filters import Filter, Under, parse_filter

ACTIONS: tuple[Action, ...] = get_args(Action)

_ANYWHERE = ("action", "name", "category")
_FIELDS: dict[Action, tuple[str, ...]] = {
    "pin": ("id", "rank"),
    "boost": ("where", "factor", "offset"),
    "bury": ("where", "factor", "offset"),
    "exclude": ("where",),
}
_Values: TypeAlias = tuple[Callable[[Any], bool], str]
_TEXT: _Values = (lambda value: isinstance(value, str) and bool(value.strip()), "text in quotes")
_NUMBER: _Values = (lambda value: type(value) in (int, float), "a number")
_RANK: _Values = (lambda value: type(value) is int and value >= 1, "a whole number of at least 1")
_VALUES = {"rank": _RANK, "factor": _NUMBER, "offset": _NUMBER}
"""The check of each key's value, and what it must be. All other keys hold text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file. `number` is its position, counted from 1.

    A pin puts the product `id` at `rank` of its category. The other actions apply to all products that match
    `where`. Boost and bury rank these products by distance · `factor` + `offset`.
    """

    number: int
    action: Action
    name: str | None = None
    category: str | None = None
    where: Filter | None = None
    factor: float = 1.0
    offset: float = 0.0
    id: str = ""
    rank: int = 0

    def applied(self, from_rank: int | None) -> AppliedRule:
        """Return the entry of an answer for a product that the rule moved from a rank."""
        return AppliedRule(rule=self.number, name=self.name, action=self.action, from_rank=from_rank)

    def unused(self, reason: str) -> UnusedRule:
        """Return the entry of an answer for a rule that was not applied."""
        return UnusedRule(rule=self.number, name=self.name, action=self.action, reason=reason)


@dataclass(frozen=True)
class Rules:
    """All rules of a file, in the order of the file."""

    source: str
    rules: tuple[Rule, ...]

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """Read a rule file.

        Raises:
            UsageError: the file cannot be read, is not valid TOML, or has an invalid rule. The message names
                the file and the rule.
        """
        return cls.of(read_toml(file), str(file))

    @classmethod
    def of(cls, document: Mapping[str, object], source: str = "rules") -> Self:
        """Return the rules of a parsed rule file. Errors name it by `source`.

        Raises:
            UsageError: a rule is invalid. The message names the source and the rule.
        """
        for name in document:
            if name != "rule":
                raise UsageError(f"{source}: unknown key '{name}'. {_BEGIN}")
        tables = document.get("rule", [])
        if not isinstance(tables, list):
            raise UsageError(f"{source}: expected a list of rules, got {tables!r}. {_BEGIN}")
        return cls(source, tuple(_rule(number, table, source) for number, table in enumerate(tables, 1)))

    @cached_property
    def pins(self) -> list[Rule]:
        """The rules that pin a product."""
        return [rule for rule in self.rules if rule.action == "pin"]

    @cached_property
    def boosts(self) -> list[Rule]:
        """The rules that shorten distances."""
        return [rule for rule in self.rules if rule.action == "boost"]

    @cached_property
    def weighing(self) -> list[Rule]:
        """The rules that change distances: boost and bury."""
        return [rule for rule in self.rules if rule.action in ("boost", "bury")]

    @cached_property
    def excluded(self) -> Filter | None:
        """The filter of the products that rules exclude, or None without such rules."""
        return any_of([rule.where for rule in self.rules if rule.action == "exclude" and rule.where])


NO_RULES = Rules("no rules", ())

_BEGIN = "Begin each rule with [[rule]]."


def _rule(number: int, table: object, source: str) -> Rule:
    where = f"{source}: rule {number}"
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table, got {table!r}. {_BEGIN}")
    action = table.get("action")
    if action not in ACTIONS:
        wrong = "no 'action'" if action is None else f"unknown action {action!r}"
        raise UsageError(f"{where}: {wrong}. Choose one of: {', '.join(ACTIONS)}.")
    where = f"{where} ({action})"
    known = (*_ANYWHERE, *_FIELDS[action])
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'. Choose one of: {', '.join(known)}.")
        is_valid, wanted = _VALUES.get(key, _TEXT)
        if not is_valid(value):
            raise UsageError(f"{where}: {key} {value!r}: must be {wanted}.")
    name, category = table.get("name"), table.get("category")
    if action == "pin":
        if "id" not in table:
            raise UsageError(f"{where}: no 'id'. Add the id of the product to pin.")
        return Rule(number, action, name, category, id=table["id"], rank=table.get("rank", 1))
    parts: list[Filter] = [] if category is None else [Under(category)]
    if "where" in table:
        parts.append(parse_filter(table["where"], f"{where}: where"))
    if not parts:
        raise UsageError(f"{where}: neither 'where' nor 'category'. Add one of them to choose the products.")
    weights = () if action == "exclude" else _weights(table, action, where)
    return Rule(number, action, name, category, all_of(parts), *weights)


def _weights(table: Mapping[str, float], action: str, where: str) -> tuple[float, float]:
    """Return the factor and the offset of a boost or a bury. The offset of a boost is negative."""
    if "factor" not in table and "offset" not in table:
        raise UsageError(f"{where}: neither 'factor' nor 'offset'. Add one of them.")
    factor, offset = float(table.get("factor", 1.0)), float(table.get("offset", 0.0))
    if not (0 < factor <= 1 if action == "boost" else 1 <= factor <= 1e6):
        wanted = "above 0 and at most 1" if action == "boost" else "from 1 to 1,000,000"
        raise UsageError(
            f"{where}: factor {factor:g}: must be {wanted}, because a {action} multiplies by it."
        )
    if not 0 <= offset <= 1e6:
        verb = "subtracts" if action == "boost" else "adds"
        raise UsageError(
            f"{where}: offset {offset:g}: must be from 0 to 1,000,000, because a {action} {verb} it."
        )
    return factor, -offset if action == "boost" else offset
