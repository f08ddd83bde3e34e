"""What a server answers, in the words of the recommender: the same JSON, text and sheets come of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from perfectlook import client
from perfectlook.catalogue import Record
from perfectlook.client import Shown
from perfectlook.recommender import (
    AlikeSection,
    Alternative,
    Answer,
    AppliedRule,
    Look,
    Lookalikes,
    Section,
    Slot,
    Suggestion,
)
from perfectlook.recommender.answers import SAID, UnusedRule
from perfectlook.taxonomy import Resolution

Answered = TypeVar("Answered", Answer, Look, Lookalikes)


def section(said: client.Section, url: str) -> Section:
    """Restate the answer in one category; its attention has to have been asked for."""
    assert said.attention is not None
    return Section(
        category=said.category,
        resolution=_resolution(said.category, said.resolved),
        proven_exact=said.proven_exact,
        products=[suggestion(each, url) for each in said.products],
        attention=np.asarray(said.attention.weights, np.float32),
        suggested=said.suggested,
    )


def look(said: client.Look, photo: str, model: str, url: str, alternatives: int) -> Look:
    """Restate a look, with so many alternatives for each slot."""
    slots = [
        Slot(
            category=each.category,
            resolution=_resolution(each.category, each.resolved),
            suggested=each.suggested,
            locked=each.locked,
            product=suggestion(each.product, url),
            alternatives=[
                Alternative(other.objective, suggestion(other, url))
                for other in each.alternatives[:alternatives]
            ],
        )
        for each in said.slots
    ]
    return Look(
        photo=photo,
        model=model,
        slots=slots,
        missing=said.missing,
        weight=said.weight,
        distance=said.distance,
        apart=said.apart,
        objective=said.objective,
        lower_bound=said.lower_bound,
        proven_exact=said.proven_exact,
        price=said.price,
        budget=said.budget,
    )


def alike_section(said: client.AlikeSection, url: str) -> AlikeSection:
    """Restate the look-alikes of one category."""
    return AlikeSection(said.category, said.proven_exact, [suggestion(each, url) for each in said.products])


def suggestion(said: Shown, url: str) -> Suggestion:
    """Restate a product; its picture is an address of the server at the URL."""
    parts = (said.distance_global, said.distance_local) if isinstance(said, client.Suggestion) else (0.0, 0.0)
    rules = tuple(AppliedRule(each.rule, each.action, each.name, each.from_rank) for each in said.rules)
    return Suggestion(said.rank, said.id, said.distance, *parts, _record(said, url), rules)


def unused_rules(said: client.Completed) -> tuple[UnusedRule, ...]:
    """Restate the rules that could not be followed."""
    return tuple(UnusedRule(each.rule, each.action, each.name, each.reason) for each in said.unused_rules)


def itself(said: client.Product, url: str) -> Suggestion:
    """Restate a product of the catalogue, as the nearest to itself."""
    return Suggestion(0, said.id, 0.0, 0.0, 0.0, _record(said, url))


def with_pictures(answer: Answered, place: Callable[[Suggestion], str]) -> Answered:
    """Return an answer whose products have their pictures elsewhere."""

    def moved(product: Suggestion) -> Suggestion:
        return replace(product, record=replace(product.record, picture=place(product)))

    if isinstance(answer, Look):
        slots = [
            replace(
                slot,
                product=moved(slot.product),
                alternatives=[replace(each, product=moved(each.product)) for each in slot.alternatives],
            )
            for slot in answer.slots
        ]
        return replace(answer, slots=slots)
    if isinstance(answer, Answer):
        whole = [replace(each, products=list(map(moved, each.products))) for each in answer.sections]
        return replace(answer, sections=whole)
    alike = [replace(each, products=list(map(moved, each.products))) for each in answer.sections]
    asked = None if answer.product is None else moved(answer.product)
    return replace(answer, sections=alike, product=asked)


def _record(said: Shown | client.Product, url: str) -> Record:
    """What an answer says of a product; hashes and sizes are the server's own business."""
    fields = {name: text for name in SAID if (text := getattr(said, name)) is not None}
    return Record(said.title, f"{url}{said.picture}", 0, 0, "", "", "", fields)


def _resolution(category: str, said: client.Resolved) -> Resolution:
    return Resolution(category, said.category, said.how)
