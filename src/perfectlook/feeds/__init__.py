"""Feeds of products: CSV, TSV, JSON lines, Parquet, and TSV and XML of Google Merchant Center."""

from perfectlook.feeds.feed import Feed, FeedOptions
from perfectlook.feeds.fields import KEPT, FeedProblem
from perfectlook.feeds.pictures import PictureCache
from perfectlook.feeds.readers import FORMATS

__all__ = ["FORMATS", "KEPT", "Feed", "FeedOptions", "FeedProblem", "PictureCache"]
