"""Clusters for tests: the official client's stand-in in memory, and a real server where one is named."""

import atexit
import os
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

SERVER = "PERFECTLOOK_QDRANT_URL"
"""The environment variable with the URL of a Qdrant server that tests may fill: http://localhost:6333."""

PREFIX = "perfectlook-test-"


def clusters() -> dict[str, Callable[[Path], str]]:
    """URLs of empty catalogues, by the kind of cluster; none where the extra `cluster` is not installed."""
    if find_spec("qdrant_client") is None:
        return {}
    kinds: dict[str, Callable[[Path], str]] = {"cluster": lambda _folder: "qdrant+memory://catalogue"}
    server = os.environ.get(SERVER)
    if server:
        atexit.register(_clean, server)
        kinds["server"] = lambda _folder: f"qdrant+{server.rstrip('/')}/{PREFIX}{uuid.uuid4().hex}"
    return kinds


def _clean(server: str) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(url=server, check_compatibility=False)
    for each in client.get_collections().collections:
        if each.name.startswith(PREFIX):
            client.delete_collection(each.name)
    client.close()
