"""From a photo to products, category by category; to a whole look; from a product to others like it."""

from perfectlook.recommender.look import Budget
from perfectlook.recommender.recommender import EmbeddedPhoto, Recommender
from perfectlook.recommender.rules import Rules

__all__ = ["Budget", "EmbeddedPhoto", "Recommender", "Rules"]
