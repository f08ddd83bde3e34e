"""From products that were ranked to what an answer says of them."""

from dataclasses import replace

from perfectlook.catalogue.records import Record
from perfectlook.recommender.answer import AppliedRule, Suggestion
from perfectlook.recommender.candidates import Ranked
from perfectlook.recommender.ranking import Ranking
from perfectlook.stores import Point


def suggestions(ranking: Ranking) -> list[Suggestion]:
    """The products of a ranking with the rules that moved them."""
    return [_said(ranking, rank, product) for rank, product in enumerate(ranking.products, 1)]


def _said(ranking: Ranking, rank: int, product: Ranked) -> Suggestion:
    said, moved = Suggestion.of(rank, product), ranking.moved(product)
    if not moved:
        return said
    return replace(said, rules=tuple(AppliedRule.of(rule, from_rank) for rule, from_rank in moved))


def itself(product: Point) -> Suggestion:
    """A product as the nearest to itself."""
    return Suggestion(0, product.id, 0.0, 0.0, 0.0, Record.from_payload(product.id, product.payload))
