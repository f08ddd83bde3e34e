"""A scene that a server offers to try."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample's name, which `complete(sample=...)` takes, its title and the address of its picture."""

    name: str
    title: str
    picture: str
