"""A column gives the same result as `text_matches` for every place."""

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfectlook.stores.cache import Column
from perfectlook.stores.filters import Compare, Contains, Has, Money, OneOf, text_matches

TEXTS = ["", "5", "5.0 EUR", "05 USD", "-3", "12 cm", "Hay", "HAY", "hay ", "1e3", "x 5", "9" * 400]
LONG = ["12345678901234567890", "12345678901234567891", "0.1", "0.10000000000000000001"]
numbers = st.sampled_from([Decimal(5), Decimal("0.1"), Decimal(-3), Decimal(LONG[0]), Decimal("9" * 400)])
values = (
    st.sampled_from([*TEXTS, *LONG]) | numbers | st.builds(Money, numbers, st.sampled_from(["EUR", "usd"]))
)
leaves = (
    st.builds(Compare, st.just("f"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values)
    | st.builds(OneOf, st.just("f"), st.lists(values, max_size=3).map(tuple))
    | st.just(Has("f"))
    | st.builds(Contains, st.just("f"), st.sampled_from(["", "5", "ha", "HAY", "x"]))
)


def longer(column: Column, texts: list[str | None]) -> Column:
    """Return the column with these texts in the next rows. Rows count from 1."""
    known = len(column.rows)
    rows = np.arange(1, known + len(texts) + 1)
    return column.extended(rows, dict(zip(rows[known:].tolist(), texts, strict=True)))


@given(st.lists(st.lists(st.none() | st.sampled_from([*TEXTS, *LONG]), max_size=9), max_size=3), leaves)
def test_a_column_agrees_with_the_definition(
    parts: list[list[str | None]], leaf: Compare | OneOf | Has | Contains
) -> None:
    column = Column("f")
    for part in parts:
        column.mask(leaf)  # results for the texts so far must not be used for later texts
        column = longer(column, part)
    texts = [text or "" for part in parts for text in part]
    assert column.mask(leaf).tolist() == [text_matches(leaf, text) for text in texts]


def test_an_older_column_does_not_change() -> None:
    old = longer(Column("brand"), ["Hay", None])
    new = longer(old, ["Muji", "hay"])
    hay = Compare("brand", "=", "hay")
    assert old.mask(hay).tolist() == [True, False]
    assert new.mask(hay).tolist() == [True, False, False, True]
    assert new.begins(np.array([1, 2, 3, 4, 5]))
    assert not new.begins(np.array([1, 2, 4, 5]))
    assert not new.begins(np.array([1, 2]))


def test_ids_are_compared_as_they_are_and_categories_as_paths() -> None:
    assert longer(Column("id"), ["a", "A"]).mask(Compare("id", "=", "a")).tolist() == [True, False]
    category = Compare("category", "=", "a | b")
    assert longer(Column("category"), ["A|B", "A > B", "A"]).mask(category).tolist() == [True, True, False]
