"""Say what a product shares with a photo or with another product, in a sentence that is true of both.

A colour is shared if both pictures have a swatch of its name, the two are near each other, and people would
agree on the name (`Swatch.is_certain`). `research/reasons.py` measures how often this is right. Materials
cannot be seen, so they are taken from the records of two products.
"""

import functools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perfectlook import colours
from perfectlook.answers import Reason
from perfectlook.colours import Swatch

LARGE, SEEN, NEAR = 0.10, 0.02, 14.0
"""The least share of a shared colour in a product and in a photo, and its greatest distance (ΔE, CIELAB)."""
WHITE, WHITE_SEEN = 0.3, 0.05
"""The same shares of white, which is in most photos."""
MOST = 2
"""The largest number of colours, and of materials, in a sentence."""


class Reasons:
    """Finds what products share with one photo or one product."""

    def __init__(
        self,
        found: Sequence[Swatch] = (),
        *,
        record: Mapping[str, Any] | None = None,
        locale: str = "en",
    ) -> None:
        """Use the swatches of a photo, or the record of a product.

        Args:
            found: the photo's swatches.
            record: the product's record.
            locale: the language of the sentence, such as "de" or "de-AT". Unknown languages get English.
        """
        self._is_product = record is not None
        self._materials = set() if record is None else materials_of(record)
        self._swatches = nameable(found) if record is None else _of_record(record)
        language = re.split("[-_]", locale.lower())[0]
        self._language = language if language in _words() and language != "materials" else "en"

    def of(self, record: Mapping[str, Any]) -> Reason | None:
        """Return what the product of a record shares; None if nothing is certain."""
        own = _of_record(record)
        shared = [each.name for each in own if any(_same(each, other) for other in self._swatches)][:MOST]
        both = sorted(materials_of(record) & self._materials)[:MOST] if self._materials else []
        if not shared and not both:
            return None
        names = [colours.palette()[name][self._language] for name in shared]
        names += [_words()["materials"][name][self._language] for name in both]
        words = _words()[self._language]
        listed = f" {words['and']} ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        text = words["product" if self._is_product else "photo"].format(names=listed)
        return Reason(text=text, colours=shared, materials=both)


def nameable(found: Sequence[Swatch], *, product: bool = False) -> list[Swatch]:
    """Return the swatches of a photo, or of a product, that a reason may name."""
    least, white = (LARGE, WHITE) if product else (SEEN, WHITE_SEEN)
    return [
        each
        for each in found
        if (each.share >= white if each.name == "white" else each.share >= least and each.is_certain)
    ]


def _of_record(record: Mapping[str, Any]) -> list[Swatch]:
    return nameable(colours.read(str(record.get("colours", ""))), product=True)


def materials_of(record: Mapping[str, Any]) -> set[str]:
    """Return the materials that the record of a product names, in English or German, without imitations."""
    field = str(record["fields"].get("material", ""))
    title = str(record["title"] or "")
    return {
        name
        for name, (pattern, is_ambiguous) in _patterns().items()
        if pattern.search(field) or (not is_ambiguous and pattern.search(title))
    }


def _same(one: Swatch, other: Swatch) -> bool:
    return one.name == other.name and math.dist(one.lab, other.lab) <= NEAR


@functools.cache
def _words() -> dict[str, Any]:
    path = Path(__file__).with_name("reasons.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


_IMITATION = r"(?<!faux )(?<!vegan )(?<!imitation )\b(?:{})\b(?![- ](?:look|effect|style|optik|imitat))"


@functools.cache
def _patterns() -> dict[str, tuple[re.Pattern[str], bool]]:
    return {
        name: (
            re.compile(
                _IMITATION.format("|".join([about["en"], about["de"], *about.get("words", [])])),
                re.IGNORECASE,
            ),
            about.get("field", False),
        )
        for name, about in _words()["materials"].items()
    }
