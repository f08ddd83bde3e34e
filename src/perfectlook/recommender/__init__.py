"""From a photo to products, category by category."""

from perfectlook.recommender.answer import Answer, Section, Suggestion
from perfectlook.recommender.explanation import ExplainedProduct, Explanation
from perfectlook.recommender.recommender import Recommender

__all__ = ["Answer", "ExplainedProduct", "Explanation", "Recommender", "Section", "Suggestion"]
