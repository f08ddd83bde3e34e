"""`perfectlook report`."""

import argparse
from pathlib import Path

from perfectlook.cli.measuring import add_reading, add_set
from perfectlook.cli.numbers import positive

SUFFIXES = (".html", ".htm")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "report",
        help="a page of a model's best and worst answers on a set",
        description="Write one HTML file that shows a model's figures on a split of a set, and its best, its "
        "worst and some random answers in pictures. The set's pictures are inside the file.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the model")
    add_set(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="the file to write (default: report-MODEL-SET.html)"
    )
    parser.add_argument(
        "-n", type=positive, default=24, metavar="N", help="answers to show, in all (default: 24)"
    )
    add_reading(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the report and write its page."""
    from perfectlook.cli.reporting import print_problems
    from perfectlook.progress import ProgressLine
    from perfectlook.report import make_report, page

    _check(arguments.out)
    report = make_report(
        arguments.model,
        arguments.set,
        split=arguments.split,
        scene=arguments.scene,
        shown=arguments.n,
        strict=arguments.strict,
        workers=arguments.workers,
        progress=ProgressLine,
    )
    evaluation = report.evaluation
    print_problems(evaluation.problems, evaluation.set_name)
    content = page(report).encode("utf-8", "replace")  # ids that come from names of files need not be text
    out = arguments.out or Path(f"report-{evaluation.model}-{evaluation.set_name}.html")
    out.write_bytes(content)
    accuracy = evaluation.overall.binary_accuracy
    shown = sum(len(cases) for cases in report.cases.values())
    on, over = f"{evaluation.model} on {evaluation.set_name}", evaluation.overall.n_pairs
    if report.too_little:
        print(f"{on}: {report.too_little} (binary accuracy {accuracy.value:.4f})")
    else:
        print(
            f"{on}: binary accuracy {accuracy.value:.4f} [{accuracy.low:.4f}, {accuracy.high:.4f}] over "
            f"{over:,} pairs"
        )
    print(f"wrote {out}: {shown} answers, {len(content) / 1e6:.1f} MB; open it in a browser")
    print(f"the set's pictures are inside it; their licence: {report.licence or 'the set does not say'}")
    return 0


def _check(out: Path | None) -> None:
    """Make sure, before any work is done, that the page can be written there."""
    from perfectlook.errors import UsageError

    if out is None:
        return
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: a report is a page; end its name with {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}; make it, or name another file")
