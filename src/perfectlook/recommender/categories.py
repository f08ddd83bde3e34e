"""Which of a catalogue's categories a question is about."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from perfectlook.errors import UsageError
from perfectlook.taxonomy import matching, split_path

_NAMED = 5
_LIKE = 0.6


def choose_categories(counts: Mapping[str, int], wanted: Iterable[str] | None) -> list[str]:
    """Return the categories to answer for: all, largest first, or those that the wanted names match.

    A name is a whole path, the top of a subtree, or one level by itself. What one name matches comes largest
    first.

    Raises:
        UsageError: a name matches nothing; the message lists the nearest categories.
    """
    by_size = sorted(counts, key=lambda category: (-counts[category], category))
    if wanted is None:
        return by_size
    chosen: dict[str, None] = {}
    for name in wanted:
        found = matching(by_size, name)
        if not found:
            raise UsageError(f"no category of the catalogue matches '{name}'; {_nearest(name, by_size)}")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def by_probability(
    categories: Iterable[str], suggested: Mapping[str, float], resolved: Mapping[str, str | None]
) -> dict[str, float | None]:
    """Order a catalogue's categories by how likely they are to complete a scene.

    Args:
        categories: largest first: equal ones, and at the end those that nothing is known of, stay so.
        suggested: probability of each category of the model.
        resolved: the category of the model that stands in for each of the catalogue's.

    Returns:
        Category to its probability, likeliest first.
    """
    found = {name: suggested.get(resolved[name] or "") for name in categories}
    return dict(sorted(found.items(), key=lambda item: -1.0 if item[1] is None else item[1], reverse=True))


def _nearest(name: str, by_size: list[str]) -> str:
    """What to say of the categories that a name may have been meant for."""
    if not by_size:
        return "the catalogue is empty: run `perfectlook catalogue sync`"
    likeness = {category: _likeness(name, category) for category in by_size}
    near = sorted((c for c in by_size if likeness[c] >= _LIKE), key=lambda c: -likeness[c])[:_NAMED]
    if near:
        return f"did you mean {'; '.join(near)}?"
    more = "; ..." if len(by_size) > _NAMED else ""
    return f"it has {'; '.join(by_size[:_NAMED])}{more}"


def _likeness(name: str, category: str) -> float:
    """How much the last level asked for is like the most similar level of a category, 0 to 1."""
    asked = (split_path(name) or ("",))[-1].casefold()
    levels = [level.casefold() for level in split_path(category)]
    return max((SequenceMatcher(None, asked, level).ratio() for level in levels), default=0.0)
