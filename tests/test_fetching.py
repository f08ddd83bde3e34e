"""Fetching from a server that fails, stalls, truncates, redirects or lies."""

import gzip
import random
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import pytest

from perfectlook.errors import FetchError
from perfectlook.fetching import DEFAULT_LIMITS, Fetcher, FetchLimits, Validators
from web import Handler, Web, break_off, fail, first, redirect, serve, stall, trickle, web, with_etag

LIMITS = FetchLimits(allow_private=True, seconds=5, first_pause=0.01, max_bytes=1000)
SHORT = replace(LIMITS, seconds=0.3, tries=1)


@pytest.fixture(autouse=True, scope="module")
def _one_context() -> Iterator[None]:
    """Read the certificates of the system once: it takes longer than most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx.create_ssl_context", cache(httpx.create_ssl_context))
        yield


def fetch_picture(url: str, *, limits: FetchLimits = DEFAULT_LIMITS) -> bytes | None:
    with Fetcher(limits) as fetcher:
        return fetcher.fetch(url).content


def test_a_url_is_fetched(server: Web) -> None:
    server.answers["/a%20b.jpg?x=1"] = serve(b"picture")
    assert fetch_picture(server.url("/a b.jpg?x=1#part"), limits=LIMITS) == b"picture"
    ((_, headers),) = server.asked
    assert headers["user-agent"].startswith("perfectlook/")
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_request_sends_the_host_of_its_url(address: str) -> None:
    try:
        socket.create_server(
            (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        ).close()
    except OSError:
        pytest.skip(f"this machine has no {address}")
    host = f"[{address}]" if ":" in address else address
    with web(address) as server:
        server.answers |= {"/a.jpg": redirect(server.url("/b.jpg", host)), "/b.jpg": serve(b"picture")}
        assert fetch_picture(server.url("/a.jpg", host), limits=LIMITS) == b"picture"
        assert [headers["host"] for _, headers in server.asked] == [f"{host}:{server.server_address[1]}"] * 2


def test_unchanged_content_is_not_sent_again(server: Web) -> None:
    server.answers["/a.jpg"] = with_etag(b"picture", '"v1"')
    with Fetcher(LIMITS) as fetcher:
        fetched = fetcher.fetch(server.url("/a.jpg"))
        assert fetched.content == b"picture"
        assert fetched.validators == Validators('"v1"', "Wed, 21 Oct 2015 07:28:00 GMT")
        assert fetcher.fetch(server.url("/a.jpg"), fetched.validators).content is None
        server.answers["/a.jpg"] = with_etag(b"another", '"v2"')
        assert fetcher.fetch(server.url("/a.jpg"), fetched.validators).content == b"another"
    assert server.asked[1][1]["if-modified-since"] == "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    "failure", [fail(500), fail(503), fail(429, retry_after="0"), break_off(b"pict"), serve(b"")]
)
def test_temporary_failures_are_retried(server: Web, failure: object) -> None:
    server.answers["/a.jpg"] = first(failure, failure, serve(b"picture"))  # type: ignore[arg-type]
    assert fetch_picture(server.url("/a.jpg"), limits=LIMITS) == b"picture"
    assert len(server.asked) == 3


def test_the_last_failure_is_raised_with_the_number_of_tries(server: Web) -> None:
    server.answers["/a.jpg"] = fail(503)
    with pytest.raises(
        FetchError, match=r"/a\.jpg: answered 503 Service Unavailable after 3 tries"
    ) as raised:
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)
    assert raised.value.passing
    assert len(server.asked) == 3


def test_a_missing_picture_is_requested_once(server: Web) -> None:
    with pytest.raises(FetchError, match=r"/a\.jpg: answered 404 Not Found\. Correct the link") as raised:
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)
    assert not raised.value.passing
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [stall, trickle])
def test_stalled_and_slow_responses_time_out(server: Web, answer: object) -> None:
    server.answers["/a.jpg"] = answer  # type: ignore[assignment]
    with pytest.raises(FetchError, match=r"timed out after 0\.3 s"):
        fetch_picture(server.url("/a.jpg"), limits=SHORT)


def test_a_slow_header_times_out(server: Web) -> None:
    def answer(handler) -> None:  # type: ignore[no-untyped-def]
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"H")

    server.answers["/a.jpg"] = answer
    with pytest.raises(FetchError, match=r"timed out after 0\.3 s"):
        fetch_picture(server.url("/a.jpg"), limits=SHORT)


def test_a_truncated_response_is_an_error(server: Web) -> None:
    server.answers["/a.jpg"] = break_off(b"pict")
    with pytest.raises(FetchError, match="incomplete or not HTTP"):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, tries=1))


def test_a_closed_port_is_an_error(server: Web) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.jpg"
        with pytest.raises(FetchError, match="cannot be reached") as raised:
            fetch_picture(url, limits=SHORT)
    assert raised.value.passing


def test_the_size_limit_holds_with_and_without_content_length(server: Web) -> None:
    def unannounced(handler) -> None:  # type: ignore[no-untyped-def]
        handler.reply(200, b"", transfer_encoding="chunked", content_length="")
        for _ in range(100):
            handler.wfile.write(b"64\r\n" + b"x" * 100 + b"\r\n")

    server.answers["/announced.jpg"] = serve(b"x" * 1001)
    server.answers["/packed.jpg"] = serve(gzip.compress(b"x" * 10**6), content_encoding="gzip")
    for path in ("/announced.jpg", "/packed.jpg"):
        with pytest.raises(FetchError, match="over the limit of 1,000 bytes"):
            fetch_picture(server.url(path), limits=LIMITS)
    server.answers["/full.jpg"] = serve(b"x" * 1000)
    assert fetch_picture(server.url("/full.jpg"), limits=LIMITS) == b"x" * 1000


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("Deflate", raw_deflate),
        ("identity", bytes),
    ],
)
def test_one_layer_of_compression_is_decoded(
    server: Web, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    content = random.Random(0).randbytes(150_000) + b"x" * 150_000
    server.answers["/a.jpg"] = serve(pack(content), content_encoding=encoding)
    assert fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, max_bytes=300_000)) == content


def test_a_body_of_several_members_is_whole(server: Web) -> None:
    """Hosts that pack in blocks, or join packed files, send such bodies."""
    rows = [random.Random(number).randbytes(70_000) for number in range(4)]
    members = [gzip.compress(each) for each in (*rows, b"")]
    limits = replace(LIMITS, max_bytes=300_000)
    for body in (b"".join(members), b"\0".join(members) + bytes(512)):
        server.answers["/a.csv"] = serve(body, content_encoding="gzip")
        assert fetch_picture(server.url("/a.csv"), limits=limits) == b"".join(rows)
    for cut in (-1, -len(members[-1]) - 10):
        server.answers["/a.csv"] = serve(b"".join(members)[:cut], content_encoding="gzip")
        with pytest.raises(FetchError, match="incomplete"):
            fetch_picture(server.url("/a.csv"), limits=replace(limits, tries=1))
    server.answers["/a.csv"] = serve(members[0] + b"more", content_encoding="gzip")
    with pytest.raises(FetchError, match="not valid gzip"):
        fetch_picture(server.url("/a.csv"), limits=replace(limits, tries=1))


def test_the_members_of_a_body_count_together(server: Web) -> None:
    server.answers["/a.jpg"] = serve(gzip.compress(b"x" * 600) * 2, content_encoding="gzip")
    with pytest.raises(FetchError, match="over the limit of 1,000 bytes"):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)
    large = replace(LIMITS, max_bytes=2**30)
    server.answers["/a.jpg"] = serve(gzip.compress(bytes(2**21)) * 8, content_encoding="gzip")
    with pytest.raises(FetchError, match="expands more than 200 times"):
        fetch_picture(server.url("/a.jpg"), limits=large)
    server.answers["/a.jpg"] = serve(gzip.compress(b"") * 2_000, content_encoding="gzip")
    with pytest.raises(FetchError, match=r"has 1,\d\d\d members of gzip"):
        fetch_picture(server.url("/a.jpg"), limits=large)


def test_validators_that_cannot_be_sent_are_left_out(server: Web) -> None:
    server.answers["/a.jpg"] = serve(
        b"picture", etag='"v\xe9"', last_modified="Wed, 21 Oct 2015 07:28:00 GMT"
    )
    with Fetcher(LIMITS) as fetcher:
        validators = fetcher.fetch(server.url("/a.jpg")).validators
        assert fetcher.fetch(server.url("/a.jpg"), validators).content == b"picture"
        assert fetcher.fetch(server.url("/a.jpg"), Validators('"\x01"', "caf\u00e9")).content == b"picture"
    assert "if-none-match" not in server.asked[1][1]
    assert server.asked[1][1]["if-modified-since"] == "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,gzip,gzip", "br", "zstd", "gzip, identity", "\x01"])
def test_other_encodings_are_refused_before_the_body_is_decoded(server: Web, encoding: str) -> None:
    server.answers["/a.jpg"] = serve(gzip.compress(gzip.compress(b"picture")), content_encoding=encoding)
    with pytest.raises(FetchError, match=r"/a\.jpg: has the encoding"):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)


def test_a_body_that_expands_suspiciously_is_refused_early(server: Web) -> None:
    tracemalloc.start()
    server.answers["/a.jpg"] = serve(gzip.compress(bytes(2**25)), content_encoding="gzip")
    with pytest.raises(FetchError, match=r"/a\.jpg: expands more than 200 times"):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, max_bytes=2**30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20 + 2**25  # the packed body alone needs its 32 MiB while the server makes it


def test_bytes_that_decode_to_nothing_count_too(server: Web) -> None:
    empty = zlib.compressobj(wbits=31).flush(zlib.Z_FULL_FLUSH) + b"\0\0\0\xff\xff" * 1_000  # empty blocks
    server.answers["/a.jpg"] = serve(empty, content_encoding="gzip")
    with pytest.raises(FetchError, match="over the limit of 1,000 bytes"):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)


@pytest.mark.parametrize("cut", [5, 40])
def test_a_truncated_or_damaged_compressed_body_is_an_error(server: Web, cut: int) -> None:
    server.answers["/a.jpg"] = serve(gzip.compress(bytes(range(100)))[:cut], content_encoding="gzip")
    with pytest.raises(FetchError, match="incomplete"):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, tries=1))
    server.answers["/a.jpg"] = serve(b"picture", content_encoding="gzip")
    with pytest.raises(FetchError, match="not valid gzip"):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, tries=1))


def test_a_body_can_go_to_a_file(server: Web, tmp_path: Path) -> None:
    server.answers["/a.csv"] = first(break_off(b"longer than the body"), serve(b"id,title"))
    with (tmp_path / "feed").open("w+b") as file, Fetcher(LIMITS) as fetcher:
        assert fetcher.fetch(server.url("/a.csv"), file=file).content == b""
    assert (tmp_path / "feed").read_bytes() == b"id,title"


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nA\r\n" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"9\r\n123456789\r\n" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2;" + b"a" * 900 + b"\r\nAB\r\n"),
    ],
    ids=["interim responses", "chunks of one byte", "small chunks", "large heads of chunks"],
)
def test_a_response_that_is_mostly_overhead_is_refused_early(server: Web, head: bytes, part: bytes) -> None:
    def answer(handler) -> None:  # type: ignore[no-untyped-def]
        handler.wfile.write(head)
        while not handler.server.ended.is_set():
            handler.wfile.write(part)

    server.answers["/a.jpg"] = answer
    limits = replace(LIMITS, tries=1, seconds=60.0, max_bytes=2**30)
    with pytest.raises(FetchError, match=r"far larger than its body|too many parts"):
        fetch_picture(server.url("/a.jpg"), limits=limits)


def test_names_that_resolve_slowly_do_not_hold_up_others(
    server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/a.jpg"] = serve(b"picture")
    ended, resolve = threading.Event(), socket.getaddrinfo
    slow = lambda host, *rest, **more: (host == "slow" and ended.wait(30)) or resolve(host, *rest, **more)  # noqa: E731
    monkeypatch.setattr("socket.getaddrinfo", slow)
    with (
        Fetcher(replace(LIMITS, tries=1, connections=9, seconds=5.0)) as fetcher,
        ThreadPoolExecutor(8) as pool,
    ):
        started = [pool.submit(fetcher.fetch, "http://slow/a.jpg") for _ in range(8)]
        assert fetcher.fetch(server.url("/a.jpg")).content == b"picture"
        ended.set()
        for each in started:
            assert isinstance(each.exception(), FetchError)


def test_a_name_that_resolves_slowly_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: ended.wait(10) and [])
    with pytest.raises(FetchError, match=r"timed out after 0\.3 s"):
        fetch_picture("http://slow.example/a.jpg", limits=SHORT)
    ended.set()


ODD = [
    "http://xn--/x.jpg",
    "http://a\ud800.example/x.jpg",
    "http://a/\udcff.jpg",
    "http://[v1.a]/",
    "http://a:b/",
]
ODD += [
    "http://a:99999/",
    "http://\x00/",
    "http://xn--a/",
    "http://" + "a" * 300 + "/",
    "http://a..b/",
    "http://\u3002/",
]


@pytest.mark.parametrize("url", ODD)
def test_every_error_of_a_url_is_a_fetch_error_that_can_be_printed(url: str) -> None:
    with pytest.raises(FetchError) as raised:
        fetch_picture(url, limits=SHORT)
    str(raised.value).encode()
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("place", ODD)
def test_redirects_to_them_are_too(server: Web, place: str) -> None:
    server.answers["/a.jpg"] = redirect(place.encode("utf-8", "replace").decode("latin-1"))
    with pytest.raises(FetchError):
        fetch_picture(server.url("/a.jpg"), limits=SHORT)


def test_unexpected_errors_of_libraries_name_the_url(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_oddly(*_: object, **__: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr("httpcore.ConnectionPool.stream", fail_oddly)
    with pytest.raises(FetchError, match=r"/a\.jpg: cannot be fetched \('odd'\)\. Check the URL\."):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: Web, status: int) -> None:
    server.answers["/a.jpg"] = redirect("/deep/b.jpg", status)
    server.answers["/deep/b.jpg"] = redirect("c.jpg", status)
    server.answers["/deep/c.jpg"] = serve(b"picture")
    assert fetch_picture(server.url("/a.jpg"), limits=LIMITS) == b"picture"


def test_endless_redirects_are_refused(server: Web) -> None:
    server.answers["/a.jpg"] = redirect("/a.jpg")
    with pytest.raises(FetchError, match="redirects more than 5 times"):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)
    assert len(server.asked) == 6


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/a.jpg"])
def test_redirects_to_other_schemes_are_refused(server: Web, place: str) -> None:
    server.answers["/a.jpg"] = redirect(place)
    with pytest.raises(FetchError, match=r"/a\.jpg: redirects to .*: not an http"):
        fetch_picture(server.url("/a.jpg"), limits=LIMITS)


@pytest.mark.parametrize(
    "url",
    ["ftp://shop.example/a.jpg", "file:///etc/passwd", "/a.jpg", "http:///a.jpg", "http://[::1/a.jpg", ""],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(FetchError, match=r"not a URL|not an http"):
        fetch_picture(url)


def test_urls_with_passwords_are_refused_without_repeating_them() -> None:
    with pytest.raises(FetchError, match="contains a password") as raised:
        fetch_picture("http://me:secret@shop.example/a.jpg")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_this_machine_is_refused_unless_allowed(server: Web, host: str) -> None:
    with pytest.raises(FetchError, match="not on the public internet"):
        fetch_picture(server.url("/a.jpg", host))
    assert server.asked == []


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat 127.0.0.1 as the only public address."""
    monkeypatch.setattr("perfectlook.fetching.is_public", lambda address: address == "127.0.0.1")


def test_a_redirect_to_a_private_address_is_refused(server: Web, public: None) -> None:
    server.answers["/a.jpg"] = redirect(server.url("/secret", "127.0.0.2"))
    with pytest.raises(FetchError, match=r"/a\.jpg: 127\.0\.0\.2: its address 127\.0\.0\.2 is not"):
        fetch_picture(server.url("/a.jpg"))
    assert server.paths == ["/a.jpg"]


def test_the_checked_address_is_used_for_the_connection(
    server: Web, public: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is public at the first lookup and private at the next (DNS rebinding)."""
    looked_up: list[object] = []
    port = server.server_address[1]

    def look_up(host: object, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    server.answers["/a.jpg"] = serve(b"picture")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, *rest, **more: look_up(host) if host == "shop.example" else resolve(host, *rest, **more),
    )
    assert fetch_picture(server.url("/a.jpg", "shop.example")) == b"picture"
    assert looked_up == ["shop.example"]
    assert server.asked[0][1]["host"] == f"shop.example:{port}"


def test_proxies_of_the_environment_are_not_used(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/a.jpg"] = serve(b"picture")
    assert fetch_picture(server.url("/a.jpg"), limits=LIMITS) == b"picture"


def test_closing_stops_fetches_of_other_threads(server: Web) -> None:
    server.answers["/stall.jpg"], server.answers["/busy.jpg"] = stall, fail(503, retry_after="60")
    patient = replace(LIMITS, seconds=60, longest_pause=60)
    failures: list[FetchError] = []

    def fetch(path: str) -> None:
        try:
            fetcher.fetch(server.url(path))
        except FetchError as error:
            failures.append(error)

    with Fetcher(patient) as fetcher:
        threads = [threading.Thread(target=fetch, args=(path,)) for path in server.answers]
        for thread in threads:
            thread.start()
        while len(server.asked) < 2:
            server.ended.wait(0.001)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(failures) == 2


def test_pauses_between_tries_grow_and_are_bounded(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(Fetcher, "_pause", lambda _, seconds: slept.append(seconds))
    server.answers["/a.jpg"] = fail(500)
    with pytest.raises(FetchError):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, tries=4, first_pause=1, longest_pause=3))
    assert 0.5 <= slept[0] <= 1
    assert 1 <= slept[1] <= 2
    assert 2 <= slept[2] <= 3
    server.answers["/a.jpg"] = fail(429, retry_after="3600")
    with pytest.raises(FetchError):
        fetch_picture(server.url("/a.jpg"), limits=replace(LIMITS, tries=2, longest_pause=3))
    assert slept[3] == 3


@pytest.mark.parametrize(("status", "passing"), [(404, False), (403, False), (503, True)])
def test_a_failure_has_the_status_of_the_response(server: Web, status: int, passing: bool) -> None:
    server.answers["/a.jpg"] = fail(status)
    with pytest.raises(FetchError) as raised:
        fetch_picture(server.url("/a.jpg"), limits=SHORT)
    assert (raised.value.status, raised.value.passing) == (status, passing)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("7", 7, 7),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1e8, 1e10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
    ],
)
def test_a_failure_has_the_wait_that_the_server_asks_for(
    server: Web, retry_after: str, least: float, most: float
) -> None:
    server.answers["/a.jpg"] = fail(429, retry_after=retry_after)
    with pytest.raises(FetchError) as raised:
        fetch_picture(server.url("/a.jpg"), limits=SHORT)
    assert least <= raised.value.pause <= most


def test_closing_wakes_a_waiting_thread(server: Web) -> None:
    waited_out = []

    def wait(handler: Handler) -> None:
        if not handler.server.ended.wait(20):
            waited_out.append(handler.path)
        handler.close_connection = True

    server.answers["/a.jpg"] = wait
    fetcher = Fetcher(replace(LIMITS, seconds=25, tries=1))

    def close() -> None:
        while not server.asked:
            server.ended.wait(0.001)
        fetcher.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(FetchError):
        fetcher.fetch(server.url("/a.jpg"))
    closing.join()
    assert waited_out == []
