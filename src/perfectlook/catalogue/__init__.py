"""Catalogues: a shop's products as vectors of one model. Open, sync and search them."""

from perfectlook.catalogue.catalogue import Catalogue
from perfectlook.catalogue.check import FeedCheck, check_feed
from perfectlook.catalogue.embedding import EmbedReport, embed
from perfectlook.catalogue.manifest import Record
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import SyncReport

__all__ = [
    "Catalogue",
    "EmbedReport",
    "FeedCheck",
    "Record",
    "Source",
    "SyncReport",
    "check_feed",
    "embed",
    "open_source",
]
