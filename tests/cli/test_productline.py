"""The printed line of a product."""

import pytest

from perfectlook.answers import AppliedRule, RankedProduct
from perfectlook.cli.output import product_line
from perfectlook.texts import short_title


def line(title: str | None, *, bare: bool = False, ruled: bool = False, **fields: str) -> str:
    rules = [AppliedRule(rule=2, action="boost", from_rank=7)] if ruled else []
    product = RankedProduct(
        rank=1, id="b6a5", distance=0.8125, title=title, picture="chair.jpg", rules=rules, **fields
    )
    return product_line(product, bare=bare)


@pytest.mark.parametrize(
    ("title", "fields", "said"),
    [
        ("Oak chair", {}, "     1  0.812  b6a5  Oak chair"),
        ("Oak\n chair", {"price": "49.90 EUR"}, "     1  0.812  b6a5  Oak chair  49.90 EUR"),
        (
            "Oak chair",
            {"price": "49.90 EUR", "sale_price": "39.90 EUR"},
            "     1  0.812  b6a5  Oak chair  39.90 EUR (was 49.90 EUR)",
        ),
        (None, {"price": "49.90 EUR"}, "     1  0.812  b6a5  49.90 EUR"),
        (None, {}, "     1  0.812  b6a5"),
    ],
)
def test_title_and_what_a_customer_pays(title: str | None, fields: dict[str, str], said: str) -> None:
    assert line(title, **fields) == said


def test_rules_come_last_and_bare_lines_have_all_digits() -> None:
    assert line("Oak chair", ruled=True, price="5.00 EUR").endswith(
        "Oak chair  5.00 EUR  [rule 2: boost from rank 7]"
    )
    assert line("Oak chair", bare=True) == "     1  0.8125  b6a5  Oak chair"


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Oak  chair", "Oak chair"),
        ("Oak chair, oiled", "Oak chair,…"),
        ("x" * 11, "x" * 11),
        ("椅" * 12, "椅" * 10 + "…"),
        (None, ""),
    ],
)
def test_long_titles_are_shortened(title: str | None, said: str) -> None:
    assert short_title(title, 11) == said
