"""Filters as Milvus expressions, and the entries of a product that the expressions test.

A product has the text, the number and the currency of each of its fields. `COLUMNS` are typed and indexed;
the other entries are in the collection's dynamic field. Milvus cannot express every filter exactly: numbers
are doubles there, and texts are cut. This filter becomes a "wide" expression, which holds for all matches
and for few other products. The store then checks the results with `stores.filters.matches`. Below a `not` it
becomes a "narrow" expression, which holds only for matches.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perfectlook.prices import SALE_DATES, sale_period
from perfectlook.stores import filters
from perfectlook.stores.base import batches
from perfectlook.stores.filters import Filter, Money, Value
from perfectlook.taxonomy import split_path

LONGEST = 200  # texts are cut to this many characters; a text of fewer characters is whole
UNDER = "under"  # the column with all values of `category under` that match the product's category
TRIGRAMS = "title_trigrams"  # the column with the numbers of all runs of three characters in the title
# The typed columns by what they hold, and its field. Without the field, texts are "".
COLUMNS = {("text", name): name for name in ("availability", "brand", "gender", "item_group_id")}
COLUMNS |= {("currency", "price"): "currency", ("currency", "sale_price"): "sale_currency"}
_FURTHEST, _NONE = 1e299, -1e300  # numbers are limited to the first; the second stands for no number
# The columns of numbers, as they are without a price or a sale. A sale lasts from and until a time.
NUMBERS = {"price": _NONE, "sale": _NONE, "sale_from": _FURTHEST, "sale_until": -_FURTHEST}
_TYPED = {**COLUMNS, ("text", "id"): "id", ("number", "price"): "price", ("number", "sale_price"): "sale"}

ALWAYS, NEVER, TOGETHER = 'id > ""', 'id == ""', 16  # no product has an empty id


def filter_entries(category: str, fields: Mapping[str, str]) -> dict[str, object]:
    """Return the entries of a product that filters test, by column or by key of the dynamic field."""
    path = split_path(_encodable(category.casefold()))
    around = {"|".join(path[:depth]) for depth in range(1, len(path) + 1)} | set(path)
    found: dict[str, object] = dict.fromkeys(COLUMNS.values(), "")
    found |= {**NUMBERS, UNDER: sorted(around), TRIGRAMS: _trigrams(fields.get("title", ""))}
    if fields.get("sale_price"):
        since, until = sale_period(fields.get(SALE_DATES, ""))
        found |= {"sale_from": _double(since), "sale_until": _double(until)}
    for name, text in {**fields, "category": category, "id": ""}.items():  # products are found by their ids
        if text:
            found[_key("text", name)] = _encodable(filters.folded(name, text)[:LONGEST])
            if number := filters.read_number(text):
                found[_key("number", name)] = _double(number)
                found[_key("currency", name)] = number.currency or ""
    return found


def compile_filter(tree: Filter, *, wide: bool = True) -> str:
    """Return an expression that holds for all products that match the filter, and for few others.

    If not `wide`, the expression holds only for products that match, and for most of them.
    """
    if isinstance(tree, filters.Compare) and tree.operator == "!=":
        return f"not ({compile_filter(replace(tree, operator='='), wide=not wide)})"
    if not (isinstance(tree, filters.Leaf) and tree.field in filters.AMOUNTS):
        return _compiled(tree, wide=wide)
    lasts = "sale_from <= {0!r} and sale_until > {0!r}".format(filters.now())
    on_sale = all_of([lasts, _compiled(replace(tree, field="sale_price"), wide=wide)])
    if tree.field == "sale_price":
        return on_sale
    return _any_of([on_sale, all_of([f"not ({lasts})", _compiled(tree, wide=wide)])])


def _compiled(tree: Filter, *, wide: bool) -> str:  # noqa: PLR0911 — one for each kind
    match tree:
        case filters.And(parts):
            return all_of(compile_filter(part, wide=wide) for part in parts) or ALWAYS
        case filters.Or(parts):
            return _any_of(compile_filter(part, wide=wide) for part in parts)
        case filters.Not(part):
            return f"not ({compile_filter(part, wide=not wide)})"
        case filters.Under(category):
            path = split_path(category.casefold())
            return f"array_contains({UNDER}, {literal('|'.join(path))})" if path else NEVER
        case filters.Has(field):
            return _text(field, ">=", "")
        case filters.Contains("title", text) if wide and (runs := _trigrams(text)):
            return f"array_contains_all({TRIGRAMS}, {runs})"
        case filters.Contains(field):  # Milvus 2.3 finds only beginnings of texts, so the store checks them
            return _text(field, ">=", "") if wide else NEVER
        case filters.OneOf(field, values):
            return _any_of(_compare(field, "=", value, wide=wide) for value in values)
        case filters.Compare(field, sign, value):
            return _compare(field, sign, value, wide=wide)


def _compare(field: str, sign: str, value: Value, *, wide: bool) -> str:
    if isinstance(value, str):
        text = filters.folded(field, value)
        is_cut = len(text) >= LONGEST and field != "id"  # it says nothing about what follows
        if sign == "=":
            return _text(field, "==", text) if text and (wide or not is_cut) else NEVER
        return _text(field, sign[0] + ("=" if wide else "") if is_cut else sign, text)
    key, number = _key("number", field), repr(_double(value))
    if sign == "=":
        bound = f"{key} == {number}" if wide else NEVER
    else:  # Different numbers may be the same double, so a wide expression includes the bound.
        bound = f"{key} {sign[0]}{'=' if wide else ''} {number}"
    currency = _text(field, "==", value.currency.upper(), "currency") if isinstance(value, Money) else ""
    return all_of([bound, f"{key} > {_NONE!r}", currency])


def literal(text: str) -> str:
    """Return a text as in expressions: quoted, with ASCII letters only."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in _encodable(text))
    return '"' + "".join(plain) + '"'


def one_of(column: str, texts: Iterable[str]) -> str:
    """Return the expression for a column that has one of the texts."""
    return f"{column} in [{', '.join(map(literal, texts))}]"


def none_of(categories: Iterable[str]) -> str:
    """Return the expression for products of other categories."""
    return f"not ({one_of('category', categories)})"


def all_of(parts: Iterable[str]) -> str:
    """Return the conjunction of expressions; "" stands for no condition."""
    return _joined("and", parts)


def _any_of(parts: Iterable[str]) -> str:
    return _joined("or", parts) or NEVER


def _joined(word: str, parts: Iterable[str]) -> str:
    """Join expressions, many of them in groups: Milvus takes seconds for a thousand in a row."""
    some: Sequence[str] = [part for part in parts if part]
    while len(some) > TOGETHER:
        some = [_joined(word, few) for few in batches(some, TOGETHER)]
    return f" {word} ".join(f"({part})" for part in some)


def _text(field: str, sign: str, text: str, what: str = "text") -> str:
    """Compare a text. Products without the field do not match."""
    key = _key(what, field)
    compared = f"{key} {sign} {literal(text if key == 'id' else text[:LONGEST])}"
    return f'{compared} and {key} != ""' if key in COLUMNS.values() and sign != "==" else compared


def _trigrams(title: str) -> list[int]:
    """Return the numbers of all runs of three characters, below 4096. A part of a title has some of them."""
    text = _encodable(filters.folded("title", title))
    return sorted({zlib.crc32(text[start : start + 3].encode()) % 4096 for start in range(len(text) - 2)})


def _key(what: str, field: str) -> str:
    """Return the column, or the key of the dynamic field, for an entry of a field."""
    plain = re.fullmatch("[a-z0-9_]+", field)
    other = f"{what}_{field}" if plain else f"{what}X{_encodable(field).encode().hex()}"
    return _TYPED.get((what, field), other)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _double(value: Any) -> float:
    """Return a number, or one with a currency, as Milvus stores it."""
    return min(max(float(getattr(value, "amount", value)), -_FURTHEST), _FURTHEST)
