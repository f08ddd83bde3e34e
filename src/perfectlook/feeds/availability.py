"""The availability of products, in the words of many shops."""

import re
import unicodedata
from functools import lru_cache

_SPELLINGS = {
    "in_stock": "instock available availablefororder limitedavailability limitedstock lowstock onlineonly "
    "instoreonly yes true y ja oui si auflager lagernd lieferbar sofortlieferbar sofortverfugbar vorratig "
    "verfugbar enstock disponible disponibles disponibile disponibili enexistencias hayexistencias emestoque "
    "emstock disponivel opvoorraad leverbaar beschikbaar ilager finnsilager palager "
    "dostepny wmagazynie skladem raktaron stoktavar stokta вналичии естьвналичии внаявності 在庫あり 有货",
    "out_of_stock": "outofstock oos soldout unavailable notavailable notinstock nostock nolongeravailable "
    "reserved discontinued no false n nein non nichtauflager nichtlieferbar nichtverfugbar nichtvorratig "
    "ausverkauft vergriffen rupturedestock enrupture enrupturedestock horsstock indisponible epuise agotado "
    "agotada sinstock sinexistencias fueradestock nodisponible esaurito esaurita nondisponibile esgotado "
    "semestoque foradeestoque indisponivel uitverkocht nietopvoorraad slutsald slutilager udsolgt "
    "ikkepalager utsolgt niedostepny brak vyprodano neniskladem "
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

_BETWEEN = re.compile(r"[;|()\[\]!]|,(?![0-9])|(?<![0-9]),|(?<=[a-z]{3})\. | [-–—] ")
"""What separates the parts of a text: "In stock, 3 left"."""
_QUANTITY = re.compile(
    r"(?<![\w.,])([<>≥≤~]?) ?([-−+]?)([0-9]{1,3}(?:[ .,'][0-9]{3})+(?![0-9])|[0-9]+(?:[.,][0-9]+)?)\+?(?!\w)"
)
_LABEL = re.compile(r"(?:stock|(?:lager)?bestand|qty|quanti\w+|menge|cantidad|aantal|voorraad)?")
_AROUND = re.compile(
    r"\b(?:only|just|still|yet|currently|temporarily|left|remaining|units?|pcs|pieces?|items?|nur|noch"
    r"|derzeit|aktuell|momentan|zurzeit|voruber?gehend|stuck|stk|artikel|mehr als|more than|plus (?:que|de)"
    r"|seulement|il (?:en |ne )?reste(?: plus)?(?: que)?|encore|actuellement|unites?|articles?|exemplaires?"
    r"|solo|quedan?|todavia|aun|actualmente|unidad(?:es)?|articulos?|mas de|soltanto|ancora|ultim[io]"
    r"|attualmente|unita|pezz[io]|articol[io]|piu di|nog|maar|slechts|momenteel|tijdelijk|stuks?|meer dan)\b"
)
"""Words around a quantity or a word that do not change what it means."""
_NOT = re.compile(
    r"\b(?:not|no longer|nicht mehr|nicht|n'est (?:plus|pas)|pas|plus(?! (?:que|de)\b)|ya no|no|non e|non piu"
    r"|non|niet meer|niet)\b"
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
        is_none = minus in ("-", "−") or not number.strip("0., '") or (sign == "<" and number == "1")
        is_label = _LABEL.fullmatch(word)
        if is_label or meant == "in_stock":
            return "none" if is_none else "some" if is_label else meant
    return meant
