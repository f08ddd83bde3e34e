"""Asking servers that serve, stall, fail, ask for a wait, and refuse."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from perfectlook.data.fetch.download import FetchPolicy, HostUnavailableError, WebPlace
from perfectlook.errors import FetchError
from web import Handler, Web, break_off, fail, first, redirect, serve, stall

POLICY = FetchPolicy(first_pause=0.01, longest_pause=0.02, seconds=5, longest_wait=2)


def place(server: Web, policy: FetchPolicy, *, allow_private: bool = False) -> WebPlace:
    return WebPlace({"/": server.url("/")}, policy, allow_private=allow_private)


@pytest.mark.parametrize("failure", [fail(500), fail(503), fail(429, retry_after="0"), break_off(b"pict")])
def test_temporary_failures_are_retried(server: Web, failure: object):
    server.answers["/a"] = first(failure, failure, failure, serve(b"content"))  # type: ignore[arg-type]
    with place(server, POLICY, allow_private=True) as hosts:
        assert hosts.read("/a") == b"content"
    assert len(server.asked) == 4


def test_redirects_are_followed(server: Web):
    server.answers |= {"/a": redirect("/b"), "/b": serve(b"content")}
    with place(server, POLICY, allow_private=True) as hosts:
        assert hosts.read("/a") == b"content"


@pytest.mark.parametrize("status", [404, 410, 400, 451])
def test_a_missing_file_is_requested_once(server: Web, status: int):
    server.answers["/a"] = fail(status)
    with place(server, POLICY, allow_private=True) as hosts, pytest.raises(FetchError) as raised:
        hosts.read("/a")
    assert (raised.value.status, raised.value.passing) == (status, False)
    assert len(server.asked) == 1


def test_a_stalled_server_times_out(server: Web):
    server.answers["/a"] = stall
    policy = replace(POLICY, seconds=0.2, tries=2)
    with (
        place(server, policy, allow_private=True) as hosts,
        pytest.raises(FetchError, match="timed out") as raised,
    ):
        hosts.read("/a")
    assert raised.value.passing


def test_retry_after_holds_for_all_files_of_a_server(server: Web):
    """Until the end of Retry-After, no file is requested."""
    arrivals: list[float] = []

    def note(handler: Handler) -> None:
        arrivals.append(time.monotonic())
        handler.reply(200, b"content")

    def refuse(handler: Handler) -> None:
        arrivals.append(time.monotonic())
        handler.reply(429, retry_after="1")

    server.answers["/first"] = first(refuse, note)
    server.answers["/second"] = note
    with place(server, POLICY, allow_private=True) as hosts, ThreadPoolExecutor(2) as pool:
        asked = pool.submit(hosts.read, "/first")
        while not any(host.not_before for host in hosts._hosts.values()):
            time.sleep(0.001)
        assert hosts.read("/second") == b"content"
        assert asked.result() == b"content"
    refused, *given = sorted(arrivals)
    assert len(given) == 2
    assert min(given) - refused >= 1


def test_a_server_that_asks_for_a_long_wait_is_given_up(server: Web):
    server.answers["/a"] = fail(429, retry_after="3600")
    with (
        place(server, POLICY, allow_private=True) as hosts,
        pytest.raises(HostUnavailableError, match=r"asks to wait 3,600 s\. Run the same command again later"),
    ):
        hosts.read("/a")
    assert len(server.asked) == 1


def test_retry_after_may_be_a_date(server: Web):
    server.answers["/a"] = fail(503, retry_after="Fri, 31 Dec 2100 23:59:59 GMT")
    with (
        place(server, POLICY, allow_private=True) as hosts,
        pytest.raises(HostUnavailableError, match="asks to wait"),
    ):
        hosts.read("/a")


def test_a_server_that_does_not_respond_is_given_up(server: Web):
    server.answers |= {f"/{number}": fail(500) for number in range(3)}
    with place(server, replace(POLICY, tries=2, given_up_after=3), allow_private=True) as hosts:
        for number in range(2):
            with pytest.raises(FetchError, match="answered 500"):
                hosts.read(f"/{number}")
        with pytest.raises(HostUnavailableError, match="does not respond"):
            hosts.read("/2")


def test_a_success_resets_the_count_of_failures(server: Web):
    server.answers |= {"/bad": fail(500), "/good": serve(b"x")}
    with place(server, replace(POLICY, tries=1, given_up_after=2), allow_private=True) as hosts:
        for _ in range(3):
            with pytest.raises(FetchError, match="answered 500"):
                hosts.read("/bad")
            hosts.read("/good")


def test_only_a_server_that_refuses_everything_is_given_up(server: Web):
    server.answers |= {"/bad": fail(403), "/good": serve(b"x")}
    policy = replace(POLICY, given_up_after=2)
    with place(server, policy, allow_private=True) as hosts:
        with pytest.raises(FetchError, match="answered 403"):
            hosts.read("/bad")
        with pytest.raises(
            HostUnavailableError, match=r"refused the first \d+ files\. Use a mirror with --from"
        ):
            hosts.read("/bad")
    with place(server, policy, allow_private=True) as hosts:
        hosts.read("/good")
        for _ in range(4):
            with pytest.raises(FetchError, match="answered 403"):
                hosts.read("/bad")


def test_parallel_requests_to_a_server_are_limited(server: Web):
    lock, now, most = threading.Lock(), [0], [0]

    def busy(handler: Handler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        handler.reply(200, b"x")

    server.answers |= {f"/{number}": busy for number in range(12)}
    with (
        place(server, replace(POLICY, at_once=2), allow_private=True) as hosts,
        ThreadPoolExecutor(8) as pool,
    ):
        assert list(pool.map(hosts.read, [f"/{number}" for number in range(12)])) == [b"x"] * 12
    assert most == [2]


def test_private_addresses_are_refused_unless_allowed(server: Web):
    server.answers["/a"] = serve(b"x")
    with (
        place(server, POLICY) as hosts,
        pytest.raises(FetchError, match="not on the public internet"),
    ):
        hosts.read("/a")
    assert server.asked == []


def test_closing_ends_every_wait(server: Web):
    server.answers["/a"] = fail(503, retry_after="2")
    hosts = place(server, POLICY, allow_private=True)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(hosts.read, "/a")
        while not server.asked:
            time.sleep(0.001)
        hosts.close()
        with pytest.raises(FetchError):
            asked.result(timeout=5)
