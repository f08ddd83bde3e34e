"""`perfectlook backbones`: the frozen networks that pictures can be described by."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.backbones.registry import BackboneDescription

HEADINGS = ("NAME", "INPUT", "GLOBAL", "STYLE", "MAP", "SIZE", "LICENCE", "WHAT IT IS")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `backbones`."""
    parser = subparsers.add_parser(
        "backbones",
        help="list the backbones: the networks that turn pictures into features",
        description="List the backbones that come with the package: name, input size in pixels, dimensions "
        "of the global vector, the style statistics and the map's regions, size of the weights and licence.",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every command has this signature
    """Print the table of backbones, where their weights are from, and the engine that would run them here."""
    from perfectlook.backbones.engines import automatic_engine
    from perfectlook.backbones.registry import describe_backbones

    descriptions = describe_backbones()
    print(*_table([HEADINGS, *map(_cells, descriptions)]), sep="\n")
    print("\nWeights:")
    for each in descriptions:
        print(f"  {each.name}: {each.source}")
    print(
        f"\nEngine here: {automatic_engine()} (fp32). NAME:bf16 runs in bf16 through OpenVINO."
        "\nModels of a hub: transformers:MODEL, timm:MODEL, open_clip:MODEL/PRETRAINED."
    )
    return 0


def _cells(description: "BackboneDescription") -> tuple[str, ...]:
    side = description.input_size
    return (
        description.name,
        f"{side}×{side}",
        str(description.global_dimension),
        str(description.style_dimension),
        f"7×7×{description.map_channels}",
        f"{description.megabytes:.1f} MB",
        description.licence,
        description.summary,
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
