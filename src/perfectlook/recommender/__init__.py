"""From a photo to products, category by category; to a whole look; from a product to others like it."""

from perfectlook.recommender.answer import Answer, AppliedRule, Section, Suggestion, UnusedRule
from perfectlook.recommender.budget import Budget
from perfectlook.recommender.explanation import ExplainedProduct, Explanation
from perfectlook.recommender.look import Alternative, Look, Slot
from perfectlook.recommender.lookalikes import AlikeSection, Lookalikes
from perfectlook.recommender.recommender import Recommender
from perfectlook.recommender.rules import Rules
from perfectlook.recommender.seen import Seen

__all__ = [
    "AlikeSection",
    "Alternative",
    "Answer",
    "AppliedRule",
    "Budget",
    "ExplainedProduct",
    "Explanation",
    "Look",
    "Lookalikes",
    "Recommender",
    "Rules",
    "Section",
    "Seen",
    "Slot",
    "Suggestion",
    "UnusedRule",
]
