"""The availability of products, in the words of many shops."""

import re
import unicodedata
from functools import lru_cache

_SPELLINGS = {
    "in_stock": "instock available availablefororder limitedavailability limitedstock lowstock onlineonly "
    "instoreonly yes true y ja oui si left pcs pieces units stuck stk auflager lagernd lieferbar "
    "sofortlieferbar sofortverfugbar vorratig verfugbar enstock disponible disponibile enexistencias "
    "hayexistencias emestoque emstock disponivel opvoorraad leverbaar ilager finnsilager palager "
    "dostepny wmagazynie skladem raktaron stoktavar stokta вналичии естьвналичии внаявності 在庫あり 有货",
    "out_of_stock": "outofstock oos soldout unavailable notavailable currentlyunavailable "
    "temporarilyoutofstock notinstock nostock discontinued no false n nein non nichtauflager "
    "nichtlieferbar nichtverfugbar derzeitnichtverfugbar nichtvorratig ausverkauft vergriffen rupturedestock "
    "horsstock indisponible epuise agotado agotada sinstock sinexistencias fueradestock nodisponible "
    "esaurito nondisponibile esgotado semestoque foradeestoque indisponivel uitverkocht nietopvoorraad "
    "slutsald slutilager udsolgt ikkepalager utsolgt niedostepny brak vyprodano neniskladem "
    "elfogyott nincsraktaron stoktayok tukendi нетвналичии немаєвнаявності 在庫なし 缺货 缺貨 无货",
    "preorder": "preorder presale preorderonly vorbestellbar vorbestellung precommande reserva preordine",
    "backorder": "backorder backordered onbackorder availableonbackorder madetoorder nachbestellt",
}


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, unicodedata.normalize("NFKD", text.casefold())))


_BY_SPELLING = {_letters(each): word for word, spellings in _SPELLINGS.items() for each in spellings.split()}
WORDS = tuple(_SPELLINGS)
"""What an availability can be."""
UNKNOWN = "unknown"
"""The availability of a product whose feed has a value that is not understood."""
_QUANTITY = re.compile(r"(?:[>≥] ?)?([+-]?[0-9]+(?:[.,][0-9]+)?)\+?")
_COUNTED = re.compile(r"(?:([0-9]+)\s+)?([^0-9(]+?)(?:[\s:(]+([0-9]+)\)?)?")
"""A word with or without a quantity: "12 in stock", "In stock (3)"."""


@lru_cache(1024)
def canonical_availability(text: str) -> str:
    """Return `in_stock`, `out_of_stock`, `preorder` or `backorder`; ValueError for any other text.

    Case, accents, spaces and hyphens do not matter. The form of schema.org, `https://schema.org/InStock`, and
    quantities are accepted: 0 and less are out of stock.
    """
    said = text.strip()
    if quantity := _QUANTITY.fullmatch(said):
        return "in_stock" if float(quantity[1].replace(",", ".")) > 0 else "out_of_stock"
    if "schema.org" in said.casefold():
        said = re.split("[/#:]", said.rstrip("/"))[-1]
    found = _COUNTED.fullmatch(said)
    word = _letters(found[2]) if found else ""
    if found is None or word not in _BY_SPELLING:
        raise ValueError(f"unknown availability {text[:40]!r}. Choose one of: {', '.join(WORDS)}.")
    is_none = _BY_SPELLING[word] == "in_stock" and (found[1] or found[3] or "1").strip("0") == ""
    return "out_of_stock" if is_none else _BY_SPELLING[word]
