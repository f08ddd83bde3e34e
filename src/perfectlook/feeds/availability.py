"""Availability: whatever shops write, as one of four words."""

from functools import lru_cache

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
