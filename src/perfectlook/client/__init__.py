"""Asks a server: `Client` and, for asyncio, `AsyncClient`. Answers are those of `perfectlook.answers`."""

from perfectlook.client.client import AsyncClient, Client
from perfectlook.client.transport import Photo, ServerFetchError, ServerPictureError, ServerUsageError

__all__ = ["AsyncClient", "Client", "Photo", "ServerFetchError", "ServerPictureError", "ServerUsageError"]
