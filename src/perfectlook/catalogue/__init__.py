"""A shop's products as vectors of one model: opened, brought into step with their source, searched."""

from perfectlook.catalogue.catalogue import Catalogue
from perfectlook.catalogue.opening import open_source
from perfectlook.catalogue.records import Record
from perfectlook.catalogue.report import SyncReport
from perfectlook.catalogue.shelf import Shelf
from perfectlook.catalogue.sources import Source

__all__ = ["Catalogue", "Record", "Shelf", "Source", "SyncReport", "open_source"]
