"""One answer on the page."""

from html import escape

from perfectlook.report.case import Answer, Case
from perfectlook.report.choice import Kind
from perfectlook.report.pictures import Inlined, product_picture, scene_pictures
from perfectlook.report.words import (
    last_level,
    name_of,
    rank_of,
    remarks,
    spoken_path,
    what_made_it,
    why_listed,
)
from perfectlook.types import Box

ROOM = 1.03
"""How much longer a bar can be than the longest one."""


def case_card(case: Case, kind: Kind, number: int, *, has_copy: bool, is_trained: bool) -> str:
    """The article of a case: its scene, its true product and the nearest ones."""
    key = f"{kind}-{number}"
    farthest = ROOM * max(
        case.true.distance, case.mean_distance, *(each.distance for each in case.nearest), 0.0
    )
    notes = remarks(case, has_copy=has_copy, is_trained=is_trained)
    said = " ".join(filter(None, (why_listed(case, kind), what_made_it(case))))
    nearest = "".join(_answer(each, place, case, farthest) for place, each in enumerate(case.nearest, 1))
    chips = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"""<article class="case {kind}" id="{key}" aria-labelledby="{key}-title">
{_scene(case)}
<div class="case-words">
<p class="rank"><span>rank</span> {rank_of(case)}</p>
<h3 id="{key}-title" title="{escape(spoken_path(case.category))}">{escape(last_level(case.category))}</h3>
<p class="why">{escape(said)}</p>
{f'<ul class="chips">{chips}</ul>' if chips else ""}
</div>
<div class="answers">
<div class="truth"><p class="label">belongs here</p>
{_answer(case.true, None, case, farthest)}</div>
<div class="nearest"><p class="label">the model's nearest</p>
<ol>{nearest}</ol></div>
</div>
<p class="ids">scene {escape(case.pair.scene)} · product {escape(case.pair.product)}</p>
</article>"""


def _scene(case: Case) -> str:
    drawn = scene_pictures(case)
    category = escape(last_level(case.category))
    what = "the scene without the product" if drawn.whole else "the scene"
    plain = _picture(drawn.plain, f"{what}, as the model sees it for {category}", "plain")
    looked = _picture(drawn.looked, "", "looked") if drawn.looked else ""
    size = f"--ratio:{drawn.plain.width / drawn.plain.height:.4f}"
    whole = _whole(case, drawn.whole) if drawn.whole else ""
    return f'<div class="scene"><span class="seen-as" style="{size}">{plain}{looked}</span>{whole}</div>'


def _whole(case: Case, drawn: Inlined) -> str:
    """The whole picture with marks: what of it is seen, and the product's box."""
    marks = "".join(
        _mark(box, kind) for box, kind in ((case.beside, "seen"), (case.pair.box, "box")) if box is not None
    )
    return f"""<span class="whole">{_picture(drawn, "the whole picture", "")}
<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{marks}</svg></span>
<p class="whole-words">The whole picture: in orange what the model sees, dashed the product.</p>"""


def _mark(box: Box, kind: str) -> str:
    width, height = 100 * (box.right - box.left), 100 * (box.bottom - box.top)
    return (
        f'<rect class="{kind}" x="{100 * box.left:.2f}" y="{100 * box.top:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" vector-effect="non-scaling-stroke" />'
    )


def _answer(answer: Answer, place: int | None, case: Case, farthest: float) -> str:
    """One product with its distance: an entry of the list, or the true product on its own."""
    tag, product = ("div" if place is None else "li"), answer.product
    picture = _picture(product_picture(product), name_of(product), "")
    where = "" if place is None else f'<span class="place">{place}</span>'
    mine = '<span class="mine">belongs here</span>' if place is not None and answer.is_true else ""
    name = f'<span class="name">{escape(product.title)}</span>' if product.title else ""
    return f"""<{tag} class="answer{" true" if answer.is_true else ""}">
<span class="tile" title="{escape(name_of(product))}">{picture}{where}{mine}</span>{name}
{_distance(answer, case, farthest)}</{tag}>"""


def _distance(answer: Answer, case: Case, farthest: float) -> str:
    """A distance in figures and as a bar of its parts, with a mark where the category's mean is.

    A model that looks at no picture only orders: its distances have no parts and no bar.
    """
    parts = answer.parts
    if parts is None or farthest <= 0:
        return f'<span class="distance"><b>{answer.distance:.2f}</b></span>'
    lengths = {
        "whole": parts.whole / farthest,
        "regions": parts.regions / farthest,
        "mean": case.mean_distance / farthest,
    }
    style = ";".join(f"--{name}:{100 * max(length, 0.0):.1f}%" for name, length in lengths.items())
    of_both = f"{parts.whole:.2f} + {parts.regions:.2f}" if case.attention is not None else ""
    return f"""<span class="parts" aria-hidden="true" style="{style}"><span class="part-whole"></span>
<span class="part-regions"></span><span class="part-mean"></span></span>
<span class="distance"><b>{answer.distance:.2f}</b>
<span class="sum">{of_both}</span></span>"""


def _picture(picture: Inlined, says: str, kind: str) -> str:
    classes = f' class="{kind}"' if kind else ""
    return (
        f'<img{classes} src="{picture.address}" alt="{escape(says)}" width="{picture.width}" '
        f'height="{picture.height}" decoding="async" />'
    )
