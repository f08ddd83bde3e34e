"""A small local server whose behaviour a test decides: it serves, stalls, truncates or redirects."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Passes each request to the answer that a test has set for its path."""

    protocol_version = "HTTP/1.1"
    server: "Web"

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        answer = self.server.answers.get(self.path)
        try:
            (answer or gone)(self)
        except (BrokenPipeError, ConnectionResetError):  # the client has closed the connection
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Web(ThreadingHTTPServer):
    """The answers by path, and the requests so far."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.ended = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_address[1]}{path}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def web(address: str = "127.0.0.1") -> Iterator[Web]:
    server = Web(address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def gone(handler: Handler) -> None:
    handler.reply(404)


def serve(content: bytes, **headers: str) -> Answer:
    return lambda handler: handler.reply(200, content, **headers)


def redirect(place: str, status: int = 302) -> Answer:
    return lambda handler: handler.reply(status, location=place)


def first(*answers: Answer) -> Answer:
    """Use one answer after another; the last one is repeated."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(handler)

    return answer


def fail(status: int, **headers: str) -> Answer:
    return lambda handler: handler.reply(status, **headers)


def break_off(content: bytes) -> Answer:
    """Send less than Content-Length."""

    def answer(handler: Handler) -> None:
        handler.reply(200, content, content_length=str(len(content) + 10))
        handler.close_connection = True

    return answer


def stall(handler: Handler) -> None:
    """Never answer."""
    handler.server.ended.wait(10)
    handler.close_connection = True


def trickle(handler: Handler) -> None:
    """Send single bytes without end."""
    handler.reply(200, content_length="900")
    while not handler.server.ended.wait(0.02):
        handler.wfile.write(b"x")
    handler.close_connection = True


def with_etag(content: bytes, etag: str) -> Answer:
    """Serve, or answer 304 if the ETag matches."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("if-none-match") == etag:
            handler.reply(304, etag=etag)
        else:
            handler.reply(200, content, etag=etag, last_modified="Wed, 21 Oct 2015 07:28:00 GMT")

    return answer
