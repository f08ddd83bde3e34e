"""A small server on this machine that behaves as a test says: it serves, stalls, breaks off, redirects."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the answer that a test has put at its path."""

    protocol_version = "HTTP/1.1"
    server: "Web"

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        answer = self.server.answers.get(self.path)
        try:
            (answer or gone)(self)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has had enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Web(ThreadingHTTPServer):
    """What it answers at each path, and what it was asked."""

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
    """One answer after another; the last one stays."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(handler)

    return answer


def fail(status: int, **headers: str) -> Answer:
    return lambda handler: handler.reply(status, **headers)


def break_off(content: bytes) -> Answer:
    """Promise more than is given."""

    def answer(handler: Handler) -> None:
        handler.reply(200, content, content_length=str(len(content) + 10))
        handler.close_connection = True

    return answer


def stall(handler: Handler) -> None:
    """Never answer."""
    handler.server.ended.wait(10)
    handler.close_connection = True


def trickle(handler: Handler) -> None:
    """Give a byte at a time, for ever."""
    handler.reply(200, content_length="900")
    while not handler.server.ended.wait(0.02):
        handler.wfile.write(b"x")
    handler.close_connection = True


def with_etag(content: bytes, etag: str) -> Answer:
    """Serve, unless whoever asks has it."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("if-none-match") == etag:
            handler.reply(304, etag=etag)
        else:
            handler.reply(200, content, etag=etag, last_modified="Wed, 21 Oct 2015 07:28:00 GMT")

    return answer
