"""Attacks a server, while an honest client keeps asking.

    python benchmarks/hostile.py [--seconds S] [--only NAME ...] [--quick] [--json FILE]

Starts `perfectlook serve` on the showroom with default settings, two workers and keys, in a process of its
own. Private addresses are allowed, for a slow host on this machine. Each attack runs in another process, over
several connections from 127.0.0.2 and up. It connects again when the server closes a connection. By default,
all attacks share two minutes. Clients at 127.0.0.1 ask once a second with a photo, with the address of a
photo, and for `/ready`. Another asks `/health` ten times a second. Linux only: others have one loopback
address.

- `figures.crashes`: times that the server ended.
- `figures.other_5xx`: answers with 5xx, except 503 with `Retry-After`, 507, and 502, which blames the host
  of a photo.
- `figures.peak_mb`: most memory (sum of resident sets) of the server and its worker processes.
- `figures.health_p99_ms`: p99 of the time of `/health` while attacked.
- `figures.honest_share_ok`: share of honest requests that are answered with 200 within 3 s, all three kinds.
- `figures.url_share_ok`, `figures.ready_share_ok`: the same of photos by address, and of `/ready`.
- `figures.recovered_s`: seconds from the last attack until three honest requests in a row are answered.
- `figures.by_attack`: statuses, and the same figures for the time of each attack.
"""

import argparse
import base64
import http.client
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import psutil
from PIL import Image

from costly_pictures import costly_pictures, encoded
from machine import add_json_option, add_quick_option, report
from perfectlook.files import MODELS, SHOWROOM
from started import port_of

HONEST = "127.0.0.1"
_SPAWN = get_context("spawn")
CONNECTIONS = 6
SLOWEST = 3.0
QUICK_SECONDS, ALL_SECONDS = 1.0, 120.0
JPEG = {"Content-Type": "image/jpeg"}
JSON = {"Content-Type": "application/json"}


class Target(NamedTuple):
    """The server as attackers see it: its port, a key that may write, and a photo.

    `host` is the port of the host of photos, and `folder` has the server's files, which some attacks touch.
    """

    port: int
    key: str
    photo: bytes
    host: int
    folder: Path


class Seen(NamedTuple):
    """What clients saw of a time: statuses of the attack, honest requests, and seconds of `/health`."""

    statuses: Counter[str]
    honest: list[bool]
    by_url: list[bool]
    ready: list[bool]
    health: list[float]
    memory: list[float]

    @classmethod
    def nothing(cls) -> "Seen":
        """Return what was seen so far: nothing."""
        return cls(Counter(), [], [], [], [], [])

    def add(self, other: "Seen") -> None:
        """Add what was seen at another time."""
        self.statuses.update(other.statuses)
        for name in ("honest", "by_url", "ready", "health", "memory"):
            getattr(self, name).extend(getattr(other, name))


Request = tuple[str, str, bytes | None, dict[str, str]]
"""The method, the path, the body and the headers of a request."""
Attack = Callable[[Target, str, float, Counter[str]], None]
"""An attack from an address until a moment of `time.monotonic`. It counts the statuses of its answers."""


def main() -> None:
    """Attack, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, help="seconds of each attack (default: 120 for all together)"
    )
    parser.add_argument("--only", nargs="+", choices=ATTACKS, metavar="NAME", help="run only these attacks")
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    seconds = options.seconds or (QUICK_SECONDS if options.quick else ALL_SECONDS / len(ATTACKS))
    by_attack: dict[str, object] = {}
    everything = Seen.nothing()
    crashes = 0
    with tempfile.TemporaryDirectory() as scratch, _server(Path(scratch)) as (target, process):
        _write(target)
        for name in options.only or ATTACKS:
            seen = Seen.nothing()
            attackers = _SPAWN.Pool(1)  # their work must not slow down the clients that measure
            with attackers, _watched(target, process, seen):
                seen.statuses.update(attackers.apply(_attack, (name, target, seconds)))
            by_attack[name] = {"statuses": dict(seen.statuses), **_figures(seen)}
            print(f"{name}: {by_attack[name]}", flush=True)
            everything.add(seen)
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                crashes += 1
                break
        recovered = None if crashes else _recovered(target)
    figures = {"crashes": crashes, **_figures(everything), "recovered_s": recovered, "by_attack": by_attack}
    report("hostile", {}, figures, options.json)


def _figures(seen: Seen) -> dict[str, object]:
    wrong = sum(count for status, count in seen.statuses.items() if status[0] == "5" and status not in _FINE)
    health = 1000 * quantiles(seen.health, n=100)[98] if len(seen.health) > 1 else None
    return {
        "other_5xx": wrong,
        "peak_mb": round(max(seen.memory, default=0)),
        "health_p99_ms": health and round(health, 1),
        "honest_share_ok": _share([*seen.honest, *seen.by_url, *seen.ready]),
        "url_share_ok": _share(seen.by_url),
        "ready_share_ok": _share(seen.ready),
    }


def _share(answers: list[bool]) -> float | None:
    return round(sum(answers) / len(answers), 3) if answers else None


_FINE = ("502", "503 with Retry-After", "507")


def _attack(name: str, target: Target, seconds: float) -> Counter[str]:
    """Attack from several addresses, and return the counts of statuses."""
    statuses: Counter[str] = Counter()
    until = time.monotonic() + seconds
    threads = []
    for number in range(CONNECTIONS):
        address = f"127.0.0.{number + 2}"
        arguments = (target, address, until, statuses)
        work = threading.Thread(target=ATTACKS[name], args=arguments, daemon=True)
        threads.append(work)
        work.start()
    for work in threads:
        work.join(seconds + 60)
    return statuses


@contextmanager
def _watched(target: Target, process: psutil.Process, seen: Seen) -> Iterator[None]:
    """Ask honestly, ask for health, and measure the memory, while the context lasts."""
    ended = threading.Event()

    def repeat(each: float, work: Callable[[], None]) -> None:
        while not ended.is_set():
            began = time.monotonic()
            work()
            ended.wait(max(0.0, each - (time.monotonic() - began)))

    by_url = json.dumps({"url": f"http://{HONEST}:{target.host}/photo.jpg", "k": 5}).encode()

    def ask() -> None:
        seen.honest.append(_honest(target))

    def ask_by_url() -> None:
        seen.by_url.append(_honest(target, ("POST", "/v1/complete", by_url, JSON)))

    def ready() -> None:
        seen.ready.append(_honest(target, ("GET", "/ready", None, {})))

    def health() -> None:
        began = time.monotonic()
        with suppress(OSError, http.client.HTTPException):
            _send(target, HONEST, "GET", "/health", None, {}, seconds=10)
        seen.health.append(time.monotonic() - began)

    def memory() -> None:
        with suppress(psutil.Error):
            tree = [process, *process.children(recursive=True)]
            seen.memory.append(sum(each.memory_info().rss for each in tree) / 2**20)

    works = ((1.0, ask), (1.0, ask_by_url), (1.0, ready), (0.1, health), (0.1, memory))
    threads = [threading.Thread(target=repeat, args=work) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _honest(target: Target, request: Request | None = None) -> bool:
    """Whether an honest request, by default one with a photo, is answered with 200 in time."""
    began = time.monotonic()
    method, path, body, headers = request or ("POST", "/v1/complete?k=5", target.photo, JPEG)
    try:
        status = _send(target, HONEST, method, path, body, headers, seconds=10)
    except (OSError, http.client.HTTPException):
        return False
    return status == "200" and time.monotonic() - began <= SLOWEST


def _recovered(target: Target, most: float = 60.0) -> float | None:
    """Return the seconds until three honest requests in a row are answered; None if that never happens."""
    began = first = time.monotonic()
    row = 0
    while time.monotonic() - began < most:
        if not row:
            first = time.monotonic()
        row = row + 1 if _honest(target) else 0
        if row == 3:
            return first - began
        if not row:
            time.sleep(0.2)
    return None


def _send(
    target: Target,
    address: str,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    seconds: float = 30,
) -> str:
    """Send a request on a connection of its own. Return the status, with the header of a 503."""
    connection = http.client.HTTPConnection(HONEST, target.port, timeout=seconds, source_address=(address, 0))
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    after = " with Retry-After" if answer.status == 503 and answer.getheader("Retry-After") else ""
    return f"{answer.status}{after}"


def _repeated(*requests: Request) -> Attack:
    """Return the attack that sends the same requests again and again."""

    def attack(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
        number = 0
        while time.monotonic() < until:
            method, path, body, headers = requests[number % len(requests)]
            number += 1
            if headers.get("Authorization") == "":
                headers = {**headers, "Authorization": f"Bearer {target.key}"}
            try:
                status = _send(target, address, method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                time.sleep(0.05)
            statuses[status] += 1

    return attack


def _crowd(attack: Attack, clients: int) -> Attack:
    """Return the attack of several clients at each address."""

    def together(*of: Any) -> None:
        with ThreadPoolExecutor(clients) as pool:
            started = [pool.submit(attack, *of) for _ in range(clients)]
        for each in started:
            each.result()

    return together


def _held(*kinds: tuple[bytes, bytes], connections: int, pause: float = 0.0) -> Attack:
    """Return the attack that keeps connections open, and sends more and more bytes over each.

    The connections have these kinds in turn: the first bytes and those that follow again and again.
    """

    def attack(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
        opened: list[socket.socket | None] = [None] * connections
        while time.monotonic() < until:
            for place, found in enumerate(opened):
                each = found
                first, more = kinds[place % len(kinds)]
                try:
                    if each is None:
                        each = socket.create_connection((HONEST, target.port), 5, (address, 0))
                        statuses["opened"] += 1
                        each.sendall(first)
                        each.setblocking(False)
                    each.send(more)
                except BlockingIOError:
                    pass
                except OSError:
                    if each is not None:
                        each.close()
                    each = None
                opened[place] = each
            time.sleep(pause)
        for each in filter(None, opened):
            each.close()

    return attack


def _slow_urls(target: Target, *of: Any) -> None:
    url = json.dumps({"url": f"http://{HONEST}:{target.host}/slow.jpg"}).encode()
    _crowd(_repeated(("POST", "/v1/complete", url, JSON)), 20)(target, *of)


def _lost_keys(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    """Delete the file of keys again and again. No key works until it is back."""
    file = target.folder / "keys"
    kept = file.read_bytes() if _is_first(address) else b""
    while kept and time.monotonic() < until:
        file.unlink()
        _repeated(_put("keys"))(target, address, min(until, time.monotonic() + 0.5), statuses)
        file.write_bytes(kept)
        time.sleep(0.2)


def _replaced(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    """Put a copy in the place of the database again and again, while others write.

    Its log and its index of the log are removed first: SQLite would take them for those of the copy.
    """
    file = target.folder / "catalogue" / "catalogue.sqlite"
    while time.monotonic() < until:
        if _is_first(address):
            with closing(sqlite3.connect(file)) as now, closing(sqlite3.connect(f"{file}.copy")) as copy:
                now.backup(copy)
            for old in ("-wal", "-shm"):
                Path(f"{file}{old}").unlink(missing_ok=True)
            Path(f"{file}.copy").replace(file)
        _repeated(_put(f"copy-{address}"))(target, address, min(until, time.monotonic() + 0.5), statuses)


def _is_first(address: str) -> bool:
    return address == "127.0.0.2"


def _filters(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    draw = random.Random(address)
    while time.monotonic() < until:
        names = ["".join(draw.choices("abcdefghijklmnop", k=5)) for _ in range(115)]
        where = " and ".join(f"not has {name}" for name in names)
        body = json.dumps({"sample": "room", "where": where, "k": 1, "limit_categories": 0}).encode()
        with suppress(OSError, http.client.HTTPException):
            statuses[_send(target, address, "POST", "/v1/complete", body, JSON)] += 1


def _feedback(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    draw = random.Random(address)
    while time.monotonic() < until:
        event = {"product": "\U0001f4a9" * 490, "category": "\U0001f4a9" * 490, "rank": 1, "event": "shown"}
        events = [{**event, "product": f"{event['product']}{draw.random():.8f}"} for _ in range(1_000)]
        body = json.dumps({"request_id": f"{draw.getrandbits(90):024x}", "events": events}).encode()
        with suppress(OSError, http.client.HTTPException):
            statuses[_send(target, address, "POST", "/v1/feedback", body, JSON)] += 1
            statuses[_send(target, address, "GET", "/v1/stats", None, JSON)] += 1


def _put(id_: str, **more: object) -> tuple[str, str, bytes, dict[str, str]]:
    picture = base64.b64encode(encoded(Image.new("RGB", (64, 64), "red"), "PNG")).decode()
    body = {"category": "Furniture|Chairs", "title": "t", "picture_base64": picture, **more}
    return "PUT", f"/v1/products/{id_}", json.dumps(body).encode(), {**JSON, "Authorization": ""}


def _write(target: Target) -> None:
    """Put the product whose full-size picture is made again for each request."""
    large = base64.b64encode(encoded(Image.new("P", (6_300, 6_300)), "GIF")).decode()
    method, path, body, headers = _put("large-gif", picture_base64=large)
    _send(target, HONEST, method, path, body, {**headers, "Authorization": f"Bearer {target.key}"}, 60)


_pictures_once = cache(lambda: tuple(costly_pictures()))
_making = threading.Lock()


def _send_pictures(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    with _making:
        made = _pictures_once()
    attack = _repeated(*[("POST", "/v1/complete", each, JPEG) for each in made])
    attack(target, address, max(until, time.monotonic() + QUICK_SECONDS), statuses)


_HEAD = b"POST /v1/complete HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
_FORM = _HEAD.replace(b"image/jpeg", b"multipart/form-data; boundary=B")
_FORM += b"Content-Length: 20000000\r\n\r\n"
_PART = b'--B\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
_FORMS = (
    (_FORM + _PART, b"a:b\r\n" * 12_000),
    (_FORM, b"\r\n" * 32_000),
    (_FORM + _PART + b"\r\n1\r\n--B--\r\n", b"x" * 65_536),
    (_FORM + _PART + b"\r\n", b"\r\n--\r\n--A" * 8_000),
)
"""Forms of endless headers, of an endless preamble and epilogue, and of almost boundaries."""
_UNKNOWN = ("{" + ",".join(f'"{number:x}":0' for number in range(1_500_000)) + "}").encode()
_BOX = json.dumps({"sample": "room", "box": [0] * 1_300_000}).encode()
_ADDRESSES = (
    "http://xn--/x.jpg",
    "http://a\ud800.example/x.jpg",
    "http://127.0.0.1:1/",
    "file:///etc/passwd",
)
_URLS = [json.dumps({"url": each}).encode() for each in _ADDRESSES]

ATTACKS: dict[str, Attack] = {
    "pictures": _send_pictures,
    "full_size": _repeated(("GET", "/v1/products/large-gif/picture", None, {})),
    "urls": _repeated(*[("POST", "/v1/complete", each, JSON) for each in _URLS]),
    "slow_urls": _slow_urls,
    "ready": _crowd(_repeated(("GET", "/ready", None, {})), 50),
    "json_keys": _repeated(("POST", "/v1/complete", _UNKNOWN, JSON), ("POST", "/v1/complete", _BOX, JSON)),
    "filters": _filters,
    "bodies": _held((_HEAD + b"Content-Length: 20000000\r\n\r\n", bytes(65_536)), connections=16),
    "late_bodies": _held((_HEAD + b"Content-Length: 100\r\n\r\n", b"a"), connections=400, pause=1.0),
    "forms": _held(*_FORMS, connections=4),
    "chunks": _held((_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nA\r\n" * 10_000), connections=4),
    "connections": _held((b"GET /health HTTP/1.1\r\n", b"a"), connections=400, pause=1.0),
    "pipeline": _held((b"", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 500), connections=1),
    "feedback": _feedback,
    "puts": _repeated(
        _put("a%00b"),
        _put("b6a5%2fpicture"),
        _put("..%2f..%2fx"),
        _put("xss", fields={"link": "javascript:alert(1)", "availability": "lol", "price": "=cmd|calc"}),
        _put("url", picture_base64=None, picture_url="file:///etc/passwd"),
        _put("svg", picture_base64=base64.b64encode(b"<svg/>").decode()),
    ),
    "lost_keys": _lost_keys,
    "replaced_database": _replaced,
    "saturation": lambda target, *of: _repeated(("POST", "/v1/complete", target.photo, JPEG))(target, *of),
}
"""The attacks by name."""


@contextmanager
def _host(photo: bytes) -> Iterator[int]:
    """Serve a photo, and one that takes forever. Yield the port."""

    class Photos(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_slow = self.path == "/slow.jpg"
            self.send_response(200)
            self.send_header("Content-Length", str(len(photo)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"" if is_slow else photo)
                while is_slow:
                    time.sleep(1.0)
                    self.wfile.write(b"a")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Host(ThreadingHTTPServer):
        request_queue_size = 128

    host = Host((HONEST, 0), Photos)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield host.server_address[1]
    finally:
        host.shutdown()


@contextmanager
def _server(scratch: Path) -> Iterator[tuple[Target, psutil.Process]]:
    """Sync the showroom, and serve it."""
    model = str(MODELS / "rooms")
    program = [sys.executable, "-m", "perfectlook"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    catalogue = ["--model", model, "--catalogue", str(scratch / "catalogue")]
    subprocess.run([*program, "catalogue", "sync", "showroom", *catalogue], check=True, env=environment)
    made = subprocess.run([*program, "keys", "new", "shop"], check=True, env=environment, capture_output=True)
    (scratch / "keys").write_bytes(made.stdout)
    photo = sorted((SHOWROOM / "scenes").iterdir())[0].read_bytes()
    (scratch / "samples").mkdir()
    (scratch / "samples" / "room.jpg").write_bytes(photo)
    command = [
        *program,
        "serve",
        *catalogue,
        "--port",
        "0",
        "--workers",
        "2",
        "--keys",
        str(scratch / "keys"),
        "--allow-private",
    ]
    command += ["--samples", str(scratch / "samples")]
    log = scratch / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream, env=environment)
    try:
        key = made.stderr.decode().split()[-1]
        with _host(photo) as host:
            yield Target(port_of(log, process), key, photo, host, scratch), psutil.Process(process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


if __name__ == "__main__":
    main()
