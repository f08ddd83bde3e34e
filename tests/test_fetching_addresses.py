"""Only addresses on the public internet are allowed, in every notation."""

import pytest

from perfectlook.errors import FetchError
from perfectlook.fetching import addresses_of, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # the metadata service of clouds
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "::1"])
def test_this_machine_is_refused_in_every_notation(host: str) -> None:
    with pytest.raises(FetchError, match=r"not on the public internet\. Pass --allow-private"):
        addresses_of(host, 80, allow_private=False)


def test_private_addresses_may_be_allowed() -> None:
    assert "127.0.0.1" in addresses_of("127.0.0.1", 80, allow_private=True)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(FetchError, match=r"shop\.example: its address 10\.0\.0\.1"):
        addresses_of("shop.example", 80, allow_private=False)


@pytest.mark.parametrize("host", ["no such host.invalid", "a" * 70 + ".example", ".."])
def test_an_unknown_host_is_an_error(host: str) -> None:
    with pytest.raises(FetchError, match="no such host") as raised:
        addresses_of(host, 80, allow_private=False)
    assert raised.value.passing
