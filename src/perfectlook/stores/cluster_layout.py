"""The layout of a cluster's collections, and the parameters of searches."""

from typing import Any

from perfectlook.stores.cluster_filters import INDEXED_TERMS, NUMBERS, number_key
from perfectlook.stores.cluster_settings import ClusterSettings

CATEGORY = "category"
"""The entry of a point's payload with its category."""
INDEXED = "indexed"
"""The entry of a collection's metadata with the fields whose terms have an index."""


def layout(dimension: int, settings: ClusterSettings) -> dict[str, Any]:
    """Return the arguments to make a collection for vectors of a dimension."""
    from qdrant_client import models

    return {
        "vectors_config": models.VectorParams(
            size=dimension, distance=models.Distance.EUCLID, on_disk=settings.on_disk
        ),
        "shard_number": settings.shards or None,
        "replication_factor": settings.replicas,
        "write_consistency_factor": settings.write_consistency,
        "on_disk_payload": settings.payload_on_disk,
        # an exact search does not use the graph, which would cost memory and hours
        "hnsw_config": models.HnswConfigDiff(m=0 if settings.exact else 16, on_disk=settings.on_disk),
        "quantization_config": _quantisation(settings),
        "metadata": {INDEXED: list(settings.indexed)},
        "timeout": settings.timeout,
    }


def _quantisation(settings: ClusterSettings) -> Any:
    from qdrant_client import models

    if settings.quantisation == "int8":
        return models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        )
    if settings.quantisation == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None


def indexes(settings: ClusterSettings) -> dict[str, Any]:
    """Return the indexes of payloads by path. Points are grouped by category, which searches ask for."""
    from qdrant_client import models

    on_disk = settings.index_on_disk
    keyword = models.KeywordIndexType.KEYWORD
    found: dict[str, Any] = {
        CATEGORY: models.KeywordIndexParams(type=keyword, is_tenant=True, on_disk=on_disk),
        INDEXED_TERMS: models.KeywordIndexParams(type=keyword, on_disk=on_disk),
    }
    number = models.FloatIndexParams(type=models.FloatIndexType.FLOAT, on_disk=on_disk)
    return found | {f"{NUMBERS}.{number_key(name)}": number for name in settings.numbers}


def search_params(settings: ClusterSettings) -> Any:
    """Return the parameters of a search."""
    from qdrant_client import models

    if settings.exact:
        ignored = models.QuantizationSearchParams(ignore=True)
        return models.SearchParams(exact=True, quantization=ignored)
    quantised = models.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return models.SearchParams(
        hnsw_ef=settings.ef, exact=False, quantization=None if settings.quantisation == "none" else quantised
    )
