"""Turns what goes wrong at or on the way to a server into the project's errors."""

import json
from typing import Any

import httpx

from perfectlook.client.call import Call
from perfectlook.errors import FetchError, PictureError, ServerError, UsageError

KEY_VARIABLE = "PERFECTLOOK_API_KEY"
FEED = "the feed"
"""What a call is about that sends no picture."""

_OF_PICTURES = ("bad_picture", "not_a_picture", "too_large")
_OF_URLS = ("bad_url", "unreachable")


class ServerUsageError(ServerError, UsageError):
    """A server says that the call itself is wrong."""


class ServerPictureError(ServerError, PictureError):
    """A server cannot read the picture it was sent."""


class ServerFetchError(ServerError, FetchError):
    """A server cannot fetch what lies at a URL; `passing` says whether trying again later may help."""


def failure_of(call: Call[Any], response: httpx.Response) -> ServerError:
    """Return what an answer that is no success says."""
    status = response.status_code
    try:
        said = json.loads(response.content)["error"]
        code, message, id_ = (str(said[name]) for name in ("code", "message", "request_id"))
    except (ValueError, TypeError, KeyError):
        return strange(call, response)
    if code == "no_key":
        message += f"; give the client a key, or set {KEY_VARIABLE}"
    about = f"{call.about}: " if call.about and code in (*_OF_PICTURES, *_OF_URLS) else ""
    failure = _kind(call, status, code)(
        f"{about}{message} ({code}, request {id_})", status=status, code=code, request_id=id_
    )
    if isinstance(failure, ServerFetchError):
        failure.passing = code == "unreachable"
    return failure


def strange(call: Call[Any], response: httpx.Response) -> ServerError:
    """Return what to say of an answer that no server of this project gives."""
    return ServerError(
        f"{shown(response.request.url)}: answers {call.method} with status {response.status_code} and "
        "nothing that is understood; is that the address of `perfectlook serve`, in this version?",
        status=response.status_code,
        request_id=response.headers.get("x-request-id"),
    )


def unreached(request: httpx.Request, error: httpx.HTTPError, seconds: float) -> ServerError:
    """Return what to say of a server that gives no answer."""
    place = shown(request.url)
    if isinstance(error, httpx.TimeoutException):
        return ServerError(f"{place}: no answer within {seconds:g} seconds; allow more, or ask for less")
    why = str(error) or type(error).__name__
    return ServerError(f"{place}: cannot be reached ({why}); is `perfectlook serve` running there?")


def shown(url: httpx.URL) -> str:
    """An address as it may be shown: without what may be secret in it."""
    return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")


def _kind(call: Call[Any], status: int, code: str) -> type[ServerError]:
    if code in _OF_URLS:
        return ServerFetchError
    if code in _OF_PICTURES and call.about != FEED:
        return ServerPictureError
    return ServerUsageError if 400 <= status < 500 and status not in (408, 429) else ServerError
