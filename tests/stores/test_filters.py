"""Filters as text and as trees, errors with columns, and matching products."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filter_texts import print_filter
from perfectlook.errors import UsageError
from perfectlook.stores.filters import (
    And,
    Compare,
    Contains,
    Filter,
    Has,
    Money,
    Not,
    OneOf,
    Or,
    Under,
    matches,
    parse_filter,
)

CHEAP = Compare("price", "<=", Decimal(50))
IKEA = Compare("brand", "=", "Ikea")
SOLD = Has("sale_price")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("price <= 50", CHEAP),
        ("price<=50", CHEAP),
        ("  PRICE <=\n50 ", CHEAP),
        ("price <= 49.90", Compare("price", "<=", Decimal("49.90"))),
        ("offset > -3", Compare("offset", ">", Decimal(-3))),
        ("price < 50 eur", Compare("price", "<", Money(Decimal(50), "EUR"))),
        ("brand = Ikea", IKEA),
        ("brand='Ikea'", IKEA),
        ('brand != "La Redoute"', Compare("brand", "!=", "La Redoute")),
        (r'title = "5\" \\ wide"', Compare("title", "=", '5" \\ wide')),
        ("größe = größer", Compare("größe", "=", "größer")),
        ('"in stock since" = "and"', Compare("in stock since", "=", "and")),
        ("size = 42-44", Compare("size", "=", "42-44")),
        ('size = "42"', Compare("size", "=", "42")),
        ("id = 007", Compare("id", "=", "007")),
        ("brand in (Ikea, Muji)", OneOf("brand", ("Ikea", "Muji"))),
        ("price in (5, 6 USD)", OneOf("price", (Decimal(5), Money(Decimal(6), "USD")))),
        ("id not in (7, p8)", Not(OneOf("id", ("7", "p8")))),
        ("not id in (7, p8)", Not(OneOf("id", ("7", "p8")))),
        ("title contains oak", Contains("title", "oak")),
        ("TITLE CONTAINS 'oak top'", Contains("title", "oak top")),
        ("size contains 42", Contains("size", "42")),
        ("contains = contains", Compare("contains", "=", "contains")),
        ("has sale_price", SOLD),
        ("HAS sale_price", SOLD),
        ('category under "Furniture|Chairs"', Under("Furniture|Chairs")),
        ("category under Furniture|Chairs", Under("Furniture|Chairs")),
        ("price <= 50 and brand = Ikea and has sale_price", And((CHEAP, IKEA, SOLD))),
        ("price <= 50 or brand = Ikea and has sale_price", Or((CHEAP, And((IKEA, SOLD))))),
        ("(price <= 50 or brand = Ikea) and has sale_price", And((Or((CHEAP, IKEA)), SOLD))),
        ("(price <= 50 and brand = Ikea) and has sale_price", And((And((CHEAP, IKEA)), SOLD))),
        ("not has sale_price and brand = Ikea", And((Not(SOLD), IKEA))),
        ("not (has sale_price and brand = Ikea)", Not(And((SOLD, IKEA)))),
        ("not not ((has sale_price))", Not(Not(SOLD))),
    ],
)
def test_filters_are_parsed(text: str, tree: Filter) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "a field"),
        ("price", 6, "after 'price'"),
        ("price <=", 9, "expected a value after '<='"),
        ("price <= and", 10, "expected a value after '<=', got 'and'"),
        ("price <= 50 and", 16, "a field, 'has', 'not' or '(', got the end"),
        ("price <= 50 brand = x", 13, "a currency such as EUR"),
        ("brand = x brand = y", 11, "expected 'and', 'or' or the end, got 'brand'"),
        ("5 < price", 1, "a field"),
        ("brand in Ikea", 10, "'(' after 'in'"),
        ("brand in ()", 11, "a value"),
        ("brand in (a b)", 13, "',' or ')'"),
        ("brand not Ikea", 11, "'in' after 'not'"),
        ("brand under x", 7, "'under' is for 'category'"),
        ("(brand = x", 11, "a ')' for the '(' of column 1"),
        ("brand = x)", 10, "got ')'"),
        ("brand = 'x", 9, "no closing '"),
        ("brand ~ x", 7, "unexpected '~'"),
        ("brand = ü; drop", 10, "unexpected ';'. Put text with this character in quotes."),
        ("price <= 50%", 10, "price: expected an amount, got '50%' (has the unknown currency '%')."),
        ("price <= $50", 10, "price: expected an amount, got '$50' (has no currency)."),
        ('price <= "1.299 €"', 10, "is ambiguous (1.299 or 1299)"),
        (
            "price <= 1.299 EUR",
            10,
            "price: expected an amount, got '1.299 EUR' (is ambiguous (1.299 or 1299))",
        ),
        ("price <= 1.299", 10, "price: expected an amount, got '1.299' (is ambiguous (1.299 or 1299))"),
        ("price <= 1.299EUR", 10, "is ambiguous (1.299 or 1299)"),
        ("unit_price < cheap", 14, "unit_price: expected an amount, got 'cheap' (is not a price)."),
        ('price contains "4"', 7, "after 'price', which is an amount, got 'contains'"),
        ("regular_price contains 4", 15, "after 'regular_price', which is an amount, got 'contains'"),
        ("price in (50 EUR, cheap)", 19, "price: expected an amount, got 'cheap' (is not a price)."),
        ("brand = x and price >= fifty", 24, "price: expected an amount, got 'fifty' (is not a price)."),
        (
            "price <= 50,00 EUR",
            12,
            "price: expected a decimal point in the number, got ','. Write it as 49.90.",
        ),
        ("width = 42,5", 11, "width: expected a decimal point in the number"),
        ("width = 42, 5", 11, "expected a decimal point"),
        ("price <= 50, brand = x", 12, "expected 'and', 'or' or the end, got ','"),
        ('" " = 5', 1, "a field, 'has', 'not' or '(', got \" \""),
        ("(" * 60 + "has x" + ")" * 60, 51, "nested deeper than 50"),
        ("not " * 10_000, 201, "nested deeper than 50"),
        ("x = " + "y" * 70_000, 65_537, "the filter has 70,004 characters, more than 65,536"),
    ],
)
def test_an_error_points_at_the_column(text: str, column: int, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_filter(text)
    assert str(caught.value).startswith(f"where: column {column}: ")
    assert says in str(caught.value)


def test_an_error_names_the_source_of_the_text() -> None:
    with pytest.raises(UsageError, match=r"^where: column 1: "):
        parse_filter("", "where")


def test_a_long_chain_is_not_deep() -> None:
    tree = parse_filter(" or ".join(["has x"] * 5_000))
    assert tree == Or((Has("x"),) * 5_000)


def test_other_fields_are_compared_with_text_alphabetically() -> None:
    assert parse_filter("size < XL and colour = red") == And(
        (Compare("size", "<", "XL"), Compare("colour", "=", "red"))
    )


@pytest.mark.parametrize(
    "text", ["50EUR", "50€", '"50€"', "€50", "50 €", "€ 50", "EUR 50", '"50,00 €"', "50 eur"]
)
def test_a_price_is_compared_with_an_amount_in_any_spelling(text: str) -> None:
    same = Compare("price", "<=", Money(Decimal(50), "EUR"))
    assert parse_filter(f"price <= {text}") == same
    assert parse_filter(f"price <= {text} and brand = Hay") == And((same, Compare("brand", "=", "Hay")))
    assert parse_filter(f"regular_price <= {text}") == Compare("regular_price", "<=", same.value)


def test_three_decimals_are_an_amount_in_currencies_that_have_them() -> None:
    assert parse_filter("price <= 12.500 KWD") == Compare("price", "<=", Money(Decimal("12.5"), "KWD"))


fields = st.sampled_from(["weight", "brand", "in", "größe", "a b", "42", "x.y-z", '"', "a\\"])
numbers = st.decimals(-(10**9), 10**9, allow_nan=False, places=2) | st.integers(-9, 9).map(Decimal)
texts = st.text() | st.sampled_from(["and", "7", "-1.5", "EUR", "A|B", "\\", '"', "'"])
values = texts | numbers | st.builds(Money, numbers, st.sampled_from(["EUR", "USD"]))
leaves = (
    st.builds(Compare, fields, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values)
    | st.builds(OneOf, fields, st.lists(values, min_size=1, max_size=3).map(tuple))
    | st.builds(Compare, st.sampled_from(["id", "category"]), st.just("="), texts)
    | st.builds(Has, fields)
    | st.builds(Under, texts)
)
trees: st.SearchStrategy[Filter] = st.recursive(
    leaves,
    lambda part: (
        st.builds(Not, part)
        | st.builds(And, st.lists(part, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(part, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=12,
)


@given(trees)
def test_a_printed_tree_parses_to_the_same_tree(tree: Filter) -> None:
    assert parse_filter(print_filter(tree)) == tree


@given(st.text() | st.lists(st.sampled_from(
    ["price", "brand", "50", "EUR", "and", "or", "not", "in", "has", "under", "category", "=", "<=", "!=",
     "(", ")", ",", '"x y"', "'", '"', "\\", "\x00", "|"]
)).map(" ".join))  # fmt: skip
@example("price <= 50 and (brand = 'x'")
def test_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    try:
        tree = parse_filter(text)
    except UsageError as error:
        assert "where: column " in str(error)
    else:
        assert parse_filter(print_filter(tree)) == tree


def test_a_tree_with_too_few_parts_is_not_printed() -> None:
    with pytest.raises(ValueError, match="expected two or more parts"):
        print_filter(And((SOLD,)))


CHAIR = {
    "price": "49.90 EUR",
    "brand": "IKEA",
    "width": "120 cm",
    "size": "42-44",
    "gtin": "0042",
    "empty": "",
    "colour": "Straße",
}
SOFA = {"price": "500.00 EUR", "sale_price": "350.00 EUR"}


def holds(text: str, fields: dict[str, str] = CHAIR) -> bool:
    return matches(parse_filter(text), "p1", "Furniture|Chairs|Arm Chairs", fields)


@pytest.mark.parametrize(
    "text",
    [
        "price = 49.9",
        "price <= 49.90 EUR",
        "price >= 49.90 EUR",
        "price < 49.91",
        "price > 49 and price < 50",
        "price in (10, 49.9000 EUR)",
        "price != 49.90 USD",
        "brand = ikea",
        "brand in (Muji, Ikea)",
        "brand > Hay and brand < Muji",
        "colour = STRASSE",
        "width = 120",
        'width = "120 CM"',
        "size = 42-44",
        "gtin = 42",
        'gtin = "0042"',
        "has brand",
        "id = p1",
        "id in (p0, p1)",
        "has id and has category",
        "category under Furniture",
        "category under furniture|chairs",
        'category under "Furniture > Chairs"',
        "category under Chairs",
        'category = "furniture | chairs | arm chairs"',
        "not brand = Muji",
        "brand = Muji or has price",
    ],
)
def test_filters_match(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "price < 49.90",
        "price <= 60 USD",
        "price > 0 USD",
        "price = 49.90 USD",
        "brand = Ike",
        "size = 42",
        "size < 100",
        "size > 1",
        "brand > 5",
        'gtin = "42"',
        "has empty",
        "has nothing",
        "nothing = x",
        "nothing < x",
        "nothing in (x, y)",
        'empty = ""',
        "id = P1",
        "id = p",
        "category = Furniture",
        "category under Furn",
        "category under Furniture|Tables",
        "category under Tables",
        "has price and brand = Muji",
        "not (brand = Ikea or brand = Muji)",
    ],
)
def test_filters_do_not_match(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize("text", ["nothing != x", "nothing not in (x)", "not nothing < 5", "not has nothing"])
def test_a_missing_field_is_unequal_to_every_value(text: str) -> None:
    assert holds(text)


def test_the_price_is_the_sale_price_if_there_is_one() -> None:
    assert holds("price = 350", SOFA)
    assert holds("price = 350", {"price": "", "sale_price": "350 EUR"})
    assert holds("price = 500", SOFA | {"sale_price": ""})
    assert not holds("price = 500", SOFA)
    assert holds("has price and sale_price < 400 EUR", SOFA)
    assert not holds("has price", {"brand": "Hay"})


def test_numbers_are_compared_exactly() -> None:
    long = {"gtin": "12345678901234567890"}
    assert holds("gtin = 12345678901234567890", long)
    assert not holds("gtin = 12345678901234567891", long)
    assert holds("gtin < 12345678901234567891", long)
