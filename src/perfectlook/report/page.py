"""The page: one HTML file with its style and its pictures inside, and no script."""

from html import escape
from importlib import resources
from string import Template

from perfectlook.report.advice import advice
from perfectlook.report.casecard import case_card
from perfectlook.report.charts import histogram
from perfectlook.report.choice import Kind
from perfectlook.report.report import Report
from perfectlook.report.sections import (
    categories,
    cautions,
    colophon,
    headline,
    measured,
    more_figures,
)

INTRODUCTIONS: dict[Kind, tuple[str, str]] = {
    "best": (
        "The best answers",
        "The ranks that a guess would least often reach: first of 500 is worth more than first of 5.",
    ),
    "worst": (
        "The worst answers",
        "The ranks that a guess would least often fall to. Not all of them are wrong: several products may "
        "go with a scene, and only one counts here.",
    ),
    "random": (
        "Answers at random",
        "Neither the best nor the worst: what an ordinary answer looks like, so that the extremes do not "
        "mislead.",
    ),
}


def page(report: Report) -> str:
    """Write a report as a page; the same report gives the same page.

    Raises:
        PictureError: a picture cannot be read any more.
    """
    evaluation = report.evaluation
    has_parts = any(case.true.parts is not None for cases in report.cases.values() for case in cases)
    links = "".join(
        f'<a href="#{kind}">{kind.capitalize()}</a>' for kind, cases in report.cases.items() if cases
    )
    return Template(_text("page.html")).substitute(
        title=escape(f"{evaluation.model} on {evaluation.set_name}: the best and the worst answers"),
        style=_text("page.css"),
        switch=_SWITCH if report.has_attention else "",
        links=links,
        headline=headline(report),
        cautions=cautions(report),
        figures=more_figures(report),
        histogram=_histogram(report),
        categories=categories(report),
        legend=_legend(report.has_attention, has_parts=has_parts),
        cases="".join(_section(report, kind) for kind in report.cases),
        measured=measured(report),
        advice=advice(report),
        colophon=colophon(report),
    )


def _histogram(report: Report) -> str:
    if report.too_little is None:
        return histogram(report.placed)
    return '<p class="nothing">One scene says nothing about where true products come.</p>'


def _section(report: Report, kind: Kind) -> str:
    cases, (title, introduction) = report.cases[kind], INTRODUCTIONS[kind]
    if not cases and (kind == "random" or report.too_little):
        return ""
    if len(report.placed) == 1:
        title, introduction = "The answer", "The only one there is."
    cards = "".join(
        case_card(
            case,
            kind,
            number,
            has_copy=case.pair.scene in report.copied_scenes,
            is_trained=case.pair.scene in report.trained_scenes,
        )
        for number, case in enumerate(cases, 1)
    )
    nothing = f'<p class="nothing">There is none: no rank is {_PAST_THE_MIDDLE[kind]} the middle.</p>'
    return f"""<section class="cases" id="{kind}" aria-labelledby="{kind}-title">
<header class="section-head"><h2 id="{kind}-title">{title}</h2><p>{introduction}</p></header>
{cards or nothing}</section>"""


_PAST_THE_MIDDLE = {"best": "before", "worst": "behind", "random": "at"}

_SWITCH = """<label class="switch"><input type="checkbox" id="attention" checked />
<span class="track" aria-hidden="true"></span><span>Attention</span></label>"""


def _legend(has_attention: bool, *, has_parts: bool) -> str:
    regions = '<span class="key regions"></span>the regions' if has_attention else ""
    attention = (
        " In colour, where the model looks for that category; faded, where it does not."
        if has_attention
        else ""
    )
    keys = f"""<p class="keys"><span class="key whole-scene"></span>the whole scene {regions}
<span class="key mean"></span>the average product of the category</p>"""
    return f"""<aside class="legend" aria-label="How to read a case">
<p>Each case shows the scene as the model sees it, the product that belongs there, and the five products that
the model puts nearest.{attention} Under a product stands its distance, lower is
nearer{", and what it is the sum of" if has_attention else ""}.</p>
{keys if has_parts else ""}</aside>"""


def _text(name: str) -> str:
    return resources.files("perfectlook.report").joinpath(name).read_text(encoding="utf-8")
