"""The page of backbones, from their registry."""

from documentation.tables import code, table
from perfectlook.backbones import describe_backbones

HEAD = """# Backbones

A backbone is the frozen network that turns a picture into features. Choose one with
`perfectlook train --backbone NAME`; the model stores its name. `perfectlook backbones` lists those that
come with the package:

"""
TAIL = """
`NAME:bf16` runs a backbone in bf16 through OpenVINO. Its features are stored apart from those in fp32. It is
faster only on processors with bf16 instructions. `NAME+NAME` concatenates the features of two backbones:
it is more accurate, and takes the time of both.

## On a GPU

To extract features on an NVIDIA GPU, replace onnxruntime with its GPU package:
`pip uninstall onnxruntime && pip install onnxruntime-gpu`. It needs the NVIDIA driver, CUDA and cuDNN.
`pip install 'onnxruntime-gpu[cuda,cudnn]'` installs the last two. `perfectlook backbones` then prints
`Engine here: cuda`. If CUDA cannot be loaded, a warning is printed and the processor is used.

The GPU computes in fp32 (TF32 is off), so its features and those of the processor share one store. bf16
always runs on the processor. This release was not run on a GPU: its tests use a stand-in to check how the
engine and its options are chosen. On a machine with a GPU, `pytest tests/backbones` also compares its
features with the processor's.

## From a hub

Install the extra `train` and the package of a hub. Then any model of the hub that returns feature maps is a
backbone:

| name | package | example |
|---|---|---|
| `transformers:MODEL` | `transformers` | `transformers:facebook/dinov2-small`, or a local folder |
| `timm:MODEL` | `timm` | `timm:convnext_tiny.fb_in22k` |
| `open_clip:MODEL/PRETRAINED` | `open_clip_torch` | `open_clip:ViT-B-16/laion2b_s34b_b88k` |

The hub's package downloads the weights, under the hub's licence. The tests use hub networks with random
weights. [The results](../results.md) have no figures for hub weights.
[Add a backbone](../how-to/own-backbone.md) explains how to plug in your own.
"""


def backbones_page() -> str:
    """Every backbone of the package, and the names of hub models."""
    rows = [
        (
            code(each.name),
            f"{each.input_size}×{each.input_size}",
            f"{each.global_dimension:,}",
            f"{each.style_dimension:,}",
            f"7×7×{each.map_channels}",
            f"{each.megabytes:.1f} MB",
            each.licence,
            each.summary,
        )
        for each in describe_backbones()
    ]
    header = ("name", "input", "global vector", "style statistics", "map", "weights", "licence", "what it is")
    sources = [(code(each.name), each.source) for each in describe_backbones()]
    return (
        HEAD
        + table(header, rows)
        + "\nWhere the weights come from:\n\n"
        + table(("name", "source"), sources)
        + TAIL
    )
