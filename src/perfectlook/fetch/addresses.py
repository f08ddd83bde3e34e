"""Which addresses may be asked: those of the public internet, however they are written."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import TypeAlias

from perfectlook.errors import FetchError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Resolve a host's name and return its addresses, all of which may be connected to.

    A name with one public and one private address is refused whole: it is either a mistake or an attack.

    Raises:
        FetchError: the name has no address, or one that is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host}: no such host ({error}); check the name", passing=True) from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not allow_private and not is_public(address):
            raise FetchError(
                f"{host} is at {address}, which is not an address of the public internet: refused; "
                "--allow-private allows it"
            )
    return addresses


def is_public(address: str) -> bool:
    """Whether an address, and every IPv4 address that is wrapped in it, is one of the public internet."""
    return all(
        each.is_global and not (each.is_multicast or each.is_reserved or each.is_unspecified)
        for each in _with_wrapped(ipaddress.ip_address(address))
    )


def _with_wrapped(address: Address) -> Iterator[Address]:
    """The address itself, unless it only stands for an IPv4 address: then that, which packets end up at."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
        return
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return
    if address.sixtofour:
        yield address.sixtofour
        return
    if address.teredo:
        yield from address.teredo
        return
    yield ipaddress.IPv6Address("::1") if address in _SITE_LOCAL else address
