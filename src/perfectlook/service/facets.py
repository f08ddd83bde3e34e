"""The values of fields to filter by, counted over the whole catalogue."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from perfectlook.catalogue import Catalogue
from perfectlook.server_answers import CatalogueFacets, Facet, FacetValue
from perfectlook.service.workers import Workers

FIELDS = ("availability", "brand", "color", "material")
KEEP_SECONDS = 300.0
SHARE = 20.0
"""Counting takes at most one part in this many of a thread's time, however often the catalogue changes."""


class FacetCounts:
    """The last counts. They are renewed if the number of products has changed, or after five minutes."""

    def __init__(self) -> None:
        """Start without counts."""
        self._counting = asyncio.Lock()
        self._kept: _Count | None = None

    async def read(self, catalogue: Catalogue, readers: Workers) -> CatalogueFacets:
        """Return the counts of a catalogue. One request counts, and the others wait for it."""
        async with self._counting:
            self._kept = await readers.run(partial(_counted, catalogue, self._kept))
            return self._kept.answer


class _Count(NamedTuple):
    answer: CatalogueFacets
    categories: Mapping[str, int]
    at: float
    seconds: float


def _counted(catalogue: Catalogue, kept: _Count | None) -> _Count:
    start, categories = time.monotonic(), catalogue.categories()
    if kept and start < kept.at + (KEEP_SECONDS if categories == kept.categories else SHARE * kept.seconds):
        return kept
    found = catalogue.facets(*FIELDS)
    listed = {
        name: [FacetValue(value=value, products=count) for value, count in counts.items()]
        for name, counts in found.items()
    }
    facets = [Facet(field=name, values=values) for name, values in listed.items() if values]
    done = time.monotonic()
    return _Count(CatalogueFacets(facets=facets), categories, done, done - start)
