"""The public sets that can be fetched. A further one is a file beside these and a line here."""

from perfectlook.errors import UsageError
from perfectlook.origins.ccp import CCP_LOOKS
from perfectlook.origins.ikea import IKEA_ROOMS
from perfectlook.origins.source import Source
from perfectlook.origins.stl import STL_FASHION, STL_HOME

SOURCES: dict[str, Source] = {
    source.name: source for source in (STL_FASHION, STL_HOME, IKEA_ROOMS, CCP_LOOKS)
}


def source_named(name: str) -> Source:
    """The public set of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in SOURCES:
        raise UsageError(f"no public set '{name}'; there are {', '.join(SOURCES)}")
    return SOURCES[name]
