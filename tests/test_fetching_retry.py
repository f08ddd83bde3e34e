"""Pauses grow, stay within limits, respect Retry-After, and end."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from perfectlook.errors import FetchError
from perfectlook.fetching import Retry, retry_after


def longest(_low: float, high: float) -> float:
    return high


def shortest(low: float, _high: float) -> float:
    return low


def test_pauses_double_up_to_the_longest():
    retry = Retry(tries=6, first_pause=0.5, longest_pause=3, jitter=longest)
    assert [retry.pause() for _ in range(6)] == [0.5, 1.0, 2.0, 3.0, 3.0, None]
    assert retry.tried == 6


def test_jitter_takes_at_most_half_of_a_pause():
    retry = Retry(tries=4, first_pause=1, longest_pause=60, jitter=shortest)
    assert [retry.pause() for _ in range(4)] == [0.5, 1.0, 2.0, None]
    pauses = [Retry(first_pause=8).pause() for _ in range(50)]
    assert all(pause is not None and 4 <= pause <= 8 for pause in pauses)
    assert len(set(pauses)) > 1


def test_a_server_may_ask_for_more_but_not_for_more_than_the_longest():
    retry = Retry(tries=5, first_pause=1, longest_pause=10, jitter=longest)
    assert [retry.pause(asked) for asked in (7.0, 0.0, 3.0, 3600.0)] == [7.0, 2.0, 4.0, 10.0]


def test_one_try_is_one_try():
    assert Retry(tries=1).pause() is None


def failing(times: int, *, passing: bool = True, pause: float = 0.0) -> list[FetchError | str]:
    return [FetchError(f"failure {each}", passing=passing, pause=pause) for each in range(times)] + ["answer"]  # type: ignore[operator]


def attempt(outcomes: list[FetchError | str]) -> str:
    outcome = outcomes.pop(0)
    if isinstance(outcome, FetchError):
        raise outcome
    return outcome


def test_a_call_is_repeated_until_it_succeeds():
    slept: list[float] = []
    outcomes = failing(3)
    retry = Retry(tries=4, first_pause=0.5, jitter=longest)
    assert retry.call(lambda: attempt(outcomes), slept.append) == "answer"
    assert slept == [0.5, 1.0, 2.0]


def test_a_call_waits_as_long_as_the_failure_asks():
    slept: list[float] = []
    outcomes = failing(2, pause=5)
    retry = Retry(tries=3, first_pause=0.5, jitter=longest)
    assert retry.call(lambda: attempt(outcomes), slept.append) == "answer"
    assert slept == [5.0, 5.0]


def test_the_last_failure_is_raised():
    slept: list[float] = []
    outcomes = failing(9)
    with pytest.raises(FetchError, match="failure 2"):
        Retry(tries=3, jitter=longest).call(lambda: attempt(outcomes), slept.append)
    assert slept == [0.5, 1.0]


def test_a_permanent_failure_is_raised_immediately():
    slept: list[float] = []
    outcomes = failing(9, passing=False)
    with pytest.raises(FetchError, match="failure 0"):
        Retry().call(lambda: attempt(outcomes), slept.append)
    assert slept == []


def test_asyncio_code_waits_by_itself():
    slept: list[float] = []

    async def ask() -> str:
        retry, outcomes = Retry(tries=3, jitter=longest), failing(2)
        while True:
            try:
                return attempt(outcomes)
            except FetchError as error:
                pause = retry.pause(error.pause)
                assert pause is not None
                slept.append(pause)
                await asyncio.sleep(0)

    with ThreadPoolExecutor(1) as thread:  # the page's tests leave an event loop running in this one
        assert thread.submit(asyncio.run, ask()).result() == "answer"
    assert slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", 0.0), ("soon", 0.0), ("-3", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float):
    assert retry_after(header) == seconds


def test_a_date_counts_from_now():
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert 590 <= retry_after(later) <= 600
