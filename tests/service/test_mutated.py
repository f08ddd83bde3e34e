"""Damaged pictures of every kind: each is answered, or refused with the right error."""

import random

import pytest

from pictures import FORMATS, drawn, encoded
from serving import Running

ALLOWED = {200, 400, 413, 415, 422}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return a picture with some bytes changed, cut, doubled or moved."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data))
        kind = draw.randrange(5)
        if kind == 0:
            data[place] = draw.randrange(256)
        elif kind == 1:
            data[place : place + draw.randint(1, 64)] = draw.randbytes(draw.randint(0, 64))
        elif kind == 2:
            del data[max(1, place) :]
        elif kind == 3:
            data[place:place] = data[: draw.randint(1, 200)]
        else:
            data[place : place + 4] = (2**32 - 1 - draw.randrange(4)).to_bytes(4, "big")
    return bytes(data)


def check(shop: Running, cases: int, seed: int) -> None:
    draw = random.Random(seed)
    whole = [encoded(drawn(), name) for name in FORMATS]
    for number in range(cases):
        content = damaged(whole[number % len(whole)], draw)
        answer = shop.client.post(
            "/v1/complete", params={"k": 1}, content=content, headers={"Content-Type": "image/jpeg"}
        )
        assert answer.status_code in ALLOWED, (number, answer.text, content[:64])
    assert shop.client.get("/ready").status_code == 200
    assert shop.client.post(
        "/v1/complete", content=whole[0], headers={"Content-Type": "image/png"}
    ).is_success


def test_mutated_pictures(shop: Running):
    check(shop, 64, seed=1)


@pytest.mark.long
def test_ten_thousand_mutated_pictures(shop: Running):
    check(shop, 10_000, seed=2)
