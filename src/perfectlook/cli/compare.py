"""`perfectlook compare`."""

import argparse
from pathlib import Path

from perfectlook.cli.measuring import add_reading, add_set


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "compare",
        help="compare models on a set",
        description="Evaluate models on the same pairs of a set: figures side by side with 95 % intervals, "
        "and by a paired bootstrap over scenes whether the best is better than each other.",
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="folder of a model")
    add_set(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write its tables as Markdown")
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw the accuracies (PNG or SVG)")
    add_reading(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the tables, write what was asked for."""
    from perfectlook.charts import check_chart
    from perfectlook.cli.jsonfile import write_json
    from perfectlook.cli.reporting import print_problems
    from perfectlook.comparison import compare
    from perfectlook.progress import ProgressLine

    if arguments.chart:
        check_chart(arguments.chart)
    comparison = compare(
        arguments.models,
        arguments.set,
        split=arguments.split,
        scene=arguments.scene,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    first = comparison.models[0].evaluation
    print_problems(first.problems, first.set_name)
    print(comparison.to_text())
    if arguments.json:
        write_json(arguments.json, comparison.to_json())
    if arguments.markdown:
        arguments.markdown.write_text(comparison.to_markdown(), encoding="utf-8")
    if arguments.chart:
        comparison.draw(arguments.chart)
    return 0
