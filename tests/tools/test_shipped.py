"""The tool that makes the shipped models puts the figures on unseen sets first."""

import re

import pytest

import shipped

CARD = """# rooms

The baseline `mixture` of perfectlook 0.1.0. A compatibility model should be better than this baseline.

## Data

- Sets: showroom.

## Figures

Run `perfectlook evaluate` for figures.

## Licence

- showroom: CC BY 3.0.
"""


def test_a_card_starts_with_the_figures_on_unseen_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("transfer_lines", "far_lines", "own_lines"):
        monkeypatch.setattr(shipped, name, lambda model, which=name: [f"{which} of {model}"])
    card = shipped.with_figures(CARD, "rooms")
    assert re.findall("^## (.*)$", card, re.MULTILINE) == [
        "Photos of sets that it has not seen",
        "Photos that it does not know",
        "Figures",
        "Data",
        "Licence",
    ]
    assert "baseline" not in card
    assert "perfectlook evaluate" not in card
    assert "\ntransfer_lines of rooms\n" in card
    assert shipped.with_figures(card, "rooms") == card


def test_figures_are_in_percent() -> None:
    assert shipped.bracketed({"value": 0.6174, "low": 0.6, "high": 0.63251}) == "61.7 [60.0, 63.3]"
