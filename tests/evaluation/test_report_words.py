"""The sentences of the page."""

import dataclasses
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from perfectlook.evaluation import report
from perfectlook.evaluation.protocol import Interval, PairResult
from perfectlook.evaluation.report import Case, Parts, ShownProduct, templates
from perfectlook.types import REGIONS, Box, Pair, Product, View

WORDS = templates().get_template("words.html").module
CHAIRS = "Furniture|Chairs"
CHAIR = Product("a1", CHAIRS, Path("a1.jpg"))


def case(rank: float, n_candidates: int, n_as_near: int = 0, **more: object) -> Case:
    """A chair that the whole scene moves 0.30 nearer and the regions 0.10."""
    share = (n_candidates + 1 - rank) / n_candidates
    true = ShownProduct(CHAIR, 1.2, Parts(0.7, 0.5), is_true=True)
    made = Case(
        result=PairResult("s", "a1", CHAIRS, share, rank, n_candidates, 0),
        pair=Pair("s", "a1"),
        view=View(Path("s.jpg")),
        rectangle=None,
        attention=np.full(REGIONS, 1 / REGIONS, np.float32),
        known_category=CHAIRS,
        true=true,
        nearest=(true,),
        n_nearer=int(rank - 1 - n_as_near / 2),
        n_as_near=n_as_near,
        mean_distance=1.6,
        mean_parts=Parts(1.0, 0.6),
        seen_in_training=False,
    )
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_figures():
    assert plain(report.percent(0.6757)) == "67.6 %"
    assert plain(report.percent(0.6757, 0)) == "68 %"
    assert plain(report.bounds(Interval(0.6757, 0.6478, 0.7022))) == "64.8 to 70.2 %"
    assert plain(report.counted(1, "pair")) == "1 pair"
    assert plain(report.counted(1200, "pair")) == "1,200 pairs"
    assert report.level_path(CHAIRS) == "Furniture › Chairs"
    assert (report.last_level(CHAIRS), report.last_level("")) == ("Chairs", "no category")


def test_products_are_named_by_their_title_or_id():
    assert report.name_of(CHAIR) == "product a1"
    assert report.name_of(dataclasses.replace(CHAIR, title="Oak chair")) == "Oak chair"


def test_ranks_have_halves_only_with_ties():
    rank = templates().get_template("case.html").module.rank
    assert rank(case(1, 499)) == "1 of 500"
    assert rank(case(2.5, 1999, n_as_near=1)) == "2.5 of 2,000"
    assert rank(case(1500, 1999)) == "1,500 of 2,000"


ON_LISTING = [
    (
        case(1, 499),
        "best",
        "None of the 499 other products is nearer. A guess does as well in 1 of 500 cases.",
    ),
    (
        case(2, 499),
        "best",
        "1 of the 499 other products is nearer. A guess does as well in 1 of 250 cases.",
    ),
    (case(500, 499), "worst", "All 499 other products are nearer. A guess does as badly in 1 of 500 cases."),
    (
        case(2, 1),
        "worst",
        "The only other product of the category is nearer. A guess does as badly in nearly half of all "
        "cases.",
    ),
    (
        case(1.5, 9, 1),
        "best",
        "None of the 9 other products is nearer, and 1 is equally near. A guess does as well in 1 of 7 "
        "cases.",
    ),
    (
        case(3, 8),
        "random",
        "Drawn at random. 2 of the 8 other products are nearer. The true product ranks ahead of 75 % of "
        "them; a guess averages 50 %.",
    ),
]


@pytest.mark.parametrize(("found", "kind", "said"), ON_LISTING)
def test_why_a_case_is_listed(found, kind, said):
    assert plain(WORDS.why_listed(found, kind)) == said


def test_the_parts_of_the_distance_in_words():
    against = "Compared with the average product of the category, the whole scene"
    assert (
        WORDS.what_made_it(case(1, 9))
        == f"{against} moves the product 0.30 nearer, and the regions move it 0.10 nearer."
    )
    pushed = ShownProduct(CHAIR, 1.9, Parts(1.25, 0.55), is_true=True)
    assert (
        WORDS.what_made_it(case(9, 9, true=pushed))
        == f"{against} moves the product 0.25 farther away, and the regions move it 0.05 nearer."
    )
    assert WORDS.what_made_it(case(1, 9, attention=None)) == f"{against} moves the product 0.30 nearer."
    assert WORDS.what_made_it(case(1, 9, mean_parts=None)) == ""


def remarks(found: Case) -> list[str]:
    return [unescape(plain(each)) for each in re.findall(r"<li>(.*?)</li>", WORDS.remarks(found), re.S)]


def test_remarks_on_a_case():
    assert remarks(case(1, 99)) == ["strongest region: 1.0 times the average attention"]
    all_of_it = case(
        1,
        9,
        attention=None,
        rectangle=Box(0, 0, 1, 0.5),
        known_category="Furniture",
        seen_in_training=True,
        has_copy=True,
        is_trained=True,
    )
    assert remarks(all_of_it) == [
        "the model was trained on this scene",
        "the scene has a copy under another id",
        "product seen in training",
        "50 % of the picture remains without the product",
        "the model treats it as Furniture",
        "few candidates, so chance has a large effect",
    ]
    assert "the model does not know this category" in remarks(case(1, 99, known_category=None))


def test_text_from_the_set_is_escaped():
    assert remarks(case(1, 99, known_category="Home|<b>"))[0] == "the model treats it as <b>"
    assert "<b>" not in WORDS.remarks(case(1, 99, known_category="Home|<b>"))
