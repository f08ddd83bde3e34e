"""The columns of a feed: their names in the spellings and languages of shops, and the fields they become."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from perfectlook.errors import FeedError, UsageError
from perfectlook.prices import SALE_DATES

CATEGORY_FIELDS = ("category", "google_product_category", "product_type")
FIELDS = (
    *("id", "title", *CATEGORY_FIELDS, "image_link", "price", "sale_price"),
    *(SALE_DATES, "availability", "brand", "gender", "item_group_id", "link"),
)
"""The fields with a defined meaning. Any other column becomes a field with its own name."""

_IN_OTHER_LANGUAGES = """
id: identifiant; title: titel titre titulo titolo produktname produktbezeichnung artikelname
name: nom nombre nome naam; description: beschreibung descripcion descrizione omschrijving beskrivning
link: lien enlace produktlink lienduproduit; image_link: bildlink lienimage liendelimage enlaceimagen
image_link: enlacedeimagen linkimmagine afbeeldingslink bildlank; image: bild imagen immagine afbeelding
additional_image_link: zusatzlicherbildlink weitererbildlink liensimagessupplementaires additionalimagelinks
price: preis prix precio prezzo prijs preco pris cena
regular_price: regularerpreis tarifregulier precionormal
sale_price: sonderangebotspreis angebotspreis sonderpreis aktionspreis prixsolde prixpromo tarifpromo
sale_price: preciodeoferta preciorebajado prezzoscontato aanbiedingsprijs
sale_price_effective_date: gultigkeitsdatumfursonderangebotspreis zeitraumfursonderangebotspreis
availability: verfugbarkeit disponibilite disponibilidad disponibilita beschikbaarheid disponibilidade
in_stock?: vorratig enstock hayexistencias; stock: lagerbestand bestand lagermenge existencias
brand: marke marque marca merk; category: kategorie categorie categoria
categories: kategorien categorias categories
google_product_category: googleproduktkategorie categoriedeproduitsgoogle categoriadeproductosdegoogle
product_type: producttypes produkttyp typedeproduit tipodeproducto
item_group_id: artikelgruppenid identifiantdegroupe
gender: geschlecht; color: farbe couleur colore; images: bilder imagenes images; type: typ
sku: artikelnummer artikelnr ugs; published: veroffentlicht publie publicado; parent: ubergeordnetesprodukt
tags: schlagworter etiquettes; short_description: kurzbeschreibung
date_sale_price_starts: datumandemangebotspreisbeginnt datededebutdepromo
date_sale_price_ends: datumandemangebotspreisendet datedefindepromo
visibility_in_catalog: sichtbarkeitimkatalog
name: name; price: pricetaxincl pricetaxincluded pricegross prixttc; image: covermediaurl imageurlsxyz
brand: manufacturername hersteller fabricant
"""
"""Columns of exports in other languages, and of PrestaShop and Shopware, as letters without accents."""
IMAGES = ("image_link", "image", "image_url", "picture", "images", "image_src")
_ALIASES = {
    "id": ("sku", "product_id", "item_id"),
    "title": ("name", "product_name"),
    "image_link": IMAGES[1:],
    "link": ("url", "product_url"),
    "price": ("regular_price",),
    "sale_price": ("special_price", "discount_price"),
    "availability": ("in_stock?", "in_stock", "is_in_stock", "stock_status", "stock", "quantity", "qty"),
}
"""Other names for a field, used if a row lacks the field itself."""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", name.casefold())))


_BY_LETTERS = {
    **{_letters(name): name for name in (*FIELDS, "additional_image_link")},
    **{
        other: name
        for entry in _IN_OTHER_LANGUAGES.replace("\n", ";").split(";")
        if entry
        for name, others in [entry.strip().split(": ")]
        for other in others.split()
    },
}


@lru_cache(4096)
def column_name(name: str) -> str:
    """Return a name in normal form: `g:Image Link`, `imageLink` and `Bildlink` are `image_link`."""
    plain = name.strip().lower().removeprefix("g:").strip().replace(" ", "_")
    return _BY_LETTERS.get(_letters(plain), plain)


def field_names(values: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of one product under their names in feeds, trimmed and without empty ones.

    `Sale Price` is `sale_price`, and a `quantity` is also the availability if there is no other.
    """
    known = sorted(values.items(), key=lambda each: column_name(each[0]) == each[0])  # exact names win
    texts = {column_name(name): trimmed for name, text in known if (trimmed := text.strip())}
    return _with_aliases(texts, {field: _ALIASES[field] for field in ("price", "sale_price", "availability")})


def _with_aliases(texts: dict[str, str], aliases: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Fill fields from other names, in place. A quantity also stays a field of its own."""
    for field, names in aliases.items():
        if field not in texts and (present := [name for name in names if name in texts]):
            texts[field] = texts[present[0]] if field == "availability" else texts.pop(present[0])
    return texts


class Columns:
    """Renames columns to fields: those given with `--field`, and a few common names.

    Attributes:
        id: the column with the ids.
        availability: the column with the availabilities.
        images: the columns that may contain the picture. The first one that is not empty is used.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        """Take the column names by field. UsageError for an unknown field."""
        for field in named:
            if field not in FIELDS:
                raise UsageError(f"--field {field}=...: unknown field. Choose one of: {', '.join(FIELDS)}.")
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
