"""The address and the settings of a cluster, from a URL and a file."""

from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.stores.cluster_settings import ClusterAddress, ClusterSettings


def test_a_url_has_server_catalogue_and_settings() -> None:
    address = ClusterAddress.parse(
        "qdrant+http://db.shop:7000/spring-24?shards=6&replicas=2&exact=false&quantisation=int8"
        "&on_disk=true&oversampling=3&numbers=price,weight"
    )
    assert address.url == "http://db.shop:7000"
    assert address.name == "spring-24"
    assert address.location == "qdrant+http://db.shop:7000/spring-24"
    assert address.settings == ClusterSettings(
        shards=6,
        replicas=2,
        exact=False,
        quantisation="int8",
        on_disk=True,
        oversampling=3.0,
        numbers=("price", "weight"),
    )


def test_ports_have_defaults() -> None:
    assert ClusterAddress.parse("qdrant+http://db/c").url == "http://db:6333"
    assert ClusterAddress.parse("qdrant+https://db/c").url == "https://db:443"
    assert ClusterAddress.parse("qdrant+http://[::1]/c").url == "http://[::1]:6333"


def test_settings_in_the_url_override_those_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text('shards = 12\nreplicas = 3\nindexed = ["brand", "Colour"]\n', encoding="utf-8")
    settings = ClusterAddress.parse(f"qdrant+http://db/c?settings={file}&shards=6").settings
    assert settings == ClusterSettings(shards=6, replicas=3, indexed=("brand", "colour"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("qdrant+http://db", "qdrant\\+http://HOST:6333/NAME"),
        ("qdrant+http:///c", "HOST"),
        ("qdrant+http://db/a/b", "letters"),
        ("qdrant+http://db/a.b", "letters"),
        ("qdrant+http://db:port/c", "not a URL"),
        ("qdrant+https://me:secret@db/c", "PERFECTLOOK_QDRANT_API_KEY"),
        ("qdrant+http://db/c?shard=6", "unknown setting 'shard'. Did you mean 'shards'"),
        ("qdrant+http://db/c?shards=six", "shards 'six': must be a whole number"),
        ("qdrant+http://db/c?exact=maybe", "must be true or false"),
        ("qdrant+http://db/c?replicas=0", "at least 1"),
        ("qdrant+http://db/c?quantisation=int4&exact=false", "none, int8, binary"),
        ("qdrant+http://db/c?quantisation=int8", "Set exact to false"),
        ("qdrant+http://db/c?write_consistency=2", "at most the number of replicas, 1"),
        ("qdrant+http://db/c?settings=/nowhere.toml", "no such file"),
    ],
)
def test_invalid_urls_and_settings_are_named(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as failure:
        ClusterAddress.parse(url)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("line", ["shards = 1.5", "exact = 1", "indexed = 3", "quantisation = true"])
def test_values_of_the_wrong_type_in_a_file_are_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(UsageError, match=rf"cluster.toml: {line.partition(' ')[0]} "):
        ClusterAddress.parse(f"qdrant+http://db/c?settings={file}")
