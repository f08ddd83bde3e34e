"""What to look at in the pictures when answers are bad."""

import re
from html import escape

from perfectlook.report.report import Report


def advice(report: Report) -> str:
    """A list of questions, for the pictures to answer."""
    asked = [_FIVE, _PAIR, _BOX if report.n_cut else _NO_BOX, _PICTURE, _TWINS]
    if report.has_attention:
        asked.append(_LOOKS)
    return "".join(f"<li><h3>{escape(title)}</h3><p>{_with_code(text)}</p></li>" for title, text in asked)


_FIVE = (
    "Would the five have done as well?",
    "Then the answer is not bad: the set counts one right product, and a scene has room for several. Many "
    "such "
    "cases say that the model is better than its figure.",
)
_PAIR = (
    "Is the pair right?",
    "A product that is not in the scene, or stands in the wrong category, can only be guessed. Take such "
    "rows out "
    "of `pairs.jsonl`, or mend `categories.json`.",
)
_BOX = (
    "Is the box right?",
    "A box that misses the product leaves it in view, which flatters; one that is too large leaves nothing "
    "to go "
    "by. The small picture beside the scene shows the box (dashed) and what is left.",
)
_NO_BOX = (
    "Does the scene show the product?",
    "A scene that is shown whole gives away the colour and the cut of its own product. Boxes in "
    "`pairs.jsonl` and "
    "`--scene crop` take it away.",
)
_PICTURE = (
    "What does the product's picture show?",
    "On white, alone and whole is best. A person, a room or a collage around it is what the model compares "
    "instead.",
)
_LOOKS = (
    "Where does it look?",
    "Attention on a watermark, a border or a face is a hint that pictures of one source share it. "
    "`evaluate --explain` measures whether the attention matters at all.",
)
_TWINS = (
    "Are there twins in the catalogue?",
    "The same product under several ids pushes the true one down its own ranking: nearest products that look "
    "the "
    "same are the sign.",
)


def _with_code(text: str) -> str:
    """Escape a text; what stands between backquotes becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
