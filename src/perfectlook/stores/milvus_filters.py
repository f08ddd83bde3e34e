"""Filters as Milvus expressions, and the entries of a product that the expressions test.

A product has the text, the number and the currency of each of its fields. `COLUMNS` are typed and indexed;
the other entries are in the collection's dynamic field. Milvus cannot express every filter exactly: numbers
are doubles there, and texts are cut. This filter becomes a "wide" expression, which holds for all matches
and for few other products. The store then checks the results with `stores.filters.matches`. Below a `not` it
becomes a "narrow" expression, which holds only for matches.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from perfectlook.prices import SALE_DATES
from perfectlook.stores import filters
from perfectlook.stores.filters import Filter, Money, Value
from perfectlook.taxonomy import split_path

LONGEST = 200  # texts are cut to this many characters; a text of fewer characters is whole
UNDER = "under"  # the column with all values of `category under` that match the product's category
# The typed columns by what they hold, and its field. Without the field, texts are "".
COLUMNS = {("text", name): name for name in ("availability", "brand", "gender", "item_group_id")}
COLUMNS |= {("number", "price"): "price", ("currency", "price"): "currency"}
NO_PRICE = -1e300
_FURTHEST = 1e299  # numbers are limited to this

Expression: TypeAlias = str | bool
"""An expression of Milvus, or True if it always holds, or False if it never holds."""


def filter_entries(id: str, category: str, fields: Mapping[str, str]) -> dict[str, object]:  # noqa: A002
    """Return the entries of a product that filters test, by column or by key of the dynamic field."""
    path = split_path(_encodable(category.casefold()))
    around = {"|".join(path[:depth]) for depth in range(1, len(path) + 1)} | set(path)
    found: dict[str, object] = dict.fromkeys(COLUMNS.values(), "")
    found |= {"price": NO_PRICE, UNDER: sorted(around)}
    for name in sorted({*fields, "price", "category"} - {"id"}):  # products are found by their ids
        if text := filters.field_text(name, id, category, fields):
            found[_key("text", name)] = _cut(filters.folded(name, text))
            if number := filters.read_number(text):
                found[_key("number", name)] = _double(number.amount)
                found[_key("digits", name)] = _cut(_digits(number.amount))
                found[_key("currency", name)] = number.currency or ""
    return found


def compile_filter(tree: Filter, *, wide: bool = True) -> Expression:
    """Return an expression that holds for all products that match the filter, and for few others.

    If not `wide`, the expression holds only for products that match, and for most of them.
    """
    if isinstance(tree, filters.Leaf) and tree.field in filters.AMOUNTS:
        dated = _compiled(filters.Has(SALE_DATES), wide=wide)  # the store compares these
        always = _compiled(tree, wide=wide)
        return _any_of([always, dated]) if wide else all_of([always, _not(dated)])
    return _compiled(tree, wide=wide)


def _compiled(tree: Filter, *, wide: bool) -> Expression:  # noqa: PLR0911 — one for each kind
    match tree:
        case filters.And(parts):
            return all_of(compile_filter(part, wide=wide) for part in parts)
        case filters.Or(parts):
            return _any_of(compile_filter(part, wide=wide) for part in parts)
        case filters.Not(part):
            return _not(compile_filter(part, wide=not wide))
        case filters.Under(category):
            path = split_path(category.casefold())
            return f"array_contains({UNDER}, {literal('|'.join(path))})" if path else False
        case filters.Has(field):
            return _text(field, ">=", "")
        case filters.Contains(field):  # Milvus 2.3 finds only beginnings of texts, so the store checks them
            return wide and _text(field, ">=", "")
        case filters.OneOf(field, values):
            return _any_of(_equals(field, value, wide=wide) for value in values)
        case filters.Compare(field, "=", value):
            return _equals(field, value, wide=wide)
        case filters.Compare(field, "!=", value):
            return _not(_equals(field, value, wide=not wide))
        case filters.Compare(field, sign, str(value)):
            text = filters.folded(field, value)
            is_cut = len(text) >= LONGEST and field != "id"  # it says nothing about what follows
            return _text(field, sign[0] + ("=" if wide else "") if is_cut else sign, text)
        case filters.Compare(field, sign, value):
            key, amount = _key("number", field), _amount(value)
            # Different numbers may be the same double, so a wide expression includes the bound.
            bound = f"{key} {sign[0]}{'=' if wide else ''} {_double(amount)!r}"
            return all_of([bound, f"{key} > {NO_PRICE!r}", _currency(field, value)])


def literal(text: str) -> str:
    """Return a text as in expressions: quoted, with ASCII letters only."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in _encodable(text))
    return '"' + "".join(plain) + '"'


def one_of(column: str, texts: Iterable[str]) -> str:
    """Return the expression for a column that has one of the texts."""
    return f"{column} in [{', '.join(map(literal, texts))}]"


def all_of(parts: Iterable[Expression]) -> Expression:
    """Return the conjunction of expressions."""
    return _joined(" and ", parts, neutral=True)


def _any_of(parts: Iterable[Expression]) -> Expression:
    return _joined(" or ", parts, neutral=False)


def _joined(word: str, parts: Iterable[Expression], *, neutral: bool) -> Expression:
    left = [part for part in parts if part is not neutral]
    if (not neutral) in left:
        return not neutral
    return left[0] if len(left) == 1 else word.join(f"({part})" for part in left) or neutral


def _not(part: Expression) -> Expression:
    return not part if isinstance(part, bool) else f"not ({part})"


def _amount(value: Value) -> Decimal:
    return value.amount if isinstance(value, Money) else Decimal(value)


def _equals(field: str, value: Value, *, wide: bool) -> Expression:
    if isinstance(value, str):
        what, text = "text", filters.folded(field, value)
    else:
        what, text = "digits", _digits(_amount(value))
    if not text or (len(text) >= LONGEST and field != "id" and not wide):
        return False
    return all_of([_text(field, "==", text, what), _currency(field, value)])


def _currency(field: str, value: Value) -> Expression:
    return _text(field, "==", value.currency.upper(), "currency") if isinstance(value, Money) else True


def _text(field: str, sign: str, text: str, what: str = "text") -> str:
    """Compare a text. Products without the field do not match."""
    key = _key(what, field)
    compared = f"{key} {sign} {literal(text if key == 'id' else _cut(text))}"
    return f'{compared} and {key} != ""' if key in COLUMNS.values() and sign != "==" else compared


def _key(what: str, field: str) -> str:
    """Return the column, or the key of the dynamic field, for an entry of a field."""
    if field == "id":
        return field
    plain = re.fullmatch("[a-z0-9_]+", field)
    other = f"{what}_{field}" if plain else f"{what}X{_encodable(field).encode().hex()}"
    return COLUMNS.get((what, field), other)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _cut(text: str) -> str:
    return _encodable(text[:LONGEST])


def _digits(amount: Decimal) -> str:
    """Return all digits of a number. Equal numbers give the same text."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "+0") else text


def _double(amount: Decimal) -> float:
    return min(max(float(amount), -_FURTHEST), _FURTHEST)
