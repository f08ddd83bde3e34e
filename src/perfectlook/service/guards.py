"""Who may call what, as dependencies of endpoints: coroutines, which need no thread of their own."""

from fastapi import Request

from perfectlook.service.errors import Refusal, call_of
from perfectlook.service.service import Service


def service_of(request: Request) -> Service:
    """Return the service that answers a request."""
    service: Service = request.app.state.service
    return service


async def writing(request: Request) -> None:
    """Let only calls with a key through.

    Raises:
        Refusal: it has none, or one that is not known (401).
    """
    if call_of(request).key is None:
        raise Refusal(401, "no_key", "this call needs an API key: send 'Authorization: Bearer KEY'")


async def reading(request: Request) -> None:
    """Let every call through, unless the service demands keys for reading too."""
    if service_of(request).settings.keyed_reading:
        await writing(request)


def cache_control(service: Service) -> str:
    """Who may keep a picture for an hour: any cache, or the caller's alone where reading takes a key."""
    return f"{'private' if service.settings.keyed_reading else 'public'}, max-age=3600"
