"""A shop's products as vectors of one model: opened, brought into step with their source, searched."""

from perfectlook.catalogue.catalogue import Catalogue
from perfectlook.catalogue.records import Record
from perfectlook.catalogue.sources import Source, open_source
from perfectlook.catalogue.sync import SyncReport

__all__ = ["Catalogue", "Record", "Source", "SyncReport", "open_source"]
