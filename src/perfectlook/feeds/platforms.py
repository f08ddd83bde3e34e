"""The exports of Shopify, WooCommerce and Magento as rows of products, and Google's taxonomy."""

import lzma
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from perfectlook.errors import FeedError
from perfectlook.feeds.columns import column_name
from perfectlook.feeds.rows import FeedRow, Rows, UnreadableRow
from perfectlook.prices import UnusablePriceError, canonical_price

PLATFORMS = ("auto", "google", "magento", "shopify", "woocommerce")
"""What `--format` accepts besides the formats of files."""
TAXONOMY = Path(__file__).parent / "google-product-taxonomy.tsv.xz"
"""Google's public product taxonomy, from https://www.google.com/basepages/producttype/."""

Texts: TypeAlias = Mapping[str, str]


def platform_of(columns: Collection[str]) -> str:
    """Return the platform whose export has these columns: shopify, woocommerce, magento; google otherwise."""
    if "url_handle" in columns or ("handle" in columns and any(n.startswith("variant_") for n in columns)):
        return "shopify"
    if {"sku", "attribute_set_code", "product_type"} <= set(columns):
        return "magento"
    return "woocommerce" if {"name", "regular_price", "images"} <= set(columns) else "google"


def products_of(rows: Rows, platform: str | None, feed: str) -> tuple[Rows, bool]:
    """Return rows of products, and whether they are made from the rows of a platform's export.

    Args:
        rows: the rows of a file.
        platform: one of `PLATFORMS`, or None for the rows as they are.
        feed: the name of the file.

    Raises:
        FeedError: the file lacks a column of the platform's export.
    """
    if platform is None:
        return rows, False
    before: list[FeedRow | UnreadableRow] = []
    names: Mapping[str, str] = {}
    for row in rows:
        before.append(row)
        if isinstance(row, FeedRow):
            names = row.names
            platform = platform_of(row.values) if platform == "auto" else platform
            break
    everything = chain(before, rows)
    if platform not in _TRANSLATED:
        return everything, False
    called = _called(platform, names, feed) if names else {}
    translated = _TRANSLATED[platform](everything)
    return (row._replace(names=called) if isinstance(row, FeedRow) else row for row in translated), True


_COLUMNS = {
    "magento": "id: sku; title: name; category: categories; image_link: base_image, additional_images; "
    "price: price; sale_price: special_price; availability: is_in_stock; brand: manufacturer; "
    "sale_price_effective_date: special_price_from_date, special_price_to_date; description: description",
    "shopify": "id: Handle, URL handle; title: Title; category: Product Category, Standard Product Type, "
    "Type, Custom Product Type; image_link: Image Src, Product image URL, Variant Image, Variant image URL; "
    "price: Variant Price, Price; sale_price: Variant Compare At Price, Compare-at price; "
    "availability: Variant Inventory Qty, Inventory quantity; brand: Vendor; tags: Tags; "
    "description: Body (HTML), Description",
    "woocommerce": "id: SKU, ID; title: Name; category: Categories; image_link: Images; "
    "price: Regular price; sale_price: Sale price; availability: In stock?; brand: Brands; tags: Tags; "
    "sale_price_effective_date: Date sale price starts, Date sale price ends; "
    "description: Description, Short description",
}
"""The columns of each platform that become a field."""


def _called(platform: str, names: Mapping[str, str], feed: str) -> dict[str, str]:
    """Return what a file calls the columns of each field. Raises FeedError without a required one."""
    called = {}
    for entry in _COLUMNS[platform].split("; "):
        field, _, columns = entry.partition(": ")
        there = [names[name] for name in map(column_name, columns.split(", ")) if name in names]
        called[field] = ", ".join(there)
        if not there and field in ("id", "category", "image_link"):
            raise FeedError(
                f"{feed}: no column '{columns.split(', ')[0]}', which an export of {platform} has (it has "
                f"{', '.join(names.values())}). Name the columns with --field, without --format {platform}."
            )
    return {field: text for field, text in called.items() if text}


def _shopify(rows: Iterable[FeedRow | UnreadableRow]) -> Rows:
    """Make one product of the rows with one handle. Drafts and archived products are left out.

    All rows are kept in memory, because a sorted export has the rows of a handle anywhere.
    """
    groups: dict[str, list[FeedRow]] = {}
    handle = ""
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield row
            continue
        values = {_SHOPIFY_OF_2025.get(name, name): text for name, text in row.values.items()}
        handle = values.get("handle", "").strip() or handle
        groups.setdefault(handle, []).append(FeedRow(row.number, values))
    for group in groups.values():
        yield from _shopify_product(sorted(group, key=lambda row: not row.values.get("title", "").strip()))


_SHOPIFY_OF_2025 = {
    "url_handle": "handle",
    "description": "body_html",
    "published_on_online_store": "published",
    "price": "variant_price",
    "compare-at_price": "variant_compare_at_price",
    "inventory_tracker": "variant_inventory_tracker",
    "inventory_quantity": "variant_inventory_qty",
    "continue_selling_when_out_of_stock": "variant_inventory_policy",
    "product_image_url": "image_src",
    "variant_image_url": "variant_image",
}
"""Columns of Shopify's newer export, and what the older one calls them."""


def _shopify_product(group: Sequence[FeedRow]) -> Iterator[FeedRow]:
    rows = [row.values for row in group]
    if _first(rows, "status").lower() in ("draft", "archived"):
        return
    if _first(rows, "published").lower() in ("false", "0", "no"):
        return
    variants = [row for row in rows if row.get("variant_price", "").strip()]
    cheapest = min(variants, key=lambda row: _amount(row["variant_price"]), default={})
    price, before = cheapest.get("variant_price", ""), cheapest.get("variant_compare_at_price", "")
    is_reduced = _amount(price) < _amount(before) < float("inf")
    images = sorted(rows, key=lambda row: _amount(row.get("image_position", "")))
    options = [name for row in rows[:1] for n in "123" if (name := row.get(f"option{n}_name", "").strip())]
    yield _product(
        group[0].number,
        {
            "id": rows[0].get("handle", ""),
            "title": _first(rows, "title"),
            "category": _path_of(_first(rows, "product_category", "standard_product_type")),
            "product_type": _first(rows, "type", "custom_product_type"),
            "image_link": _joined(
                [row.get("image_src", "") for row in images] + [row.get("variant_image", "") for row in rows]
            ),
            "price": before if is_reduced else price,
            "sale_price": price if is_reduced else "",
            "availability": _any_in_stock([_shopify_stock(row) for row in variants]),
            "brand": _first(rows, "vendor"),
            "description": _first(rows, "body_(html)", "body_html"),
            "tags": _first(rows, "tags"),
        },
        {
            name: _joined(row.get(f"option{n}_value", "") for row in rows)
            for n, name in enumerate(options, 1)
            if name != "Title"
        },
    )


def _shopify_stock(row: Texts) -> str:
    is_sold = row.get("variant_inventory_policy", "").strip().lower() in ("continue", "true")
    is_sold |= not row.get("variant_inventory_tracker", "shopify").strip()  # its stock is not tracked
    quantity = row.get("variant_inventory_qty", "").strip()
    return "in_stock" if is_sold or not quantity or 0 < _amount(quantity) < float("inf") else "out_of_stock"


def _woocommerce(rows: Iterable[FeedRow | UnreadableRow]) -> Rows:
    """Make one product of a variable product and its variations. Drafts are left out.

    Variable products are kept in memory, because their variations may be anywhere.
    """
    parents: dict[str, FeedRow] = {}
    variations: dict[str, list[Texts]] = {}
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield row
            continue
        values = row.values
        kind = values.get("type", "").lower()
        if "variation" in kind:
            parent = values.get("parent", "").strip().removeprefix("id:")
            variations.setdefault(parent, []).append(values)
        elif "variable" in kind:
            parents[values.get("sku", "").strip() or f"id {row.number}"] = row
        else:
            yield from _woocommerce_product(row, [values])
    for key, row in parents.items():
        own = [*variations.get(key, ()), *variations.get(row.values.get("id", "").strip() or "?", ())]
        yield from _woocommerce_product(row, own or [row.values])


def _woocommerce_product(row: FeedRow, variants: Sequence[Texts]) -> Iterator[FeedRow]:
    values = row.values
    is_hidden = values.get("visibility_in_catalog", "").strip().lower() == "hidden"
    if is_hidden or values.get("published", "1").strip() not in ("1", ""):
        return
    sold = [each for each in variants if each.get("published", "1").strip() in ("1", "")] or variants
    cheapest = min(sold, key=lambda each: _amount(each.get("sale_price") or each.get("regular_price", "")))
    start, end = (cheapest.get(f"date_sale_price_{name}", "").strip() for name in ("starts", "ends"))
    paths = re.split(r"(?<!\\),\s*", values.get("categories", ""))
    images = _joined([values.get("images", ""), *(each.get("images", "") for each in variants)])
    attributes = [n for n in range(1, 10) if values.get(f"attribute_{n}_name", "").strip()]
    yield _product(
        row.number,
        {
            "id": values.get("sku", "").strip() or values.get("id", ""),
            "title": values.get("name", ""),
            "category": max(paths, key=lambda path: path.count(">")).replace("\\,", ","),
            "image_link": images,
            "price": cheapest.get("regular_price", ""),
            "sale_price": cheapest.get("sale_price", ""),
            "sale_price_effective_date": f"{start}/{end}" if start or end else "",
            "availability": _any_in_stock([each.get("in_stock?", "").strip() for each in sold]),
            "brand": values.get("brands", ""),
            "description": values.get("description", "") or values.get("short_description", ""),
            "tags": values.get("tags", ""),
        },
        {values[f"attribute_{n}_name"]: values.get(f"attribute_{n}_value(s)", "") for n in attributes},
    )


def _magento(rows: Iterable[FeedRow | UnreadableRow]) -> Rows:
    """Make one product of a configurable product and its variants. Invisible products are left out.

    All rows are kept in memory, because the variants of a product may be anywhere.
    """
    by_sku: dict[str, FeedRow] = {}
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield row
        elif not row.values.get("store_view_code", "").strip():  # others are translations
            by_sku.setdefault(row.values.get("sku", "").strip() or f"row {row.number}", row)
    for row in by_sku.values():
        named = re.findall(r"(?:^|\|)sku=([^,|]+)", row.values.get("configurable_variations", ""))
        variants = [by_sku[sku].values for sku in named if sku in by_sku]
        yield from _magento_product(row, [each for each in variants if _is_online(each)] or [row.values])


def _is_online(values: Texts) -> bool:
    return values.get("product_online", "1").strip() in ("1", "")


def _magento_product(row: FeedRow, variants: Sequence[Texts]) -> Iterator[FeedRow]:
    values = row.values
    if values.get("visibility", "").strip().lower() == "not visible individually" or not _is_online(values):
        return
    cheapest = min(variants, key=lambda each: _amount(each.get("special_price") or each.get("price", "")))
    start, end = (cheapest.get(f"special_price_{name}_date", "").strip() for name in ("from", "to"))
    paths = re.split(r",(?=\S)", values.get("categories", ""))
    path = re.sub(r"^(?:Default Category|Root Catalog)/", "", max(paths, key=lambda path: path.count("/")))
    images = [*(values.get(name, "") for name in ("base_image", "additional_images"))]
    yield _product(
        row.number,
        {
            "id": values.get("sku", ""),
            "title": values.get("name", ""),
            "category": path.replace("/", " > "),
            "image_link": ", ".join(
                each.strip().lstrip("/") for text in images for each in text.split(",") if each
            ),
            "price": cheapest.get("price", ""),
            "sale_price": cheapest.get("special_price", ""),
            "sale_price_effective_date": f"{start}/{end}" if start or end else "",
            "availability": _any_in_stock([each.get("is_in_stock", "").strip() for each in variants]),
            "brand": values.get("manufacturer", ""),
            "description": values.get("description", "") or values.get("short_description", ""),
        },
        dict(re.findall(r"([^=,]+)=([^=]*)(?:,|$)", values.get("additional_attributes", ""))),
    )


_TRANSLATED: dict[str, Callable[[Iterable[FeedRow | UnreadableRow]], Rows]] = {
    "magento": _magento,
    "shopify": _shopify,
    "woocommerce": _woocommerce,
}


def _product(number: int, fields: Texts, options: Texts) -> FeedRow:
    """Return a row. Options never replace a field."""
    named = {name.strip().lower().replace(" ", "_"): text for name, text in options.items()}
    return FeedRow(number, {**named, **fields})


def _first(rows: Sequence[Texts], *names: str) -> str:
    found = (row.get(name, "").strip() for name in names for row in rows)
    return next(filter(None, found), "")


def _path_of(text: str) -> str:
    return "" if text.casefold() == "uncategorized" else text


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(each for text in texts if (each := text.strip())))


def _amount(text: str) -> float:
    """Return a number for comparisons. Texts that are no amounts come last."""
    try:
        return float(canonical_price(text, "EUR").split()[0])
    except UnusablePriceError:
        return float("inf")


def _any_in_stock(availabilities: Sequence[str]) -> str:
    """Return the availability of a product: the best one of its variants."""
    known = [each for each in availabilities if each]
    for best in ("in_stock", "1", "backorder"):
        if best in known:
            return best
    return known[0] if known else ""


@lru_cache(4)
def taxonomy(file: Path = TAXONOMY) -> Mapping[str, str]:
    """Return the paths of Google's product taxonomy by number.

    Args:
        file: lines of number and path, separated by a tab or ` - `; by default the taxonomy in the package.

    Raises:
        FeedError: the file cannot be read, or has no line of this form.
    """
    try:
        content = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise FeedError(f"{file}: cannot be read ({error}). Check --taxonomy.") from error
    found = {match[1]: match[2] for line in lines if (match := _ENTRY.fullmatch(line))}
    if not found:
        raise FeedError(f"{file}: has no line of a number and a path. Check --taxonomy.")
    return found


_ENTRY = re.compile(r"([0-9]+)(?:\t| - )\s*(.*\S)\s*")
