"""A server with far more requests than it can answer: none is lost, and no answer is another's."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from serving import Running, Store, running

CALLERS = 16


def products(answer: httpx.Response) -> list[list[str]]:
    """Return the ids of the products of each category."""
    return [[each["id"] for each in section["products"]] for section in answer.json()["categories"]]


def counted(own: Running) -> Counter[int]:
    """Return the server's own counts of answers to photos, by status."""
    route = re.escape('perfectlook_request_seconds_count{method="POST",route="/v1/complete",status=')
    found = re.findall(rf'^{route}"(\d+)"}} (\S+)$', own.client.get("/metrics").text, re.M)
    return Counter({int(status): int(float(count)) for status, count in found})


@pytest.mark.parametrize("requests", [160, pytest.param(20_000, marks=pytest.mark.long)])
def test_at_saturation_every_request_gets_its_own_answer_or_503(
    own_store: Store, tmp_path: Path, requests: int
):
    photos = [path.read_bytes() for path in own_store.photos]
    with running(own_store, tmp_path, workers=1, queue=2) as own:
        right = [products(own.photo(path, k="3")) for path in own_store.photos]
        before = counted(own)

        def ask(number: int) -> int:
            which = number % len(photos)
            files = {"photo": photos[which]}
            answer = own.client.post("/v1/complete", files=files, data={"k": "3"})
            if answer.status_code == 200:
                assert products(answer) == right[which]
            else:
                assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True), (
                    answer.text
                )
            return answer.status_code

        with ThreadPoolExecutor(CALLERS) as callers:
            answers = Counter(callers.map(ask, range(requests)))
        assert answers.total() == requests
        assert min(answers[200], answers[503]) > 0
        assert counted(own) - before == answers
        assert own.client.get("/ready").status_code == 200
        assert products(own.photo(own_store.photos[0], k="3")) == right[0]
