"""The page of backbones, from their registry."""

from documentation.tables import code, table
from perfectlook.backbones import describe_backbones

HEAD = """# Backbones

A backbone is the frozen network that turns a picture into features, once in its life. `--backbone NAME`
of `train` chooses one, and the model remembers it. These come with the package (`perfectlook
backbones` prints them):

"""
TAIL = """
`NAME:bf16` runs a backbone in bf16 through OpenVINO, with features of their own that never mix with those
in fp32; it pays where the processor has instructions for it. `NAME+NAME` is several side by side: more
accurate, and as slow as both together.

## On a GPU

Extraction runs on an NVIDIA GPU where onnxruntime is built for CUDA. Its GPU package replaces the other one:
`pip uninstall onnxruntime && pip install onnxruntime-gpu`. It needs the NVIDIA driver, CUDA and cuDNN;
`pip install 'onnxruntime-gpu[cuda,cudnn]'` brings the last two. `perfectlook backbones` then shows
`Engine here: cuda`. Where CUDA cannot be loaded, a warning says so and the processor does the work.

Numbers are those of fp32 (TF32 is off), so features made on a GPU and on a processor share one store. bf16
always runs on the processor. This was not run on a GPU for this release: tests check the choice of the
engine and its options with a stand-in for the GPU. On a machine with one, `pytest tests/backbones` also
compares its numbers with the processor's.

## From a hub

With the extra `train` and the hub's own package installed, any model that gives maps is a backbone:

| name | package | example |
|---|---|---|
| `transformers:MODEL` | `transformers` | `transformers:facebook/dinov2-small`, or a local folder |
| `timm:MODEL` | `timm` | `timm:convnext_tiny.fb_in22k` |
| `open_clip:MODEL/PRETRAINED` | `open_clip_torch` | `open_clip:ViT-B-16/laion2b_s34b_b88k` |

The weights are fetched by the hub's package, so their licence and their network behaviour are the hub's.
Tests run the seam with networks of random weights; no weights of a hub were at hand when the figures of
[the results](../results.md) were made. [How to add a backbone](../how-to/own-backbone.md) has the rest.
"""


def backbones_page() -> str:
    """Every backbone of the package, and how to name those of hubs."""
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
