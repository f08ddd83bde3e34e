"""Catalogues: a shop's products as vectors of one model. Open, sync and search them."""

from perfectlook.catalogue.catalogue import Catalogue, SyncReport
from perfectlook.catalogue.embedding import EmbedReport, embed
from perfectlook.catalogue.manifest import Record
from perfectlook.catalogue.sources import Source, open_source

__all__ = ["Catalogue", "EmbedReport", "Record", "Source", "SyncReport", "embed", "open_source"]
