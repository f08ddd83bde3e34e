"""The products of the showroom: a piece in the finishes of several styles."""

import itertools
from types import ModuleType

import pytest

from perfectlook.stores.filters import matches, parse_filter


def test_every_category_has_products_of_every_style(maker: ModuleType) -> None:
    products = maker.products.catalogue().values()
    for category in maker.products.CATEGORIES.values():
        mine = [product for product in products if product.category == category]
        assert len(mine) >= 15
        assert {product.style for product in mine} == set(maker.styles.styles())


def test_the_same_piece_is_sold_in_several_styles(maker: ModuleType) -> None:
    styles: dict[str, set[str]] = {}
    for product in maker.products.catalogue().values():
        styles.setdefault(product.piece.id, set()).add(product.style)
    assert sum(len(each) > 1 for each in styles.values()) > len(styles) * 0.8


def test_every_finish_names_materials_that_exist(maker: ModuleType) -> None:
    known = maker.styles.materials()
    for product in maker.products.catalogue().values():
        assert set(product.finish.values()) <= set(known)


def test_prices_are_text_that_filters_understand(maker: ModuleType) -> None:
    expression = parse_filter("price >= 10 and price < 3000")
    for product in maker.products.catalogue().values():
        assert matches(expression, product.id, product.category, product.fields), product.fields
        if "sale_price" in product.fields:
            sale, price = (float(product.fields[key].split()[0]) for key in ("sale_price", "price"))
            assert sale < price


def test_some_products_are_on_sale_and_some_out_of_stock(maker: ModuleType) -> None:
    products = maker.products.catalogue().values()
    out = sum(product.fields["availability"] == "out_of_stock" for product in products) / len(products)
    assert 0.05 < out < 0.15
    assert 0.05 < sum("sale_price" in product.fields for product in products) / len(products) < 0.2


def test_own_pieces_and_models_have_their_sizes(maker: ModuleType) -> None:
    for piece in maker.library.pieces().values():
        assert all(0 < side < 4 for side in piece.size), piece.id
        assert piece.is_own or piece.model in maker.library.models()


def test_a_title_names_only_what_the_photo_shows(maker: ModuleType) -> None:
    products = maker.products.catalogue().values()
    arcs = [product for product in products if product.piece.id in ("floorlamp-ownarc", "pendant-dome")]
    assert arcs
    for product in arcs:  # their shades are inside
        assert product.fields["title"].endswith(f"lamp, {product.finish['metal']}")


def test_two_finishes_are_as_far_apart_as_what_is_seen_of_them(maker: ModuleType) -> None:
    dome = maker.library.pieces()["pendant-dome"]
    shares = maker.library.visible_roles()[dome.id]
    black, raw = (
        {"metal": "black steel", "shade": "white shade"},
        {"metal": "raw steel", "shade": "white shade"},
    )
    # #2a2a2b and #8b8d8f: the largest step is that of blue, 0x8f - 0x2b = 100.
    assert maker.products.apart(dome, black, raw) == pytest.approx(100 * shares["metal"])
    assert maker.products.apart(dome, black, black | {"shade": "orange shade"}) == 0


def test_no_two_products_of_a_piece_have_the_same_finish_to_the_eye(maker: ModuleType) -> None:
    pieces: dict[str, list] = {}
    for product in maker.products.catalogue().values():
        if product.piece.kind not in ("rug", "art"):
            pieces.setdefault(product.piece.id, []).append(product)
    for products in pieces.values():
        for one, other in itertools.combinations(products, 2):
            far = maker.products.apart(one.piece, one.finish, other.finish)
            assert far >= maker.products.APART, (one.id, other.id)
