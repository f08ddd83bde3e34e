"""Run the service behind uvicorn until a signal stops it, and close connections that are too slow."""

import gc
import json
import logging
import re
import secrets
import signal
import socket
import threading
import time
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perfectlook.errors import PerfectLookError, StoreAwayError, UsageError
from perfectlook.server_answers import ErrorAnswer, ErrorDetail
from perfectlook.service.errors import traceback_of
from perfectlook.service.security import network_of
from perfectlook.service.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from perfectlook.service.service import Service

STOP_SECONDS = 30.0
"""How long a server in a thread may take to stop after the grace period."""
KEEP_ALIVE = 30
"""Seconds that an idle connection stays open between two requests."""
BACKLOG = 128
"""Connections that may wait to be accepted."""
MAX_HEAD = 2**16
"""Maximum bytes of a request line and its headers."""
MAX_READ = 2**16
"""Maximum bytes that are taken from a connection before the next one has its turn."""
MAX_PIPELINED = 16
"""Requests of one connection that may be without an answer. Browsers and clients send one at a time."""
MAX_PARTS = 1_000
"""How many parts a body may arrive in, and one more for each 64 bytes. Each part takes time to parse."""
_TOO_LARGE = f"The head of the request is larger than {MAX_HEAD:,} bytes. Send fewer or shorter headers."


def run(settings: Settings) -> None:
    """Open everything, serve, and return after a signal, when all accepted requests are answered.

    If the server of the catalogue is away, requests are answered with 503 until it is there.

    Raises:
        PerfectLookError: the model, the catalogue or a file of the settings cannot be used.
    """
    reload = _Reload()
    with suppress(AttributeError):  # Windows has no SIGHUP
        signal.signal(signal.SIGHUP, reload)
    _allow_files()
    listen(settings.host, settings.port).close()  # before everything is opened: a wrong address fails early
    log_as_json()
    gc.disable()  # these objects stay: the garbage collector can ignore them
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="open") as pool:
            pool.submit(import_module, "perfectlook.service.app")  # takes about as long as opening
            from perfectlook.service.service import Service

            def opened() -> Service:
                reload.service = Service.open(settings)
                reload.look()
                return reload.service

            service, away = None, None
            try:
                service = opened()
            except StoreAwayError as error:
                away = error
    finally:
        gc.freeze()
        gc.enable()
    from perfectlook.service.app import create_app
    from perfectlook.service.waiting import Waiting

    if service is not None:
        server(settings, create_app(service)).run()
        return
    waiting = Waiting(opened, settings, away)
    runner = server(settings, waiting)
    waiting.give_up = lambda: setattr(runner, "should_exit", True)
    runner.run()
    if waiting.failure is not None:
        raise waiting.failure


class _Reload:
    """What SIGHUP does: the service looks for its model again. An early signal waits for the service."""

    service: "Service | None" = None
    _asked = False

    def __call__(self, *_: object) -> None:
        self._asked = True
        self.look()

    def look(self) -> None:
        """Do what was asked for, if the service is open."""
        if self._asked and self.service:
            self._asked = False
            threading.Thread(target=self.service.look_again).start()


def server(settings: Settings, app: "ASGIApp") -> uvicorn.Server:
    """Return the server of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=type(
                "Protocol",
                (TimedProtocol,),
                {"head_seconds": settings.read_seconds, "places": Connections.of(settings)},
            ),
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
            backlog=BACKLOG,
        )
    )


@contextmanager
def serving(service: "Service", listener: socket.socket) -> Iterator[None]:
    """Serve in a thread of this process, on a listening socket, while the context lasts.

    The service is closed at the end.

    Raises:
        PerfectLookError: the server stopped before it was ready.
    """
    from perfectlook.service.app import create_app

    runner = server(service.settings, create_app(service))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
    thread.start()
    try:
        while not runner.started:
            if not thread.is_alive():
                raise PerfectLookError("The server stopped before it was ready. Its log has the cause.")
            time.sleep(0.01)
        yield
    finally:
        runner.should_exit = True
        thread.join(service.settings.grace_seconds + STOP_SECONDS)


def _allow_files() -> None:
    """Allow as many open files as the system lets this process have: each connection is one."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2**16), most))


class Connections:
    """The open connections by address, with a limit for all and for each address."""

    def __init__(self, most: int, each: int) -> None:
        """Start without connections."""
        self._most = most
        self._each = each
        self._open: dict[str, set[TimedProtocol]] = {}

    @classmethod
    def of(cls, settings: Settings) -> "Connections":
        """Return the limits of a server. A trusted proxy has the connections of all its clients."""
        most = settings.connections
        return cls(most, most if settings.trusted_proxies else settings.connections_each)

    def enter(self, protocol: "TimedProtocol", address: str) -> bool:
        """Add a connection and return whether there is a place for it.

        If all places are taken, the address with the most connections loses one that is idle.
        """
        mine = self._open.get(address, set())
        if len(mine) >= self._each:
            return False
        if sum(map(len, self._open.values())) >= self._most:
            crowd = max(self._open.values(), key=len)
            idle = next((each for each in crowd if each.is_idle), None)
            if idle is None or len(crowd) <= len(mine):
                return False
            idle.transport.abort()
            crowd.discard(idle)
        self._open.setdefault(address, mine).add(protocol)
        return True

    def leave(self, protocol: "TimedProtocol", address: str) -> None:
        """Remove a connection, if it is there."""
        mine = self._open.get(address, set())
        mine.discard(protocol)
        if not mine:
            self._open.pop(address, None)


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with limits on connections, and on the time and the size of a request's head.

    A connection is closed if a head takes longer than `head_seconds`. The time starts with the connection, or
    with the first byte of a further request. It is cut off if its client reads less than `MAX_READ` bytes of
    a waiting answer in that time. The middleware limits the bodies. A body may not consist mostly of the
    heads of its chunks, or arrive in tiny parts. All limits hold while the bytes are parsed: otherwise a few
    bytes more would block the event loop.
    """

    places = Connections(2_048, 2_048)

    head_seconds = 20.0
    _deadline: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _in_body = False
    _answering = 0
    _received = 0
    _head_size = 0
    _wire = 0
    _body = 0
    _parts = 0
    _is_last = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the time limit of the first request."""
        super().connection_made(transport)
        transport.max_size = MAX_READ  # type: ignore[attr-defined]
        self._await_head()
        if not self.places.enter(self, self._address):
            message = "Too many connections. Try again in a second."
            self._refuse("503 Service Unavailable", "busy", message, "Retry-After: 1\r\n")

    @property
    def is_idle(self) -> bool:
        """Whether the connection waits for a request, or for the rest of one."""
        return not self._answering or self._in_body

    @property
    def _address(self) -> str:
        return network_of(self.client[0]) if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        self._head_came()
        self._has_read()
        self.places.leave(self, self._address)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client has to read before more is written."""
        self._await_reading()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client has read. A connection that is closing still waits for its last bytes."""
        if not self.transport.is_closing():
            self._has_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection. Closing waits until the client has read its answer."""
        super().timeout_keep_alive_handler()
        self._await_reading()

    def data_received(self, data: bytes) -> None:
        """Take bytes. Outside a body they belong to a head, even empty lines before it."""
        if self._is_last:
            return
        if self._in_body:
            self._received = 0
            self._wire += len(data)
        else:
            self._received += len(data)
            self._await_head()
        super().data_received(data)
        if not self._in_body and self._received > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(_TOO_LARGE)
        if self._in_body and self._wire - self._body > MAX_HEAD + self._body:
            self.transport.close()  # the application has the request, and may be writing its answer

    def on_message_begin(self) -> None:
        """Note that a head begins. After too many requests, the connection ends with their answers."""
        if self._answering >= MAX_PIPELINED:
            self._is_last, self.cycle.keep_alive = True, False
            raise ValueError("too many requests without an answer")
        self._head_size = 0
        self._await_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self._measure(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer after the body."""
        self._measure(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that the head is complete. The body and the answer follow."""
        self._head_came()
        super().on_headers_complete()
        self._received = self._wire = self._body = self._parts = 0
        self._in_body = True
        self._answering += 1

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += len(body)
        self._parts += 1
        if self._parts > MAX_PARTS + self._body // 64:
            raise ValueError("the body arrives in too many parts")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is complete. The next head may follow."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that an answer is sent."""
        self._answering -= 1
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed head with a JSON error, and close the connection."""
        if self._is_last:
            return
        if self._head_size > MAX_HEAD:  # uvicorn knows only that the parser stopped
            msg = _TOO_LARGE
        if not self._answering:  # otherwise the error would be written into an answer
            self._refuse("400 Bad Request", "bad_request", msg)
        self.transport.close()

    def _refuse(self, status: str, code: str, message: str, headers: str = "") -> None:
        """Write a JSON error, and close the connection."""
        detail = ErrorDetail(code=code, message=message, request_id=secrets.token_hex(12))
        body = ErrorAnswer(error=detail).to_json().encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}"
        head += f"X-Request-Id: {detail.request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _measure(self, *parts: bytes) -> None:
        self._head_size += sum(map(len, parts))
        if self._head_size > MAX_HEAD:
            raise ValueError(_TOO_LARGE)  # the parser stops, and the client gets a 400

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _await_reading(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left and self._unread is None:
            self._unread = self.loop.call_later(self.head_seconds, self._read_is_late, left)

    def _has_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _read_is_late(self, before: int) -> None:
        self._unread = None
        left = self.transport.get_write_buffer_size()
        if left and before - left < MAX_READ:
            self.transport.abort()
        else:
            self._await_reading()

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._answering:  # an earlier request of this connection still gets its answer
            self._await_head()
        elif not self.transport.is_closing():
            self.transport.close()


class JsonLines(logging.Formatter):
    """Log records as JSON: time, level, event, the `extra` values, and the traceback of an exception."""

    known = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in self.known}
        if record.exc_info:
            line["exception"] = traceback_of(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json() -> None:
    """Send the logs of the service and of uvicorn to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in ("perfectlook.service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True  # it would log addresses and queries


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        UsageError: the address cannot be used.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as err:
        why = re.sub(r" \(while .*|\.$", "", getattr(err, "strerror", None) or str(err))
        raise UsageError(f"{host}:{port}: cannot be bound ({why}). Choose another --host or --port.") from err
