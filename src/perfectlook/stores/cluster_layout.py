"""How a cluster's collections are laid out, and searched, by the settings."""

from typing import Any

from perfectlook.stores.cluster_filters import INDEXED_TERMS, NUMBERS, number_key
from perfectlook.stores.cluster_settings import ClusterSettings

CATEGORY = "category"
"""Where a point's payload names its category."""
INDEXED = "indexed"
"""Where a collection's metadata names the fields whose terms are indexed."""


def layout(dimension: int, settings: ClusterSettings) -> dict[str, Any]:
    """How a collection for vectors of a dimension is to be made."""
    from qdrant_client import models

    return {
        "vectors_config": models.VectorParams(
            size=dimension, distance=models.Distance.EUCLID, on_disk=settings.on_disk
        ),
        "shard_number": settings.shards or None,
        "replication_factor": settings.replicas,
        "write_consistency_factor": settings.write_consistency,
        "on_disk_payload": settings.payload_on_disk,
        # a graph that no search uses would cost memory and hours
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
    """The indexes of a collection's payloads, by path; categories lie together, for searches ask for them."""
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
    """How a search is to be done."""
    from qdrant_client import models

    if settings.exact:
        ignored = models.QuantizationSearchParams(ignore=True)
        return models.SearchParams(exact=True, quantization=ignored)
    quantised = models.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return models.SearchParams(
        hnsw_ef=settings.ef, exact=False, quantization=None if settings.quantisation == "none" else quantised
    )
