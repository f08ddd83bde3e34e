"""Attacks a server, while an honest client keeps asking.

    python benchmarks/hostile.py [--seconds 10] [--only NAME ...] [--quick] [--json FILE]

Starts `perfectlook serve` on the showroom with default settings, two workers and keys, in a process of its
own. Each attack runs for `--seconds` in another process, over several connections from 127.0.0.2 and up. It
connects again when the server closes a connection. A client at 127.0.0.1 asks once a second with a photo, and
another asks `/health` ten times a second. Linux only: other systems have one loopback address.

- `figures.crashes`: times that the server ended.
- `figures.other_5xx`: answers with 5xx, except 503 with `Retry-After`, and 507.
- `figures.peak_mb`: most memory (sum of resident sets) of the server and its worker processes.
- `figures.health_p99_ms`: p99 of the time of `/health` while attacked.
- `figures.honest_share_ok`: share of honest requests that are answered with 200 within 3 s.
- `figures.recovered_s`: seconds from the last attack until three honest requests in a row are answered.
- `figures.by_attack`: statuses, and the same figures for the time of each attack.
"""

import argparse
import base64
import http.client
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import psutil
from PIL import Image

from machine import add_json_option, add_quick_option, report
from perfectlook.files import MODELS, SHOWROOM
from started import port_of

HONEST = "127.0.0.1"
_SPAWN = get_context("spawn")
CONNECTIONS = 6
SLOWEST = 3.0
QUICK_SECONDS = 1.0
JPEG = {"Content-Type": "image/jpeg"}
JSON = {"Content-Type": "application/json"}


class Target(NamedTuple):
    """The server as attackers see it: its port, a key that may write, and a photo."""

    port: int
    key: str
    photo: bytes


class Seen(NamedTuple):
    """What clients saw of a time: statuses of the attack, honest requests, and seconds of `/health`."""

    statuses: Counter[str]
    honest: list[bool]
    health: list[float]
    memory: list[float]


Attack = Callable[[Target, str, float, Counter[str]], None]
"""An attack from an address until a moment of `time.monotonic`. It counts the statuses of its answers."""


def main() -> None:
    """Attack, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each attack (default 10)")
    parser.add_argument("--only", nargs="+", choices=ATTACKS, metavar="NAME", help="run only these attacks")
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    seconds = QUICK_SECONDS if options.quick else options.seconds
    by_attack: dict[str, object] = {}
    everything = Seen(Counter(), [], [], [])
    crashes = 0
    with tempfile.TemporaryDirectory() as scratch, _server(Path(scratch)) as (target, process):
        _write(target)
        for name in options.only or ATTACKS:
            seen = Seen(Counter(), [], [], [])
            attackers = _SPAWN.Pool(1)  # their work must not slow down the clients that measure
            with attackers, _watched(target, process, seen):
                seen.statuses.update(attackers.apply(_attack, (name, target, seconds)))
            by_attack[name] = {"statuses": dict(seen.statuses), **_figures(seen)}
            print(f"{name}: {by_attack[name]}", flush=True)
            everything.statuses.update(seen.statuses)
            everything.honest.extend(seen.honest)
            everything.health.extend(seen.health)
            everything.memory.extend(seen.memory)
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
        "honest_share_ok": round(sum(seen.honest) / len(seen.honest), 3) if seen.honest else None,
    }


_FINE = ("503 with Retry-After", "507")


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

    def ask() -> None:
        seen.honest.append(_honest(target))

    def health() -> None:
        began = time.monotonic()
        with suppress(OSError, http.client.HTTPException):
            _send(target, HONEST, "GET", "/health", None, {}, seconds=10)
        seen.health.append(time.monotonic() - began)

    def memory() -> None:
        with suppress(psutil.Error):
            tree = [process, *process.children(recursive=True)]
            seen.memory.append(sum(each.memory_info().rss for each in tree) / 2**20)

    works = ((1.0, ask), (0.1, health), (0.1, memory))
    threads = [threading.Thread(target=repeat, args=work) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _honest(target: Target) -> bool:
    began = time.monotonic()
    try:
        status = _send(target, HONEST, "POST", "/v1/complete?k=5", target.photo, JPEG, seconds=10)
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


def _repeated(*requests: tuple[str, str, bytes | None, dict[str, str]]) -> Attack:
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


def _held(first: bytes, more: bytes, connections: int, pause: float = 0.0) -> Attack:
    """Return the attack that keeps connections open, and sends more and more bytes over each."""

    def attack(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
        opened: list[socket.socket | None] = [None] * connections
        while time.monotonic() < until:
            for place, found in enumerate(opened):
                each = found
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


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _progressive(width: int, height: int, scans: int) -> bytes:
    """A grey progressive JPEG whose scans after the first are empty: long runs of ends of blocks."""
    blocks = -(-width // 8) * -(-height // 8)
    head = b"\xff\xd8" + _segment(0xDB, b"\0" + b"\1" * 64)
    head += _segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    for table, symbol in ((0x00, 0x00), (0x10, 0xE0)):
        head += _segment(0xC4, bytes([table, 1, *[0] * 15, symbol]))
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    bits = ("0" + "1" * 14) * -(-blocks // 32_767)
    bits += "1" * (-len(bits) % 8)
    runs = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return head + first + (_segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * scans + b"\xff\xd9"


def _pictures() -> Iterator[bytes]:
    """Pictures that cost a decoder far more than their bytes."""
    red, large = Image.new("RGB", (64, 64), "red"), Image.new("P", (6_300, 6_300))
    jpeg, png, gif = _encoded(red, "JPEG"), _encoded(red, "PNG"), _encoded(red.convert("P"), "GIF")
    yield _progressive(6_300, 6_300, 1_000)
    yield _progressive(6_300, 6_300, 15)
    for marker, content in ((0xE1, b"Exif\0\0A"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xFE, b""), (0xE5, b"")):
        segment = _segment(marker, content)
        yield jpeg[:2] + segment * (4_000_000 // len(segment)) + jpeg[2:]
    profile = zlib.compress(bytes(999_999), 9)
    for kind, content in (
        (b"iCCP", b"a\0\0" + profile),
        (b"tEXt", b"A\0"),
        (b"IDAT", b""),
        (b"zTXt", b"k\0\0" + profile),
    ):
        chunk = _chunk(kind, content)
        yield png[:33] + chunk * (4_000_000 // len(chunk)) + png[33:]
    yield gif[:781] + b"\x21\xfe" + b"\1A" * 1_000_000 + b"\0" + gif[781:]
    yield _encoded(large, "GIF")
    yield _encoded(large, "PNG")
    yield _encoded(large, "TIFF", compression="tiff_lzw")
    yield _encoded(Image.new("RGBA", (6_300, 6_300), (1, 2, 3, 0)), "PNG")
    yield _encoded(Image.new("RGB", (6_300, 6_300)), "WEBP", method=0)
    yield _encoded(Image.new("RGB", (6_300, 6_300)), "JPEG", quality=10, progressive=True)
    lying = bytearray(_encoded(Image.new("RGB", (9_000, 9_000)), "AVIF", quality=1, speed=10))
    at = -1
    while (at := lying.find(b"ispe", at + 1)) >= 0:
        lying[at + 8 : at + 16] = struct.pack(">II", 64, 64)
    yield bytes(lying)


def _put(id_: str, **more: object) -> tuple[str, str, bytes, dict[str, str]]:
    picture = base64.b64encode(_encoded(Image.new("RGB", (64, 64), "red"), "PNG")).decode()
    body = {"category": "Furniture|Chairs", "title": "t", "picture_base64": picture, **more}
    return "PUT", f"/v1/products/{id_}", json.dumps(body).encode(), {**JSON, "Authorization": ""}


def _write(target: Target) -> None:
    """Put the product whose full-size picture is made again for each request."""
    large = base64.b64encode(_encoded(Image.new("P", (6_300, 6_300)), "GIF")).decode()
    method, path, body, headers = _put("large-gif", picture_base64=large)
    _send(target, HONEST, method, path, body, {**headers, "Authorization": f"Bearer {target.key}"}, 60)


_pictures_once = cache(lambda: tuple(_pictures()))
_making = threading.Lock()


def _send_pictures(target: Target, address: str, until: float, statuses: Counter[str]) -> None:
    with _making:
        made = _pictures_once()
    attack = _repeated(*[("POST", "/v1/complete", each, JPEG) for each in made])
    attack(target, address, max(until, time.monotonic() + QUICK_SECONDS), statuses)


_HEAD = b"POST /v1/complete HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
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
    "json_keys": _repeated(("POST", "/v1/complete", _UNKNOWN, JSON), ("POST", "/v1/complete", _BOX, JSON)),
    "filters": _filters,
    "bodies": _held(_HEAD + b"Content-Length: 20000000\r\n\r\n", bytes(65_536), connections=16),
    "chunks": _held(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nA\r\n" * 10_000, connections=4),
    "connections": _held(b"GET /health HTTP/1.1\r\n", b"a", connections=200, pause=1.0),
    "pipeline": _held(b"", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 500, connections=1),
    "feedback": _feedback,
    "puts": _repeated(
        _put("a%00b"),
        _put("b6a5%2fpicture"),
        _put("..%2f..%2fx"),
        _put("xss", fields={"link": "javascript:alert(1)", "availability": "lol", "price": "=cmd|calc"}),
        _put("url", picture_base64=None, picture_url="file:///etc/passwd"),
        _put("svg", picture_base64=base64.b64encode(b"<svg/>").decode()),
    ),
    "saturation": lambda target, *of: _repeated(("POST", "/v1/complete", target.photo, JPEG))(target, *of),
}
"""The attacks by name."""


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
    ]
    command += ["--samples", str(scratch / "samples")]
    log = scratch / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream, env=environment)
    try:
        yield (
            Target(port_of(log, process), made.stderr.decode().split()[-1], photo),
            psutil.Process(process.pid),
        )
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


if __name__ == "__main__":
    main()
