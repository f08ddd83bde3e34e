"""Messages of refused requests: they reveal no path of the server, and ordinary words stay."""

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.errors import refusal_of


@pytest.mark.parametrize(
    ("hidden", "message", "shown"),
    [
        (
            {"catalogue": "the catalogue"},
            "no category of the catalogue matches 'Tents'",
            "no category of the catalogue matches 'Tents'",
        ),
        ({"cat": "the catalogue"}, "no category of the catalogue", "no category of the catalogue"),
        ({"": "the catalogue", "/": "the catalogue"}, "/a: wrong", "/a: wrong"),
        (
            {"/shop/cat": "the catalogue", "/shop": "the model"},
            "/shop/cat: made with /shop, not /shop/cat/x.db.",
            "the catalogue: made with the model, not the catalogue.",
        ),
        ({"shop/cat/": "the catalogue"}, "'shop/cat': wrong", "'the catalogue': wrong"),
        (
            {"shop/cat": "the catalogue"},
            "my/shop/cat and shop/cats and shop/cat.old",
            "my/shop/cat and shop/cats and shop/cat.old",
        ),
    ],
)
def test_whole_paths_are_replaced_once(hidden: dict[str, str], message: str, shown: str):
    assert refusal_of(UsageError(message), hidden).detail == shown
