"""The charts of the page, counted by hand."""

from perfectlook.evaluation.protocol import Interval, PairResult
from perfectlook.evaluation.report import place_counts, templates

PARTS = templates().get_template("parts.html").module


def placed(share: float) -> PairResult:
    return PairResult("s", "p", "c", share, 1, 20, 0)


def test_places_are_counted_from_the_nearest():
    shares = [1.0, 0.96, 0.95, 0.5, 0.04, 0.0]
    counts = place_counts([placed(share) for share in shares])
    assert counts[:3] == [2, 1, 0]
    assert counts[10] == 1
    assert counts[19] == 2
    assert sum(counts) == len(shares)


def test_the_histogram_describes_itself():
    drawn = PARTS.histogram([placed(1.0)] * 3 + [placed(0.0)])
    assert "Within the nearest 10 % of their category: 3 of 4\u00a0true products (75\u00a0%)" in drawn
    assert drawn.count('class="bar') - drawn.count('class="bars"') == 20
    assert drawn.count('class="bar better"') == 2
    assert "a guess: 0.2 each" in drawn
    assert drawn.count("<tr>") == 21


def test_the_scale_is_as_long_as_the_figure():
    assert "--value:67.57%;--low:64.78%;--high:70.22%" in PARTS.scale(Interval(0.6757, 0.6478, 0.7022))
