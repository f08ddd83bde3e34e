"""The columns of a feed: their names in the spellings and languages of shops, and the fields they become."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import starmap

from perfectlook.errors import FeedError, UsageError
from perfectlook.feeds.rows import WORDS
from perfectlook.prices import SALE_DATES, joined_dates

CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
FIELDS = (
    *("id", "title", *CATEGORY_FIELDS, "image_link", "price", "sale_price"),
    *(SALE_DATES, "availability", "brand", "gender", "item_group_id", "link"),
)
"""The fields with a defined meaning. Any other column becomes a field with its own name."""

_ALIASES: dict[str, tuple[str, ...]] = {
    field: tuple(names.split()) for field, names in WORDS["aliases"].items()
}
"""Other names for a field, used if a row lacks the field itself."""
IMAGES = ("image_link", *_ALIASES["image_link"])
LISTED_IMAGES = ("additional_image_link", "lifestyle_image_link", "image")
"""Fields that an item may repeat, with one picture in each."""
_FURTHER = re.compile(f"(?:{'|'.join(LISTED_IMAGES)})_?[0-9]+")
"""Repeated columns, as `additional_image_link_2`."""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", name.casefold())))


_BY_LETTERS = {
    **{_letters(name): name for name in (*FIELDS, "additional_image_link")},
    **{other: name for name, others in WORDS["columns"].items() for other in others.split()},
}


@lru_cache(4096)
def column_name(name: str) -> str:
    """Return a name in normal form: `g:Image Link`, `imageLink` and `Bildlink` are `image_link`."""
    plain = name.strip().lower().removeprefix("g:").strip().replace(" ", "_")
    return _BY_LETTERS.get(_letters(plain)) or _by_words(name) or plain


def _by_words(name: str) -> str:
    """Return the column whose words a name has in any of these languages; "" if it has others."""
    decomposed = unicodedata.normalize("NFKD", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    said = " ".join(re.findall("[a-z]+", "".join(filter(str.isascii, decomposed))))
    return next((column for column, words in _WORDS.items() if words.search(said)), "")


DATES = ("date_sale_price_starts", "date_sale_price_ends")
"""The columns of the first and the last day of a sale."""
_SALE, _OTHER, _FIRST, _LAST, _PERIOD, _VISIBILITY = map("|".join, WORDS["column_words"].values())
_WORDS = {
    **{
        column: re.compile(rf"^(?!.*(?:{_OTHER}))(?=.*(?:{_SALE})).*\b(?:{words})")
        for column, words in ((DATES[0], _FIRST), (DATES[1], _LAST), (SALE_DATES, _PERIOD))
    },
    "visibility_in_catalog": re.compile(_VISIBILITY),
}
"""Words of columns that each shop and each translation names in another way. The first that fits counts."""


def field_names(values: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of one product under their names in feeds, trimmed and without empty ones.

    `Sale Price` is `sale_price`, and a `quantity` is also the availability if there is no other.
    """
    known = sorted(values.items(), key=lambda each: column_name(each[0]) == each[0])  # exact names win
    texts = {column_name(name): trimmed for name, text in known if (trimmed := text.strip())}
    return _with_aliases(texts, {field: _ALIASES[field] for field in ("price", "sale_price", "availability")})


def _with_aliases(texts: dict[str, str], aliases: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Fill fields from other names, in place. A quantity also stays a field of its own.

    The dates of a sale may be in two columns, or in a column of a sale that only their form tells.
    """
    for field, names in aliases.items():
        if field not in texts and (present := [name for name in names if name in texts]):
            texts[field] = texts[present[0]] if field == "availability" else texts.pop(present[0])
    if "sale_price" in texts and SALE_DATES not in texts:
        first, last = (texts.pop(name, "") for name in DATES)
        dates = joined_dates(first, last) or next(filter(None, starmap(_dates_of_a_sale, texts.items())), "")
        texts.update({SALE_DATES: dates} if dates else {})
    return texts


def _dates_of_a_sale(name: str, text: str) -> str:
    return text if _TWO_DATES.match(text) and re.search(f"{_SALE}|pri[cxs]|pre[ic][sz]|prij", name) else ""


_TWO_DATES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\S*\s*/\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\S*$")


class Columns:
    """Renames columns to fields: those given with `--field`, and a few common names.

    Attributes:
        id: the column with the ids.
        availability: the column with the availabilities.
        images: the columns that may contain the picture. The first one that is not empty is used.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        """Take the column names by field. UsageError for an unknown field."""
        known = (*FIELDS, *LISTED_IMAGES[:2])
        for field in named:
            if field not in known:
                raise UsageError(f"--field {field}=...: unknown field. Choose one of: {', '.join(known)}.")
        self._given = dict(named)
        self._named = {field: column_name(column) for field, column in named.items()}
        self._aliases = {field: names for field, names in _ALIASES.items() if field not in named}
        self.id = self._named.get("id", "id")
        self.availability = self._named.get("availability", "availability")
        self.images = (self._named.get("image_link", "image_link"), *self._aliases.get("image_link", ()))

    def settle(self, present: Collection[str]) -> None:
        """Choose the columns of ids and availabilities among those of the first row."""
        for field in ("id", "availability"):
            names = (getattr(self, field), *self._aliases.get(field, ()))
            setattr(self, field, next(filter(present.__contains__, names), names[0]))

    def renamed(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the texts of a row by field, trimmed and without empty ones.

        A quantity that is used as availability also stays a field of its own.
        """
        texts = {name: text for name, value in values.items() if (text := value.strip())}
        for name in [n for n in texts if _FURTHER.fullmatch(n) and n not in self._named.values()]:
            listed = name.rstrip("_0123456789")
            target = listed if listed != "image" else LISTED_IMAGES[0]
            texts[target] = ", ".join(filter(None, (texts.get(target), texts.pop(name))))
        if self._named:
            named = {field: texts.get(column) for field, column in self._named.items()}
            for name in (*self._named.values(), *self._named):
                texts.pop(name, None)
            texts.update((field, text) for field, text in named.items() if text)
        return _with_aliases(texts, self._aliases)

    def check(self, feed: str, present: Mapping[str, str]) -> None:
        """Raise FeedError if a column of `--field` or a required column is missing.

        Args:
            feed: the name of the feed.
            present: what the feed calls its columns, by their name.
        """
        has = f"it has {', '.join(present.values())}"
        for field, column in self._given.items():
            if self._named[field] not in present:
                raise FeedError(f"{feed}: no column '{column}' ({has}). Correct --field {field}={column}.")
        fields = self.renamed(dict.fromkeys(present, "?"))
        for needed in (("id",), ("image_link",), CATEGORY_FIELDS):
            if not any(field in fields for field in needed):
                raise FeedError(
                    f"{feed}: no column '{needed[0]}' ({has}). "
                    f"Name the column with --field {needed[0]}=COLUMN."
                )
