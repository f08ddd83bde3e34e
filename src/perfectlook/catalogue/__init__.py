"""A shop's products as vectors of one model: opened, brought into step with their source, searched."""

from perfectlook.catalogue.catalogue import Catalogue
from perfectlook.catalogue.manifest import Record
from perfectlook.catalogue.picture_cache import Shelf
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import SyncReport

__all__ = ["Catalogue", "Record", "Shelf", "Source", "SyncReport", "open_source"]
