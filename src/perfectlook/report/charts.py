"""The few charts of a page, HTML and CSS: a scale with an interval, and the histogram of places."""

from collections.abc import Sequence
from html import escape

from perfectlook.metrics import Interval
from perfectlook.report.placed import Placed
from perfectlook.report.words import counted, pairs, percent

BINS = 20


def scale(figure: Interval, *, has_interval: bool = True) -> str:
    """A track from 0 to 100 %: filled up to the value, with its interval and a mark where a guess comes.

    What it shows stands beside it in words, so it is hidden from those who listen.
    """
    interval = '<span class="scale-interval"></span>' if has_interval else ""
    return (
        f'<span class="scale" aria-hidden="true" style="--value:{100 * figure.value:.2f}%;'
        f'--low:{100 * figure.low:.2f}%;--high:{100 * figure.high:.2f}%">'
        f'<span class="scale-fill"></span>{interval}<span class="scale-guess"></span></span>'
    )


def place_counts(placed: Sequence[Placed], bins: int = BINS) -> list[int]:
    """How many true products came in each part of their ranking, nearest first.

    The place of a pair is 1 - share: 0 where the true product is nearest of all, 1 where it is farthest.
    """
    counts = [0] * bins
    for each in placed:
        counts[min(int((1 - each.result.share) * bins + 1e-9), bins - 1)] += 1
    return counts


def histogram(placed: Sequence[Placed]) -> str:
    """Where the true products came in their rankings, against the even spread of a guess."""
    counts = place_counts(placed)
    even, most = len(placed) / BINS, max(counts)
    top = max(most, even)
    step = 100 // BINS
    bars = "".join(
        f'<span class="bar{" better" if count > even else ""}" style="--height:{100 * count / top:.1f}%" '
        f'title="{_part(number, step)}: {pairs(count)}"></span>'
        for number, count in enumerate(counts)
    )
    rows = "".join(
        f'<tr><th scope="row">{_part(number, step)}</th><td>{count:,}</td></tr>'
        for number, count in enumerate(counts)
    )
    first = sum(counts[:2])
    said = (
        f"{counted(first, 'true product')} of {len(placed):,} came within the nearest {2 * step} % of their "
        f"category: {percent(first / len(placed), 0)}, where a guess gets {2 * step} %."
    )
    return f"""<figure class="histogram">
<div class="bars" role="img" aria-label="{escape(said)}" style="--even:{100 * even / top:.1f}%">{bars}
<span class="even"><span>a guess: {even:,.1f} each</span></span></div>
<div class="axis" aria-hidden="true"><span>nearest of all</span><span>middle</span><span>farthest</span></div>
<figcaption>{escape(said)}</figcaption>
<details class="numbers"><summary>The numbers</summary>
<table><thead><tr><th scope="col">place in the ranking</th><th scope="col">pairs</th></tr></thead>
<tbody>{rows}</tbody></table></details>
</figure>"""


def _part(number: int, step: int) -> str:
    return f"{number * step} to {percent((number + 1) * step / 100, 0)}"
