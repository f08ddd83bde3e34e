"""What a fetch may cost, and where it may go."""

from dataclasses import dataclass

from perfectlook.images import DEFAULT_LIMITS as OF_PICTURES


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch.

    Attributes:
        max_bytes: the largest body accepted, after any decompression.
        seconds: the longest one try may take, redirects and a body that trickles included.
        redirects: how many are followed.
        tries: how often it is tried in all, where trying again may help.
        first_pause: seconds before the second try; each further one is twice as long, up to `longest_pause`.
        longest_pause: also bounds what a server may ask for with Retry-After.
        connections: how many are open at once.
        allow_private: whether private, loopback and link-local addresses may be asked.
    """

    max_bytes: int = OF_PICTURES.max_bytes
    seconds: float = 30.0
    redirects: int = 5
    tries: int = 3
    first_pause: float = 0.5
    longest_pause: float = 20.0
    connections: int = 8
    allow_private: bool = False


DEFAULT_LIMITS = FetchLimits()
