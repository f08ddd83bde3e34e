"""The exports of Shopify, WooCommerce and Magento as rows of products, and Google's taxonomy."""

import lzma
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from perfectlook.errors import FeedError
from perfectlook.feeds.availability import canonical_availability
from perfectlook.feeds.columns import DATES, column_name
from perfectlook.feeds.rows import WORDS, FeedRow, Rows, UnreadableRow
from perfectlook.feeds.variants import offer_of
from perfectlook.prices import SALE_DATES, UnusablePriceError, canonical_price, joined_dates

PLATFORMS = ("auto", "google", "magento", "shopify", "woocommerce")
"""What `--format` accepts besides the formats of files."""
TAXONOMY = Path(__file__).parent / "google-product-taxonomy.tsv.xz"
"""Google's public product taxonomy, from https://www.google.com/basepages/producttype/."""

Texts: TypeAlias = Mapping[str, str]
_AnyRows: TypeAlias = Iterable[FeedRow | UnreadableRow]


def platform_of(columns: Collection[str]) -> str:
    """Return the platform whose export has these columns: shopify, woocommerce, magento; google otherwise."""
    if "url_handle" in columns or ("handle" in columns and any(n.startswith("variant_") for n in columns)):
        return "shopify"
    if {"sku", "attribute_set_code", "product_type"} <= set(columns):
        return "magento"
    is_woo = not {"regular_price", "visibility_in_catalog"}.isdisjoint(columns)
    return "woocommerce" if is_woo and {"name", "images"} <= set(columns) else "google"


def products_of(
    rows: Rows,
    platform: str | None,
    feed: str,
    currency: str | None = None,
    not_shown: Counter[str] | None = None,
) -> tuple[Rows, bool]:
    """Return rows of products, and whether they are made from the rows of a platform's export.

    Args:
        rows: the rows of a file.
        platform: one of `PLATFORMS`, or None for the rows as they are.
        feed: the name of the file.
        currency: the currency of prices without one.
        not_shown: counts the products that the platform does not show, by the text that says so.

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
    translated = _TRANSLATED[platform](everything, currency, Counter() if not_shown is None else not_shown)
    return (row._replace(names=called) if isinstance(row, FeedRow) else row for row in translated), True


_COLUMNS: dict[str, dict[str, str]] = WORDS["platforms"]
"""The columns of each platform that become a field."""


def _called(platform: str, names: Mapping[str, str], feed: str) -> dict[str, str]:
    """Return what a file calls the columns of each field. Raises FeedError without a required one."""
    called = {}
    for field, columns in _COLUMNS[platform].items():
        there = [names[name] for name in map(column_name, columns.split(", ")) if name in names]
        called[field] = ", ".join(there)
        if not there and field in ("id", "category", "image_link"):
            raise FeedError(
                f"{feed}: no column '{columns.split(', ')[0]}', which an export of {platform} has (it has "
                f"{', '.join(names.values())}). Name the columns with --field, without --format {platform}."
            )
    return {field: text for field, text in called.items() if text}


def _shopify(rows: _AnyRows, currency: str | None, not_shown: Counter[str]) -> Rows:
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
        group.sort(key=lambda row: not row.values.get("title", "").strip())
        yield from _shopify_product(group, currency, not_shown)


_NO_CATEGORY = re.compile("^uncategorized$", re.IGNORECASE)
_SHOPIFY_OF_2025: dict[str, str] = WORDS["shopify_of_2025"]
"""Columns of Shopify's newer export, and what the older one calls them."""


def _shopify_product(
    group: Sequence[FeedRow], currency: str | None, not_shown: Counter[str]
) -> Iterator[FeedRow]:
    rows = [row.values for row in group]
    status, published = _first(rows, "status"), _first(rows, "published")
    if status.lower() not in ("", "active") or not _is_yes(published):
        not_shown[
            f"published is {published[:40]}" if status.lower() in ("", "active") else status.lower()
        ] += 1
        return
    variants = [row for row in rows if row.get("variant_price", "").strip()]
    offer, problems = offer_of([_shopify_offer(row, currency) for row in variants], currency)
    images = sorted(rows, key=lambda row: _amount(row.get("image_position", "")))
    options = [name for row in rows[:1] for n in "123" if (name := row.get(f"option{n}_name", "").strip())]
    yield _product(
        group[0].number,
        {
            "id": rows[0].get("handle", ""),
            "title": _first(rows, "title"),
            "category": _NO_CATEGORY.sub("", _first(rows, "product_category", "standard_product_type")),
            "product_type": _first(rows, "type", "custom_product_type"),
            "image_link": _joined(
                [row.get("image_src", "") for row in images] + [row.get("variant_image", "") for row in rows]
            ),
            **offer,
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
        problems,
    )


def _shopify_offer(row: Texts, currency: str | None) -> tuple[str, dict[str, str]]:
    """Return the name and the prices of a variant. A higher price "before" makes it a sale price."""
    price, before = row["variant_price"], row.get("variant_compare_at_price", "").strip()
    name = row.get("variant_sku") or " / ".join(filter(None, (row.get(f"option{n}_value") for n in "123")))
    is_reduced = bool(before) and _amount(price, currency) < _amount(before, currency)
    return name, {"price": before, "sale_price": price} if is_reduced else {"price": price}


def _shopify_stock(row: Texts) -> str:
    is_sold = row.get("variant_inventory_policy", "").strip().lower() in ("continue", "true")
    is_sold |= not row.get("variant_inventory_tracker", "shopify").strip()  # its stock is not tracked
    return "in_stock" if is_sold else row.get("variant_inventory_qty", "").strip() or "not exported"


def _woocommerce(rows: _AnyRows, currency: str | None, not_shown: Counter[str]) -> Rows:
    """Make one product of a variable product and its variations. Drafts are left out.

    Variable products are kept in memory, because their variations may be anywhere.
    """
    parents: list[FeedRow] = []
    names: set[str] = set()
    variations: dict[str, list[FeedRow]] = {}
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield row
            continue
        kind, own = row.values.get("type", "").lower(), _woocommerce_names(row.values)
        if "variation" in kind:
            variations.setdefault(row.values.get("parent", "").strip(), []).append(row)
        elif "variable" in kind or not names.isdisjoint(own):  # a repeated product stays behind the first
            parents.append(row)
            names.update(own)
        else:
            yield from _woocommerce_product(row, (), currency, not_shown)
    for row in parents:
        found = [each.values for name in _woocommerce_names(row.values) for each in variations.get(name, ())]
        yield from _woocommerce_product(row, found, currency, not_shown)
    for parent, orphans in variations.items():
        for row in () if parent in names else orphans:
            name = _woocommerce_names(row.values)[0]
            reason = f"the file lacks the product {parent!r} of the variation {name!r}. Export both."
            yield UnreadableRow(row.number, reason, (parent or name).removeprefix("id:"))


def _woocommerce_names(values: Texts) -> list[str]:
    """Return what variations call their product: its SKU, or its ID behind `id:`."""
    sku, number = values.get("sku", "").strip(), values.get("id", "").strip()
    return [sku, f"id:{number}"] if sku else [f"id:{number}"]


def _woocommerce_product(
    row: FeedRow, variants: Sequence[Texts], currency: str | None, not_shown: Counter[str]
) -> Iterator[FeedRow]:
    values = row.values
    if _is_not_shown(values, "published", "visibility_in_catalog", "hidden", not_shown):
        return
    price = "regular_price" if "regular_price" in values else "price"  # its name in Portuguese
    offer, problems = _offer(values, variants, f"published {price} sale_price in_stock?", currency)
    paths = re.split(r"(?<!\\),\s*", values.get("categories", "") or values.get("category", ""))
    images = _joined([values.get("images", ""), *(each.get("images", "") for each in variants)])
    attributes = [n for n in range(1, 10) if values.get(f"attribute_{n}_name", "").strip()]
    yield _product(
        row.number,
        {
            "id": values.get("sku", "").strip() or values.get("id", ""),
            "title": values.get("name", ""),
            "category": max(paths, key=lambda path: path.count(">")).replace("\\,", ","),
            "image_link": images,
            **offer,
            "brand": values.get("brands", ""),
            "description": values.get("description", "") or values.get("short_description", ""),
            "tags": values.get("tags", ""),
        },
        {values[f"attribute_{n}_name"]: values.get(f"attribute_{n}_value(s)", "") for n in attributes},
        problems,
    )


def _magento(rows: _AnyRows, currency: str | None, not_shown: Counter[str]) -> Rows:
    """Make one product of a configurable product and its variants. Invisible products are left out.

    All rows are kept in memory, because the variants of a product may be anywhere.
    """
    by_sku: dict[str, FeedRow] = {}
    for row in rows:
        if isinstance(row, UnreadableRow):
            yield row
        elif not row.values.get("store_view_code", "").strip():  # others are translations
            sku = row.values.get("sku", "").strip()
            if by_sku.setdefault(sku or f"row {row.number}", row) is not row:
                reason = "the SKU occurs twice, and the first row is used. Remove one of the two rows."
                yield UnreadableRow(row.number, reason, sku)
    cells = (cell for row in by_sku.values() for cell in row.values.items())
    day = _day_of(text for name, text in cells if name in DATES or name.endswith(("_date", "_at")))
    for row in by_sku.values():
        yield from _magento_product(row, by_sku, currency, day, not_shown)


def _day_of(texts: Iterable[str]) -> Callable[[str], str]:
    """Return a reader of dates: 4/1/24 is the first of April if another date, as 4/30/24, shows the order."""
    found = [match for text in texts if (match := _SHORT_DATE.fullmatch(text.strip()))]
    if not any(int(each[2]) > 12 for each in found) or any(int(each[1]) > 12 for each in found):
        return str
    return lambda text: _SHORT_DATE.sub(lambda each: f"20{each[3]}-{each[1]:0>2}-{each[2]:0>2}", text)


_SHORT_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/(?:20)?([0-9]{2})(?:, .*)?")


def _magento_product(
    row: FeedRow,
    by_sku: Mapping[str, FeedRow],
    currency: str | None,
    day: Callable[[str], str],
    not_shown: Counter[str],
) -> Iterator[FeedRow]:
    values = row.values
    if _is_not_shown(values, "product_online", "visibility", "not visible individually", not_shown):
        return
    named = re.findall(r"(?:^|\|)sku=([^,|]+)", values.get("configurable_variations", ""))
    missing = [f"variant {sku!r} is not in the file. Export it." for sku in named if sku not in by_sku]
    variants = [by_sku[sku].values for sku in named if sku in by_sku]
    offer, problems = _offer(
        values, variants, "product_online price special_price is_in_stock", currency, day
    )
    paths = re.split(r",(?=\S)", values.get("categories", ""))
    path = re.sub(r"^(?:Default Category|Root Catalog)/", "", max(paths, key=lambda path: path.count("/")))
    yield _product(
        row.number,
        {
            "id": values.get("sku", ""),
            "title": values.get("name", ""),
            "category": path.replace("/", " > "),
            "image_link": ", ".join(
                each.strip().lstrip("/")
                for name in ("base_image", "additional_images")
                for each in values.get(name, "").split(",")
                if each.strip() not in ("", "no_selection")
            ),
            **offer,
            "brand": values.get("manufacturer", ""),
            "description": values.get("description", "") or values.get("short_description", ""),
        },
        {
            name: quoted.replace('""', '"') or text
            for name, quoted, text in _ATTRIBUTE.findall(values.get("additional_attributes", ""))
        },
        (*missing, *problems),
    )


_ATTRIBUTE = re.compile(r'([^=,]+)=(?:"((?:[^"]|"")*)"|([^=]*))(?:,|$)')
"""An attribute of Magento, whose values may be in quotation marks."""
_TRANSLATED: dict[str, Callable[[_AnyRows, str | None, Counter[str]], Rows]] = {
    "magento": _magento,
    "shopify": _shopify,
    "woocommerce": _woocommerce,
}


def _product(number: int, fields: Texts, options: Texts, problems: Sequence[str]) -> FeedRow:
    """Return a row. Options never replace a field."""
    named = {name.strip().lower().replace(" ", "_"): text for name, text in options.items()}
    offer = dict.fromkeys(("price", "sale_price", SALE_DATES), "")  # every row has the same columns
    return FeedRow(number, {**named, **offer, **fields}, problems=tuple(problems))


def _is_yes(text: str) -> bool:
    """Whether a text is a yes, as spreadsheets and translations write it, or empty."""
    plain = text.strip().removesuffix(".0")
    return plain in ("", "1") or (not plain.isdigit() and _meaning(plain) == "in_stock")


def _is_not_shown(values: Texts, online: str, shown: str, hidden: str, not_shown: Counter[str]) -> bool:
    """Whether a platform does not show a product. Count it then, with the text that says so."""
    visibility, published = values.get(shown, "").strip().lower(), values.get(online, "").strip()
    if visibility != hidden and _is_yes(published):
        return False
    not_shown[hidden if visibility == hidden else f"{online} is {published[:40]}"] += 1
    return True


def _offer(
    own: Texts, variants: Sequence[Texts], columns: str, currency: str | None, day: Callable[[str], str] = str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the price and the availability of a product, and what cannot be used about its variants.

    Args:
        own: the product's row. It counts without variants, and without their prices.
        variants: all its variants.
        columns: those that say whether a row is online, its price, sale price and stock.
        currency: the currency of prices without one.
        day: returns a date in normal form.
    """
    online, price, sale, stock = columns.split()
    sold = [each for each in variants if _is_yes(each.get(online, ""))]
    priced = [each for each in sold or variants if each.get(price, "").strip()]
    offers = []
    for each in priced or [own]:
        dates = joined_dates(*(day(each.get(name, "").strip()) for name in DATES))
        fields = {"price": each.get(price, ""), "sale_price": each.get(sale, ""), SALE_DATES: dates}
        offers.append((each.get("sku") or each.get("id", ""), fields))
    offer, problems = offer_of(offers, currency)
    is_gone = _meaning(own.get(stock, "")) == "out_of_stock"
    counted = [own] if is_gone else (priced if sold else ()) or sold or [own]
    best = _any_in_stock(
        [
            next(filter(None, (each.get(n, "").strip() for n in (stock, "stock", "qty"))), "")
            for each in counted
        ]
    )
    return {**offer, "availability": "out_of_stock" if variants and not sold else best}, problems


def _first(rows: Sequence[Texts], *names: str) -> str:
    found = (row.get(name, "").strip() for name in names for row in rows)
    return next(filter(None, found), "")


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(each for text in texts if (each := text.strip())))


def _amount(text: str, currency: str | None = "USD") -> float:
    """Return a number for comparisons. Texts that are no amounts come last."""
    try:
        return float(canonical_price(text, currency).split()[0])
    except UnusablePriceError:
        return float("inf")


def _any_in_stock(availabilities: Sequence[str]) -> str:
    """Return the availability of a product: the best one of its variants. One may be not understood."""
    meant = {_meaning(each): each for each in availabilities if each}
    best = (each for each in ("in_stock", "backorder", "preorder") if each in meant)
    return next(best, None) or meant.get("") or next(iter(meant), "")


def _meaning(availability: str) -> str:
    """Return what an availability means; "" if it is not understood."""
    with suppress(ValueError):
        return canonical_availability(availability)
    return ""


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
