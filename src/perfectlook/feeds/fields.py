"""Which column of a feed is which field of a product."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.readers import column_name


class FeedProblem(StrEnum):
    """What sort of problem a row has: `Problem.kind` of everything that is reported of feeds."""

    UNREADABLE = "unreadable row"
    UNUSABLE_ID = "unusable id in a feed"
    REPEATED_ID = "repeated id"
    NO_CATEGORY = "row without category"
    NO_PICTURE = "row without picture"
    NOT_FETCHED = "picture not fetched"
    TOO_LONG = "text too long"
    UNUSABLE_FIELD = "unusable field"


KEPT = frozenset({FeedProblem.TOO_LONG, FeedProblem.UNUSABLE_FIELD})
"""What is wrong with rows that become products all the same."""


_MEANT = {
    "in_stock": "instock available availablefororder limitedavailability onlineonly instoreonly",
    "out_of_stock": "outofstock soldout unavailable notavailable discontinued",
    "preorder": "preorder presale",
    "backorder": "backorder backordered",
}
_BY_SPELLING = {spelling: word for word, spellings in _MEANT.items() for spelling in spellings.split()}


@lru_cache(1024)
def canonical_availability(text: str) -> str | None:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; None where the text is none of them.

    Case, spaces and hyphens do not matter, and schema.org's `https://schema.org/InStock` is understood.
    """
    word = text.casefold().rpartition("/")[2]
    return _BY_SPELLING.get("".join(character for character in word if character.isalpha()))


FIELDS = (
    "id",
    "title",
    "category",
    "google_product_category",
    "product_type",
    "image_link",
    "price",
    "sale_price",
    "availability",
    "brand",
    "gender",
    "item_group_id",
    "link",
)
"""The fields that have a meaning here; any other column is kept as a field of its own name."""

CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
_ALIASES = {
    "title": ("name",),
    "image_link": ("image", "image_url", "picture"),
    "link": ("url",),
}
"""Other names for a field, taken where a row has not the field itself."""


class Columns:
    """Renames columns to fields: those that were named, and a few that everybody knows."""

    def __init__(self, named: Mapping[str, str] | None = None) -> None:
        """Take the names of columns by field; UsageError for a field that has no meaning."""
        for field in named or {}:
            if field not in FIELDS:
                raise UsageError(f"--field {field}=...: no such field; choose one of {', '.join(FIELDS)}")
        self._named = {field: column_name(column) for field, column in (named or {}).items()}
        self._aliases = {field: names for field, names in _ALIASES.items() if field not in self._named}

    @property
    def id(self) -> str:
        """The column that holds ids."""
        return self._named.get("id", "id")

    @property
    def images(self) -> tuple[str, ...]:
        """The columns that may hold the picture; the first one that is not empty does."""
        if "image_link" in self._named:
            return (self._named["image_link"],)
        return ("image_link", *_ALIASES["image_link"])

    def renamed(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a row's texts by field, trimmed, without the empty ones."""
        texts = {name: text for name, value in values.items() if (text := value.strip())}
        if self._named:
            named = {field: texts.get(column) for field, column in self._named.items()}
            for name in (*self._named.values(), *self._named):
                texts.pop(name, None)
            texts.update((field, text) for field, text in named.items() if text)
        for field, names in self._aliases.items():
            if field not in texts:
                for name in names:
                    if name in texts:
                        texts[field] = texts.pop(name)
                        break
        return texts

    def check(self, path: Path, present: Collection[str]) -> None:
        """Raise FeedError where a column was named that the feed has not, or one is missing that it needs."""
        has = f"it has {', '.join(list(present)[:30])}"
        for field, column in self._named.items():
            if column not in present:
                raise FeedError(f"{path}: no column '{column}' (--field {field}={column}); {has}")
        fields = self.renamed(dict.fromkeys(present, "?"))
        for needed in (("id",), ("image_link",), CATEGORY_FIELDS):
            if not any(field in fields for field in needed):
                raise FeedError(
                    f"{path}: no column '{needed[0]}'; {has}; name the one that holds it: "
                    f"--field {needed[0]}=COLUMN"
                )
