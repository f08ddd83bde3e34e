"""The availability of products, in the words of many shops."""

import re
import unicodedata
from functools import lru_cache

from perfectlook.feeds.rows import WORDS as OF_SHOPS


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, unicodedata.normalize("NFKD", text.casefold())))


_BY_SPELLING = {
    _letters(each): word for word, spellings in OF_SHOPS["availability"].items() for each in spellings.split()
}
WORDS = tuple(OF_SHOPS["availability"])
"""What an availability can be."""
UNKNOWN = "unknown"
"""The availability of a product whose feed has a value that is not understood."""

_BETWEEN = re.compile(r"[;|()\[\]!]|,(?![0-9])|(?<![0-9]),|(?<=[a-z]{3})\. | [-–—] ")
"""What separates the parts of a text: "In stock, 3 left"."""
_QUANTITY = re.compile(
    r"(?<![\w.,])([<>≥≤~]?) ?([-−+]?)([0-9]{1,3}(?:[ .,'][0-9]{3})+(?![0-9])|[0-9]+(?:[.,][0-9]+)?)\+?(?!\w)"
)
_LABEL = re.compile(r"(?:stock|(?:lager)?bestand|qty|quanti\w+|menge|cantidad|aantal|voorraad)?")
_AROUND, _MORE, _NOT = (
    re.compile(rf"\b(?:{'|'.join(OF_SHOPS['phrases'][name])})\b") for name in ("around", "more", "not")
)
_TIME = re.compile(
    r"(?:\b(?:in|within|innerhalb(?: von)?|binnen|sous|dans|en|entro|tra|ca)\b[. ]*)*"
    r"[0-9]+(?: ?(?:-|–|bis|to|a|ou|o|tot|of) ?[0-9]+)? ?(?:business |working )?(?:"
    r"(h|hours?|days?|stunden?|(?:werk|arbeits)?tag(?:en?)?|heures?|jours?(?: ouvr\w+)?|horas?"
    r"|dias?(?: \w+es)?|ore|giorn[io](?: \w+vi)?|uur|(?:werk)?dag(?:en)?)|weeks?|wochen?|semaines?"
    r"|semanas?|settiman[ae]|weken|months?|monate?n?|mois|mes(?:es)?|mes[ei]|maand(?:en)?)\b"
)
_DELIVERABLE = frozenset({"available", "lieferbar", "verfugbar", "disponible", "disponibile", "leverbaar"})


@lru_cache(1024)
def canonical_availability(text: str) -> str:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; ValueError for any other text.

    Case, accents, spaces and hyphens do not matter. The form of schema.org, `https://schema.org/InStock`,
    quantities and texts of several parts, such as "In stock, 3 left", are accepted. 0 and less are out of
    stock. Parts that contradict each other are not.
    """
    letters = unicodedata.normalize("NFKD", text.casefold().replace("_", " ").replace("’", "'"))
    said = " ".join("".join(each for each in letters if not unicodedata.combining(each)).split())
    if re.match(r"https?:|(?:www\.)?schema(?:\.org)?[/:#]", said):
        said = re.split("[/#:]", said.rstrip("/"))[-1]
    found = {_meaning(part.strip(" .:")) for part in _BETWEEN.split(said) if part.strip(" .:")}
    words = found.intersection(WORDS)
    if "none" in found and words <= {"in_stock", "out_of_stock"}:
        words = {"out_of_stock"}
    elif "some" in found and not words:
        words = {"in_stock"}
    if len(words) != 1 or UNKNOWN in found:
        raise ValueError(f"unknown availability {text[:40]!r}. Choose one of: {', '.join(WORDS)}.")
    return words.pop()


def _meaning(part: str) -> str:
    """Return one of `WORDS`, `some` or `none` for a quantity, "" for a time of delivery, or `UNKNOWN`."""
    part = _MORE.sub(">", part)
    if known := _BY_SPELLING.get(_letters(part)) if not re.search("[0-9]", part) else None:
        return known
    rest, times = _TIME.subn(" ", part)
    is_late = any(not each[1] for each in _TIME.finditer(part))
    rest, quantities = _QUANTITY.subn(" ", rest)
    counted = _QUANTITY.search(part)
    rest, denials = _NOT.subn(" ", rest)
    word = _letters(_AROUND.sub(" ", rest))
    meant = _BY_SPELLING.get(word, UNKNOWN)
    if quantities + times > 1 or re.search("[0-9]", rest):
        return UNKNOWN
    if denials:
        return "out_of_stock" if meant == "in_stock" or (word and _LABEL.fullmatch(word)) else UNKNOWN
    if times:
        after = "backorder" if is_late else "in_stock"
        return after if word in _DELIVERABLE else "" if meant == UNKNOWN else UNKNOWN
    if counted:
        sign, minus, number = counted.groups()
        is_zero = not number.strip("0., '") and sign != ">"
        is_none = minus in ("-", "−") or is_zero or (sign == "<" and number == "1")
        is_label = _LABEL.fullmatch(word)
        if is_label or meant == "in_stock":
            return "none" if is_none else "some" if is_label else meant
    return meant
