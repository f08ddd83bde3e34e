"""Figures that are said in words are those that were measured."""

import json
import re
from typing import Any

import pytest

from printed import DOCS, ROOT

MEASURED: dict[str, Any] = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))["sets"]


def default_of(name: str) -> dict[str, Any]:
    (found,) = (each for each in MEASURED[name]["models"] if each["model"] == "default")
    return found


def shown(value: float, bounds: list[float]) -> str:
    return f"{value:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]"


@pytest.mark.parametrize("name", list(MEASURED))
def test_the_table_of_figures_is_that_of_the_results(name: str):
    found = default_of(name)
    unseen = found["binary_accuracy_unseen"]
    row = (
        f"| {name} | {found['n_pairs']} | {shown(found['binary_accuracy'], found['binary_accuracy_ci95'])} | "
    )
    row += f"{shown(unseen['value'], unseen['ci95'])} |"
    assert row in (DOCS / "figures.md").read_text(encoding="utf-8")


def test_the_readme_says_what_was_measured():
    said = re.search(r"puts (\d+) to (\d+) %", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert said
    accuracies = [100 * default_of(name)["binary_accuracy"] for name in MEASURED]
    assert (f"{min(accuracies):.0f}", f"{max(accuracies):.0f}") == said.groups()
