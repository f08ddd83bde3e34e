"""`perfectlook study`."""

import argparse
import sys
from pathlib import Path

from perfectlook.cli.options import positive


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "study",
        help="how accuracy, time and memory grow with a set",
        description="Train on nested shares of a set and measure accuracy, time and memory; say what the "
        "whole releases would cost on this machine, and how many scenes a budget of time is enough for. A "
        "study that was stopped goes on when called again.",
    )
    parser.add_argument("set", type=Path, metavar="SET", help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the study")
    parser.add_argument("--backbone", metavar="NAME", help="see `perfectlook backbones`")
    parser.add_argument(
        "--shares",
        nargs="+",
        type=float,
        metavar="SHARE",
        help="parts of the training scenes (0.01 .03 .1 .3 1)",
    )
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="trainings of each share")
    parser.add_argument("--budget", metavar="TIME", help="how many scenes this is enough for: 2h, 90m or 45s")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings of the trainings")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that extract features")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, write them, answer the budget."""
    from perfectlook.cli.output import print_problems, require_training
    from perfectlook.study.durations import parse_duration
    from perfectlook.study.report import MARKDOWN, answer, to_text, write_report
    from perfectlook.study.study import SHARES, run_study
    from perfectlook.training.config import TrainingConfig, read_config

    require_training()
    budget = parse_duration(arguments.budget) if arguments.budget else None
    config = TrainingConfig()
    if arguments.config:
        config = config.replaced(read_config(arguments.config), source=str(arguments.config))
    if arguments.backbone:
        config = config.replaced({"backbone": arguments.backbone})
    study = run_study(
        arguments.set,
        arguments.out,
        config=config,
        shares=SHARES if arguments.shares is None else arguments.shares,
        seeds=arguments.seeds,
        workers=arguments.workers,
        say=_say,
    )
    print_problems(study.problems, study.set_name)
    write_report(study, arguments.out)  # before the budget, which may turn out too small
    advice = None if budget is None else answer(study, budget)
    if advice is not None:
        write_report(study, arguments.out, advice)
    print(to_text(study, advice))
    print(f"written: {arguments.out / MARKDOWN}, with the same as JSON and a chart")
    return 0


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)
