"""Complete the look: products that go with the photo of a real scene, from a shop's own catalogue."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.client import AsyncClient, Client

# onnxruntime reports to its makers from its import on, unless it is told not to before that
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> object:
    """Load the clients when they are first asked for: the command line starts without them."""
    if name not in ("AsyncClient", "Client"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from perfectlook import client

    return getattr(client, name)
