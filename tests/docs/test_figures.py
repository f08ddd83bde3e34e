"""The figures in the documentation's texts are those of results.json."""

import json
import re
from typing import Any

import pytest

from perfectlook.files import model_folder, shipped_models
from perfectlook.model.files import CARD
from printed import DOCS, ROOT, docs_page

MEASURED: dict[str, Any] = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))["sets"]


def default_of(name: str) -> dict[str, Any]:
    (found,) = (each for each in MEASURED[name]["models"] if each["model"] == "default")
    return found


def shown(value: float, bounds: list[float]) -> str:
    return f"{value:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]"


@pytest.mark.parametrize("name", list(MEASURED))
def test_the_accuracies_are_those_of_the_results(name: str):
    found = default_of(name)
    unseen = found["binary_accuracy_unseen"]
    row = (
        f"| {name} | {found['n_pairs']} | {shown(found['binary_accuracy'], found['binary_accuracy_ci95'])} | "
    )
    row += f"{shown(unseen['value'], unseen['ci95'])} |"
    assert row in docs_page("figures.md").read_text(encoding="utf-8")


def test_the_readme_has_the_measured_accuracies():
    accuracies = [100 * default_of(name)["binary_accuracy"] for name in MEASURED]
    for page in (ROOT / "README.md", docs_page("tutorial.md")):
        assert f"{min(accuracies):.0f} to {max(accuracies):.0f} %" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", shipped_models())
def test_the_readme_has_the_figures_of_a_models_card(name: str):
    """On the first set that it has not seen, as it is and adapted; on test scenes of its own set."""
    card = (model_folder(name) / CARD).read_text(encoding="utf-8")
    unseen = re.search(r"^\| [\w-]+ \| [\d,]+ \| (\d+\.\d) \[.*?\| (\d+\.\d) \[", card, re.M)
    own = re.search(r"^Binary accuracy on test scenes of .*?: (\d+\.\d) \[", card, re.M)
    assert unseen
    assert own
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(rf"^\| `{name}`.* (\d+) % \|$", readme, re.M) == [
        f"{float(each):.0f}" for each in (*unseen.groups(), own[1])
    ]


VARIANTS = {
    "the paper's recipe": "published",
    "no mixture of closed forms": "no-mixture",
    "the whole scene alone": "global",
    "the regions alone": "local",
}


def test_the_worth_of_every_part_is_that_of_the_results():
    text = docs_page("explanation/experiments.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| .*[+-]?0\.\d{3}.* \|$", text, re.M)]
    said = {row[0]: row[1:] for row in rows if row[0] in VARIANTS}
    assert said.keys() == VARIANTS.keys()
    for name, cells in said.items():
        assert (name, cells) == (name, [lead_lost(each, VARIANTS[name]) for each in MEASURED])


def lead_lost(set_name: str, model: str) -> str:
    """A variant's accuracy minus the default's, bold where the interval is below 0."""
    lead, low, _ = lead_over(set_name, model)
    cell = f"{-lead:+.3f}" if abs(lead) >= 0.0005 else "0.000"
    return f"**{cell}**" if low > 0 else cell


def lead_over(set_name: str, model: str) -> tuple[float, float, float]:
    """The default's lead over a model and its interval, cross-validated where the results have that."""
    (found,) = (each for each in MEASURED[set_name]["models"] if each["model"] == model)
    by_folds = found["trained"].get("default_minus_this_cross_validated")
    if by_folds:
        return by_folds["value"], by_folds["low"], by_folds["high"]
    return found["difference"]["value"], *found["difference"]["ci95"]


SIMPLER = {
    "the paper's recipe": "published",
    "IBR": "ibr",
    "ridge regression": "ridge",
    "ridge, style statistics only": "ridge-style",
    "the mixture of closed forms alone": "mixture",
    "the same with DINOv2 too": "mixture-dinov2",
}


@pytest.mark.parametrize("name", SIMPLER)
def test_the_leads_over_simpler_methods_are_those_of_the_results(name: str):
    cells = []
    for set_name in ("stl-fashion", "ccp-looks", "ikea-rooms"):
        value, low, high = lead_over(set_name, SIMPLER[name])
        cell = f"{value:+.3f} [{low:.3f}, {high:.3f}]"
        cells.append(f"**{cell}**" if low > 0 else cell)
    assert f"| {name} | {' | '.join(cells)} |" in docs_page("figures.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(MEASURED))
def test_the_limits_have_the_measured_accuracies(name: str):
    found = default_of(name)
    accuracy, low, high = (100 * each for each in (found["binary_accuracy"], *found["binary_accuracy_ci95"]))
    top_10, chance = (100 * each for each in (found["top_k"]["10"]["value"], MEASURED[name]["chance_top_10"]))
    row = f"{accuracy:.1f} % [{low:.1f}, {high:.1f}] | {top_10:.1f} % ({chance:.1f} %) |"
    (line,) = re.findall(rf"^\| {name} \| [\d,]+ \| (.*)$", docs_page("limits.md").read_text("utf-8"), re.M)
    assert line == row
