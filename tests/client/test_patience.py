"""Busy servers are asked again, as late as they say and so often."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from perfectlook.client.transport import Patience

PATIENCE = Patience(retries=2, longest=60)


@pytest.mark.parametrize(
    ("tried", "status", "headers", "pause"),
    [
        (1, 503, {"retry-after": "7"}, 7),
        (2, 429, {"retry-after": "60"}, 60),
        (3, 503, {"retry-after": "7"}, None),  # that was the second retry
        (1, 503, {"retry-after": "61"}, None),  # longer than anyone wants to wait
        (1, 503, {}, 0.5),
        (2, 503, {"retry-after": "soon"}, 1.0),
        (1, 503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        (1, 500, {"retry-after": "7"}, None),
        (1, 200, {}, None),
    ],
)
def test_the_pause(tried: int, status: int, headers: dict[str, str], pause: float | None) -> None:
    assert PATIENCE.pause(tried, status, headers) == pause


def test_a_moment_is_waited_for() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    pause = Patience(1, 4000).pause(1, 503, {"retry-after": moment})
    assert pause is not None
    assert 3000 < pause <= 3600
