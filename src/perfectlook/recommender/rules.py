"""A shop's own rules: products it pins to a rank, brings forward, holds back or leaves out."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias, get_args

from perfectlook.answers import Action, AppliedRule, UnusedRule
from perfectlook.errors import UsageError
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
_TEXT: _Values = (lambda value: isinstance(value, str) and bool(value.strip()), "write a text in quotes")
_NUMBER: _Values = (lambda value: type(value) in (int, float), "write a number")
_RANK: _Values = (lambda value: type(value) is int and value >= 1, "a rank is a whole number from 1")
_VALUES = {"rank": _RANK, "factor": _NUMBER, "offset": _NUMBER}
"""Which values a key takes, if not a text; and what to say of others."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, number `number` (from 1) of its file.

    A pin puts the product `id` at `rank` of its category. The others are about all products that match
    `where`: boost and bury rank them as if their distance were `factor` times it plus `offset`.
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
        """Say that the rule moved a product from a rank."""
        return AppliedRule(rule=self.number, name=self.name, action=self.action, from_rank=from_rank)

    def unused(self, reason: str) -> UnusedRule:
        """Say why the rule could not be followed."""
        return UnusedRule(rule=self.number, name=self.name, action=self.action, reason=reason)


@dataclass(frozen=True)
class Rules:
    """All rules of a file, in its order."""

    source: str
    rules: tuple[Rule, ...]

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """Read a rule file.

        Raises:
            UsageError: it cannot be read, is not TOML, or has an invalid rule; names file, rule and reason.
        """
        try:
            document = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{file}: cannot be read ({error.strerror}); name a rule file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(
                f"{file}: not TOML ({error}); see docs/how-to/rules.md for an example"
            ) from error
        return cls.of(document, str(file))

    @classmethod
    def of(cls, document: Mapping[str, object], source: str = "rules") -> Self:
        """Make rules of the document of a rule file; `source` is what errors call it.

        Raises:
            UsageError: a rule is invalid; the message names source, rule and reason.
        """
        for name in document:
            if name != "rule":
                raise UsageError(f"{source}: unknown key '{name}'; a rule file holds [[rule]] tables only")
        tables = document.get("rule", [])
        if not isinstance(tables, list):
            raise UsageError(f"{source}: 'rule' is not a list of tables; begin each rule with [[rule]]")
        return cls(source, tuple(_rule(number, table, source) for number, table in enumerate(tables, 1)))

    @cached_property
    def pins(self) -> list[Rule]:
        """The rules that pin a product."""
        return [rule for rule in self.rules if rule.action == "pin"]

    @cached_property
    def boosts(self) -> list[Rule]:
        """The rules that bring products forward."""
        return [rule for rule in self.rules if rule.action == "boost"]

    @cached_property
    def weighing(self) -> list[Rule]:
        """The rules that change distances: boost and bury."""
        return [rule for rule in self.rules if rule.action in ("boost", "bury")]

    @cached_property
    def excluded(self) -> Filter | None:
        """What exclude rules match, None without any."""
        return any_of([rule.where for rule in self.rules if rule.action == "exclude" and rule.where])


NO_RULES = Rules("no rules", ())


def _rule(number: int, table: object, source: str) -> Rule:
    where = f"{source}: rule {number}"
    if not isinstance(table, dict):
        raise UsageError(f"{where}: not a table; begin each rule with [[rule]]")
    action = table.get("action")
    if action not in ACTIONS:
        said = "has no 'action'" if action is None else f"the action is {action!r}"
        raise UsageError(f"{where}: {said}; an action is one of {', '.join(ACTIONS)}")
    where = f"{where} ({action})"
    known = (*_ANYWHERE, *_FIELDS[action])
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'; a rule of this action has {', '.join(known)}")
        is_valid, advice = _VALUES.get(key, _TEXT)
        if not is_valid(value):
            raise UsageError(f"{where}: '{key}' is {value!r}; {advice}")
    name, category = table.get("name"), table.get("category")
    if action == "pin":
        if "id" not in table:
            raise UsageError(f"{where}: has no 'id'; say which product to pin")
        return Rule(number, action, name, category, id=table["id"], rank=table.get("rank", 1))
    parts: list[Filter] = [] if category is None else [Under(category)]
    if "where" in table:
        parts.append(parse_filter(table["where"], f"{where}: where"))
    if not parts:
        raise UsageError(f"{where}: has neither 'where' nor 'category'; say which products it is about")
    weights = () if action == "exclude" else _weights(table, action, where)
    return Rule(number, action, name, category, all_of(parts), *weights)


def _weights(table: Mapping[str, float], action: str, where: str) -> tuple[float, float]:
    """The factor and the signed offset of a boost, which shortens distances, or a bury, which lengthens."""
    if "factor" not in table and "offset" not in table:
        raise UsageError(f"{where}: has neither 'factor' nor 'offset'; say by how much")
    factor, offset = float(table.get("factor", 1.0)), float(table.get("offset", 0.0))
    if not (0 < factor <= 1 if action == "boost" else 1 <= factor <= 1e6):
        room = "above 0 and up to 1" if action == "boost" else "from 1 to a million"
        raise UsageError(f"{where}: 'factor' is {factor:g}; a {action} multiplies distances by {room}")
    if not 0 <= offset <= 1e6:
        verb = "subtracted from" if action == "boost" else "added to"
        raise UsageError(f"{where}: 'offset' is {offset:g}; it is {verb} distances: write it from 0 up")
    return factor, -offset if action == "boost" else offset
