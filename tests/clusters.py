"""Clusters for tests: an in-memory Qdrant from the official client, and a real server if one is named."""

import atexit
import os
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from perfectlook.stores import Store, open_store

SERVER = "PERFECTLOOK_QDRANT_URL"
"""Environment variable with the URL of a Qdrant server that tests may write to: http://localhost:6333."""

PREFIX = "perfectlook-test-"


def clusters() -> dict[str, Callable[[Path], Store]]:
    """Return functions that open an empty catalogue, by kind of cluster (none without the extra)."""
    if find_spec("qdrant_client") is None:
        return {}
    from perfectlook.stores.cluster import ClusterStore

    kinds: dict[str, Callable[[Path], Store]] = {
        "cluster": lambda _folder: ClusterStore.open("qdrant+memory://catalogue", create=True)
    }
    server = os.environ.get(SERVER)
    if server:
        atexit.register(_clean, server)
        address = f"qdrant+{server.rstrip('/')}/{PREFIX}"
        kinds["server"] = lambda _folder: open_store(f"{address}{uuid.uuid4().hex}", create=True)
    return kinds


def _clean(server: str) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(url=server, check_compatibility=False)
    for each in client.get_collections().collections:
        if each.name.startswith(PREFIX):
            client.delete_collection(each.name)
    client.close()
