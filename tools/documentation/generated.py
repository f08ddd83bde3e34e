"""The pages that nobody writes: what makes each, by its place in the documentation's folder."""

from collections.abc import Callable

from documentation.calls import calls_page
from documentation.cards import showroom_credits
from documentation.commands import commands_page
from documentation.networks import backbones_page
from documentation.options import settings_page

GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/calls.md": calls_page,
    "reference/settings.md": settings_page,
    "reference/backbones.md": backbones_page,
    "reference/showroom-credits.md": showroom_credits,
}
