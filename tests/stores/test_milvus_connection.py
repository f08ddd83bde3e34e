"""The address and the settings of a catalogue on Milvus, from a URL."""

import pytest

from perfectlook.errors import UsageError
from perfectlook.stores import open_store
from perfectlook.stores.milvus_connection import MilvusSettings, parse_address


def test_a_url_has_server_catalogue_and_settings() -> None:
    url, name, settings = parse_address(
        "milvus+http://db.shop:7000/spring_24?index=HNSW&shards=6&replicas=2&mmap=true&timeout=2.5"
    )
    assert (url, name) == ("http://db.shop:7000", "spring_24")
    assert settings == MilvusSettings(index="HNSW", shards=6, replicas=2, mmap=True, timeout=2.5)


def test_ports_have_defaults() -> None:
    assert parse_address("milvus+http://db/c")[0] == "http://db:19530"
    assert parse_address("milvus+https://db/c")[0] == "https://db:443"
    assert parse_address("milvus+http://[::1]/c")[0] == "http://[::1]:19530"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("milvus+http://db", r"milvus\+http://HOST:19530/NAME"),
        ("milvus+http:///c", "HOST"),
        ("milvus+http://db/a/b", "letters"),
        ("milvus+http://db/a-b", "letters"),
        ("milvus+http://db/a__b", "single _"),
        ("milvus+http://db/_a", "a letter first"),
        ("milvus+http://db:port/c", "not a URL"),
        ("milvus+https://me:secret@db/c", "PERFECTLOOK_MILVUS_TOKEN"),
        ("milvus+http://db/c?shard=6", "setting 'shard': .*The settings are: index, shards"),
        ("milvus+http://db/c?shards=six", "setting 'shards': .*integer.*'six'"),
        ("milvus+http://db/c?mmap=maybe", "setting 'mmap': .*'maybe'"),
        ("milvus+http://db/c?replicas=0", "setting 'replicas': .*greater than 0"),
        ("milvus+http://db/c?index=GRAPH", "'FLAT', 'IVF_SQ8', 'HNSW' or 'DISKANN'"),
    ],
)
def test_invalid_urls_and_settings_are_named(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as failure:
        parse_address(url)
    assert "secret" not in str(failure.value)


def test_the_address_of_a_qdrant_catalogue_says_how_to_move_it() -> None:
    with pytest.raises(UsageError, match=r"no longer supported.*catalogue sync SOURCE.*milvus\+http://"):
        open_store("qdrant+http://db:6333/shop")
