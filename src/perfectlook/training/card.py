"""The model card that is written beside every model."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from perfectlook import __version__
from perfectlook.model.config import ModelConfig
from perfectlook.training.data import TrainingData

UNSTATED = "its licence is not stated: take it as research, non-commercial, until you know better"


def model_card(
    name: str,
    data: TrainingData,
    training: Mapping[str, Any],
    *,
    shape: ModelConfig | None = None,
    baseline: str | None = None,
) -> str:
    """A model card in Markdown: what the model is, its data, figures, limits and licence.

    Args:
        name: of the model.
        data: what it was trained on.
        training: the training report of its record.
        shape: of the model, where it is another than that of its data.
        baseline: name of the baseline that it is, if it is one.
    """
    config = shape or data.config
    sizes = Counter(data.features.product_categories)
    rows = [(category.replace("|", " › "), sizes[category]) for category in data.categories]
    categories = "\n".join(f"| {name} | {size:,} |" for name, size in rows)
    return f"""# {name}

{_kind(baseline)} of perfectlook {__version__}: for the photo of a scene and a category it orders products
by how well they go with the scene.

- Mode: {config.mode}; distance: {config.distance}; dimension: {config.vector_dimension}.
- Backbone (frozen): {config.backbone}.

## Data

Sets: {", ".join(training["sets"])}. Trained on {training["n_pairs"]:,} pairs of {training["n_scenes"]:,}
scenes, with a catalogue of {training["n_products"]:,} products. {training["n_dropped"]:,} pairs were left out
because too little of the scene remains beside the product, {training["n_without_negatives"]:,} because their
category has no other product; {training["n_problems"]:,} problems were found in the sets. Test scenes, and
copies of them under other ids, were not trained on.

| category | products |
|---|---|
{categories}

## Figures

{_figures(training)}

`perfectlook evaluate` gives the figures on any split of any set.

## Licence

{_licence(training["licences"])}

## Not for

Judging people, or anything about them: the model compares the style of things. It knows the categories above;
others are matched to the nearest of these. Pictures unlike its training scenes get poorer answers.
"""


def _kind(baseline: str | None) -> str:
    if baseline is None:
        return "A compatibility model"
    return f"The baseline `{baseline}`, something for compatibility models to beat,"


def _figures(training: Mapping[str, Any]) -> str:
    accuracy = training["binary_accuracy"]
    if accuracy is None:
        return "None measured in training."
    chosen = "the settings were" if training["epoch"] is None else f"epoch {training['epoch']} was"
    return (
        f"Binary accuracy {accuracy['value']:.4f} (95 % interval {accuracy['low']:.4f} to "
        f"{accuracy['high']:.4f}) by {training['chosen_on']}, the figure that {chosen} chosen by: a little "
        "optimistic."
    )


def _licence(licences: Mapping[str, str | None]) -> str:
    lines = [f"- {name}: {licence or UNSTATED}." for name, licence in licences.items()]
    return "\n".join(["A model carries the terms of the pictures it was trained on:", "", *lines]) + (
        "\n\nThe backbone's weights are Apache-2.0."
    )
