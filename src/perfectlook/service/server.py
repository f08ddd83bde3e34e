"""Runs the service behind uvicorn, until it is asked to stop."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.service.metrics import LOGGER, log_as_json
from perfectlook.service.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from perfectlook.service.service import Service


KEEP_ALIVE = 30


def run(settings: Settings) -> None:
    """Open everything, listen, and return when a signal has asked to stop and all accepted work is done.

    Raises:
        PerfectLookError: the model, the catalogue or a file of the settings cannot be used.
    """
    _check_place(settings)
    log_as_json()
    with _nothing_is_garbage(), ThreadPoolExecutor(1, thread_name_prefix="open") as beside:
        opening = beside.submit(_opened, settings)  # which takes about as long as the import

        service = opening.result()
    server(service).run()


def server(service: "Service") -> "uvicorn.Server":
    """Return the server of an open service."""
    import uvicorn

    from perfectlook.service.app import wrapped
    from perfectlook.service.protocol import patient

    settings = service.settings
    LOGGER.info(
        "open",
        extra={"model": service.recommender.model.name, "host": settings.host, "port": settings.port},
    )
    return uvicorn.Server(
        uvicorn.Config(
            wrapped(service),
            host=settings.host,
            port=settings.port,
            http=patient(settings.read_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=max(1, round(settings.grace_seconds)),
            backlog=2048,
        )
    )


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Make objects that will stay without looking for garbage among them, now or ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def serving(service: "Service", listener: socket.socket) -> Iterator[None]:
    """Serve in a thread of this process, on a listening socket, while the context lasts.

    The service is closed at the end.

    Raises:
        PerfectLookError: the server has ended before it answered.
    """
    runner = server(service)
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, name="server")
    thread.start()
    try:
        while not runner.started:
            if not thread.is_alive():
                raise PerfectLookError("the server has ended before it answered; its log says why")
            time.sleep(0.01)
        yield
    finally:
        runner.should_exit = True
        thread.join()


def _check_place(settings: Settings) -> None:
    """Try the address before everything is opened, so that what is wrong with it is said in plain words."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        raise UsageError(
            f"{settings.host}:{settings.port} cannot be listened at ({error.strerror}); choose another "
            "--host or --port"
        ) from error


def _opened(settings: Settings) -> "Service":
    from perfectlook.service.service import Service

    return Service.open(settings)
