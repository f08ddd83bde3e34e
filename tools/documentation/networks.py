"""The page of backbones, from their registry."""

from documentation.tables import code, table
from perfectlook.backbones.registry import describe_backbones

HEAD = """# Backbones

A backbone is the frozen network that turns a picture into features, once in its life. `--backbone NAME`
of `train` chooses one, and the model remembers it. These come with the package (`perfectlook
backbones` prints them):

"""
TAIL = """
`NAME:bf16` runs a backbone in bf16 through OpenVINO, with features of their own that never mix with those
in fp32; it pays where the processor has instructions for it. `NAME+NAME` is several side by side: more
accurate, and as slow as both together.

## From a hub

With the extra `train` and the hub's own package installed, any model that gives maps is a backbone:

| name | package | example |
|---|---|---|
| `transformers:MODEL` | `transformers` | `transformers:facebook/dinov2-small`, or a local folder |
| `timm:MODEL` | `timm` | `timm:convnext_tiny.fb_in22k` |
| `open_clip:MODEL/PRETRAINED` | `open_clip_torch` | `open_clip:ViT-B-16/laion2b_s34b_b88k` |

The weights are fetched by the hub's package, so their licence and their network behaviour are the hub's.
Tests run the seam with networks of random weights; no weights of a hub were at hand when the figures of
[the results](../results.md) were made. [How to add a backbone](../own-backbone.md) has the rest.
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
