"""Asks a server, call by call."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from perfectlook.client import calls
from perfectlook.client.call import Call
from perfectlook.client.exchange import Exchange, asking, waiting
from perfectlook.client.failure import unreached
from perfectlook.client.job import Job
from perfectlook.client.settings import EVERY, ClientSettings, sent
from perfectlook.client.signature import of_method

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _now(
    describe: Callable[Given, Call[Answer]],
) -> Callable[Concatenate["Client", Given], Answer]:
    """Make a method of a call's description."""

    def ask(client: "Client", /, *arguments: Given.args, **named: Given.kwargs) -> Answer:
        return client._run(asking(describe(*arguments, **named), client._patience))

    return of_method(ask, describe)


class Client(ClientSettings):
    """Asks a server. It may be used by several threads, and is to be closed: `with Client(url) as client`.

    Busy servers are asked again after the pause that they ask for. Errors are those of the project:
    `ServerError` with the status, the code and the request's id; wrong use, pictures and addresses are
    `UsageError`, `PictureError` and `FetchError` as well.
    """

    complete = _now(calls.complete)
    similar = _now(calls.similar)
    categories = _now(calls.categories)
    products = _now(calls.products)
    product = _now(calls.product)
    put_product = _now(calls.put_product)
    delete_product = _now(calls.delete_product)
    picture = _now(calls.picture)
    samples = _now(calls.samples)
    sync = _now(calls.sync)
    job = _now(calls.job)
    feedback = _now(calls.feedback)
    stats = _now(calls.stats)
    health = _now(calls.health)
    ready = _now(calls.ready)
    metrics = _now(calls.metrics)

    def _open(self) -> None:
        self._client = httpx.Client(**self._http())

    def wait_for(
        self,
        job: Job | str,
        every: float = EVERY,
        seconds: float | None = None,
        tell: Callable[[Job], object] | None = None,
    ) -> Job:
        """Look after a job every so many seconds, `tell` how far it is, and return it when it is done.

        Raises:
            ServerError: it failed (`sync_failed`), or had not ended after so many seconds (`not_ended`).
        """
        return self._run(waiting(job, self._patience, every, seconds, tell))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[Answer]) -> Answer:
        response = None
        while True:
            try:
                step = exchange.send(response)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Call):
                response = self._send(step)
            else:
                time.sleep(step)
                response = None

    def _send(self, call: Call[Any]) -> httpx.Response:
        request = sent(self._client, call)
        try:
            return self._client.send(request)
        except httpx.HTTPError as error:
            raise unreached(request, error, self._timeout) from error
