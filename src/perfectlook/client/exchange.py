"""The course of a call, written once for both clients: requests, pauses and what comes of them.

An exchange is a generator. It yields calls to send, for which it is given responses, and seconds to wait; it
returns the answer.
"""

import time
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

import httpx

from perfectlook.client import calls
from perfectlook.client.call import Call
from perfectlook.client.failure import failure_of, strange
from perfectlook.client.job import Job
from perfectlook.client.patience import Patience
from perfectlook.errors import ServerError

Answer = TypeVar("Answer")
Exchange: TypeAlias = Generator[Call[Any] | float, httpx.Response | None, Answer]


def asking(call: Call[Answer], patience: Patience) -> Exchange[Answer]:
    """Send a call, again where it may be, and read the answer.

    Raises:
        ServerError: the server refuses or fails.
    """
    tried = 0
    while True:
        response = yield call
        assert response is not None
        tried += 1
        pause = patience.pause(tried, response.status_code, response.headers) if call.repeatable else None
        if pause is None:
            return _answer(call, response)
        yield pause


def waiting(
    job: Job | str,
    patience: Patience,
    every: float,
    seconds: float | None,
    tell: Callable[[Job], object] | None,
) -> Exchange[Job]:
    """Look after a job until it has ended.

    Raises:
        ServerError: it failed (`sync_failed`), or had not ended in time (`not_ended`); or the server fails.
    """
    id_ = job if isinstance(job, str) else job.id
    until = float("inf") if seconds is None else time.monotonic() + seconds
    while True:
        found = yield from asking(calls.job(id_), patience)
        if tell is not None:
            tell(found)
        if found.state == "failed":
            raise ServerError(f"job {id_}: {found.error}", code="sync_failed")
        if found.ended:
            return found
        if time.monotonic() + every > until:
            message = f"job {id_}: still {found.state} after {seconds:g} seconds; look at it again later"
            raise ServerError(message, code="not_ended")
        yield every


def _answer(call: Call[Answer], response: httpx.Response) -> Answer:
    if not response.is_success:
        raise failure_of(call, response)
    try:
        return call.read(response.content)
    except ValueError as error:
        raise strange(call, response) from error
