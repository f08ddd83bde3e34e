"""From a photo to products, category by category."""

from perfectlook.recommender.answer import Answer, Section, Suggestion
from perfectlook.recommender.recommender import Recommender

__all__ = ["Answer", "Recommender", "Section", "Suggestion"]
