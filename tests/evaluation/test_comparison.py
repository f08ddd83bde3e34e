"""Comparing models: the same pairs for all, the right differences, and the report."""

import dataclasses
import json
import re
import shutil
import sys

import numpy as np
import pytest

from perfectlook.errors import DatasetError, PerfectLookError, UsageError
from perfectlook.evaluation.comparison import common_pairs, compare, comparison_of
from perfectlook.evaluation.evaluate import Evaluation
from perfectlook.evaluation.protocol import PairResult, figures, paired_difference
from perfectlook.model.runtime import open_model
from printed import docs_page

CHAIRS, LAMPS = "Furniture|Chairs", "Lighting|Lamps"


def results_of(shares: list[float]) -> list[PairResult]:
    """Two pairs per scene, a chair and a lamp, each with ten candidates."""
    return [
        PairResult(
            f"s{place // 2}", f"p{place}", (CHAIRS, LAMPS)[place % 2], share, 1 + 10 * (1 - share), 10, place
        )
        for place, share in enumerate(shares)
    ]


def evaluation(model: str, results: list[PairResult], **changes) -> Evaluation:
    overall = figures(results)
    assert overall is not None
    of_category = {name: figures([r for r in results if r.category == name]) for name in (CHAIRS, LAMPS)}
    found = Evaluation(
        set_name="rooms",
        split="test",
        scene="crop",
        model=model,
        results=results,
        overall=overall,
        unseen=None,
        per_category={name: each for name, each in of_category.items() if each is not None},
        n_without_candidates=0,
        n_dropped=0,
        n_twin_scenes=0,
        n_trained_scenes=0,
    )
    return dataclasses.replace(found, **changes)


@pytest.fixture
def three() -> dict[str, Evaluation]:
    draw = np.random.default_rng(0)
    base = draw.uniform(0.2, 0.8, 80)
    shares = {"worse": base - 0.1, "best": base + 0.1, "near": base + 0.1 + draw.normal(-0.001, 0.1, 80)}
    return {name: evaluation(name, results_of(list(each))) for name, each in shares.items()}


def test_models_are_sorted_and_compared_with_the_best_by_paired_differences(three):
    found = comparison_of(three)
    assert [each.label for each in found.models] == ["best", "near", "worse"]
    best, near, worse = found.models
    assert found.reference == "best"
    assert best.difference is None
    assert worse.difference == pytest.approx((0.2, 0.2, 0.2))
    assert worse.is_surely_worse
    scenes = [result.scene for result in three["best"].results]
    shares = [np.array([r.share for r in three[name].results]) for name in ("best", "near")]
    assert near.difference == paired_difference(*shares, scenes)
    assert not near.is_surely_worse
    assert found.n_left_out == 0


def test_the_reference_can_be_another_model_than_the_best(three):
    found = comparison_of(three, reference="worse")
    assert found.models[0].label == "best"
    assert found.models[0].difference == pytest.approx((-0.2, -0.2, -0.2))
    assert found.models[2].difference is None
    with pytest.raises(UsageError, match=r"unknown reference 'absent'\. Choose one of: worse, best, near"):
        comparison_of(three, reference="absent")


def test_only_pairs_that_all_models_share_count():
    one = results_of([0.1, 0.2, 0.3, 0.4])
    other = [dataclasses.replace(result, share=1.0) for result in one[1:]]
    found = comparison_of({"one": evaluation("one", one), "other": evaluation("other", other)})
    assert found.n_left_out == 1
    assert [each.evaluation.overall.n_pairs for each in found.models] == [3, 3]
    assert found.models[1].evaluation.overall.binary_accuracy.value == pytest.approx(0.3)
    chairs = found.models[1].evaluation.per_category[CHAIRS]
    assert (chairs.n_pairs, chairs.binary_accuracy.value) == (1, pytest.approx(0.3))
    assert "1 pair left out" in found.title()


def test_a_repeated_row_stays_if_all_models_have_every_copy():
    pair = results_of([0.5])[0]
    twice, other = [pair, dataclasses.replace(pair, share=0.7)], results_of([0.1, 0.2])[1:]
    kept, left_out = common_pairs([twice + other, twice + other])
    assert kept[0] == twice + other
    assert left_out == 0
    kept, left_out = common_pairs([twice + other, [pair, *other]])
    assert kept == [other, other]
    assert left_out == 2


def test_no_common_pair_is_an_error():
    one, other = results_of([0.1, 0.2])
    with pytest.raises(DatasetError, match="no pair can be evaluated with all of a, b"):
        comparison_of({"a": evaluation("a", [one]), "b": evaluation("b", [other])})


def test_the_report_has_the_figures_of_every_model(three):
    found = comparison_of(three).to_dict()
    assert {key: found[key] for key in ("set", "split", "scene", "n_pairs", "n_scenes", "reference")} == {
        "set": "rooms",
        "split": "test",
        "scene": "crop",
        "n_pairs": 80,
        "n_scenes": 40,
        "reference": "best",
    }
    best, _, worse = found["models"]
    assert best["difference"] is None
    assert worse["difference"]["above_zero"] is True
    assert worse["difference"]["ci95"] == pytest.approx([0.2, 0.2])
    expected = three["worse"].to_dict() | {"model": "worse", "difference": worse["difference"]}
    assert worse == expected


def test_the_tables_have_a_row_for_every_model_and_category(three):
    found = comparison_of(three)
    text, markdown = found.to_text(), found.to_markdown()
    header, rows = found.table()
    assert [row[0] for row in rows] == ["best", "near", "worse"]
    assert header[-2:] == ["best minus this", "above 0"]
    assert rows[2][-2:] == ["+0.200 [+0.200, +0.200]", "yes"]
    assert rows[0][-1] == "–"
    assert CHAIRS in text
    assert "| Furniture\\|Chairs | 40 |" in markdown
    header, rows = found.category_table(["worse"])
    assert header == ["category", "pairs", "worse"]
    assert rows[0][:2] == [CHAIRS, "40"]


def test_a_single_model_has_no_difference(three):
    found = comparison_of({"best": three["best"]})
    assert "minus" not in found.to_text()


def test_a_note_names_a_model_trained_on_evaluated_scenes(three):
    three["near"] = dataclasses.replace(three["near"], n_trained_scenes=7)
    assert comparison_of(three).notes() == ["note: near was trained on 7 of these scenes"]


def test_the_chart_is_drawn(three, tmp_path):
    comparison_of(three).draw(tmp_path / "chart.svg")
    assert "<svg" in (tmp_path / "chart.svg").read_text(encoding="utf-8")


def test_a_comparison_prints_as_a_table_and_converts(three):
    pd = pytest.importorskip("pandas")
    found = comparison_of(three | {"<b>": dataclasses.replace(three["near"], model="<b>")})
    assert str(found) == repr(found) == found.to_text()
    assert json.loads(found.to_json()) == json.loads(json.dumps(found.to_dict()))
    shown = found._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 2
    assert "&lt;b&gt;" in shown and "<b>" not in shown
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["model"]) == [each.label for each in found.models]
    worse = frame[frame["model"] == "worse"].iloc[0]
    assert worse["difference_low"] == pytest.approx(0.2)
    assert worse["binary_accuracy"] == three["worse"].overall.binary_accuracy.value
    assert frame["difference"].isna().sum() == 1


def test_without_pandas_there_is_no_frame(three, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PerfectLookError, match="pip install pandas"):
        comparison_of(three).to_frame()


def test_open_models_folders_and_shipped_names_are_compared_alike(measured, monkeypatch):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(measured.source.parent / "cache"))
    monkeypatch.setattr("perfectlook.files.MODELS", measured.model.parent)
    monkeypatch.chdir(measured.source)
    by_name = compare(["model", measured.popularity], measured.features.dataset, split="all", workers=1)
    opened = [open_model(measured.model), open_model(measured.popularity)]
    assert compare(opened, measured.source, split="all", workers=1).to_dict() == by_name.to_dict()
    with pytest.raises(UsageError, match="named more than once"):
        compare([opened[0], opened[0]], measured.source)


def test_a_repeated_model_and_no_model_are_errors(tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(UsageError, match="named more than once"):
        compare([tmp_path / "m", tmp_path / "x" / ".." / "m"], tmp_path)
    with pytest.raises(UsageError, match="no model to compare"):
        compare([], tmp_path)


def test_the_program_of_the_documentation_runs(measured, tmp_path, monkeypatch, capsys):
    text = docs_page("evaluation.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    for name, folder in (("SET", measured.source), ("MODEL", measured.model), ("OTHER", measured.popularity)):
        shutil.copytree(folder, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "evaluation.md", "exec"), {"__name__": "__main__"})
    assert "OTHER" in capsys.readouterr().out
