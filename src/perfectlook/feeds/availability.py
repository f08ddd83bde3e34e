"""The availability of products, in the words of many shops."""

import re
import unicodedata
from functools import lru_cache

_SPELLINGS = {
    "in_stock": "instock available availablefororder limitedavailability limitedstock lowstock onlineonly "
    "instoreonly yes true y ja oui si auflager lieferbar sofortlieferbar vorratig verfugbar enstock "
    "disponible disponibile opvoorraad leverbaar ilager palager dostepny wmagazynie skladem",
    "out_of_stock": "outofstock oos soldout unavailable notavailable notinstock nostock discontinued no "
    "false n nein non nichtauflager nichtlieferbar nichtverfugbar nichtvorratig ausverkauft rupturedestock "
    "horsstock indisponible epuise agotado sinstock nodisponible esaurito nondisponibile uitverkocht "
    "nietopvoorraad slutsald slutilager udsolgt utsolgt niedostepny brak vyprodano",
    "preorder": "preorder presale preorderonly vorbestellbar precommande reserva preordine",
    "backorder": "backorder backordered onbackorder availableonbackorder madetoorder nachbestellt",
}
_BY_SPELLING = {each: word for word, spellings in _SPELLINGS.items() for each in spellings.split()}
WORDS = tuple(_SPELLINGS)
"""What an availability can be."""
UNKNOWN = "unknown"
"""The availability of a product whose feed has a value that is not understood."""
_QUANTITY = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_COUNTED = re.compile(r"(?:([0-9]+)\s+)?([^0-9(]+?)(?:[\s:(]+([0-9]+)\)?)?")
"""A word with or without a quantity: "12 in stock", "In stock (3)"."""


@lru_cache(1024)
def canonical_availability(text: str) -> str:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; ValueError for any other text.

    Case, accents, spaces and hyphens do not matter. The form of schema.org, `https://schema.org/InStock`, and
    quantities are accepted: 0 and less are out of stock.
    """
    said = text.strip()
    if _QUANTITY.fullmatch(said):
        return "in_stock" if float(said.replace(",", ".")) > 0 else "out_of_stock"
    if "schema.org" in said.casefold():
        said = re.split("[/#:]", said.rstrip("/"))[-1]
    found = _COUNTED.fullmatch(said)
    word = "".join(filter(str.isalpha, unicodedata.normalize("NFKD", found[2].casefold()))) if found else ""
    if found is None or word not in _BY_SPELLING:
        raise ValueError(f"unknown availability {text[:40]!r}. Choose one of: {', '.join(WORDS)}.")
    is_none = _BY_SPELLING[word] == "in_stock" and (found[1] or found[3] or "1").strip("0") == ""
    return "out_of_stock" if is_none else _BY_SPELLING[word]
