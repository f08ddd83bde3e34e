"""Recommend products for a photo, compose a look, and find products similar to a product."""

from perfectlook.recommender.look import Budget
from perfectlook.recommender.question import EmbeddedPhoto
from perfectlook.recommender.recommender import Recommender
from perfectlook.recommender.rules import Rules
from perfectlook.recommender.slots import SlotTable

__all__ = ["Budget", "EmbeddedPhoto", "Recommender", "Rules", "SlotTable"]
