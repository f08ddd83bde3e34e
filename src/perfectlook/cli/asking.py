"""The flags that say what to ask, and whom: a model and its catalogue on this machine, or a server."""

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from perfectlook.cli.numbers import positive

if TYPE_CHECKING:
    from perfectlook.cli.remote import RemoteRecommender
    from perfectlook.recommender import Answer, Look, Lookalikes, Recommender

Asked: TypeAlias = "Recommender | RemoteRecommender"
"""Whom commands ask."""
Answered = TypeVar("Answered", "Answer", "Look", "Lookalikes")


def add_place(parser: argparse.ArgumentParser, *, server: bool = True) -> None:
    """Add `--model` and `--catalogue`, and where it can be asked instead, `--server` and `--key`."""
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, required=not server, help="the folder of a trained model"
    )
    parser.add_argument(
        "--catalogue", metavar="FOLDER|URL", required=not server, help="a catalogue synced with the model"
    )
    if server:
        parser.add_argument(
            "--server",
            metavar="URL",
            help="ask `perfectlook serve` at this address, instead of a model and a catalogue",
        )
        parser.add_argument(
            "--key",
            metavar="KEY",
            help="with --server: an API key (default: what PERFECTLOOK_API_KEY says, which other users of "
            "this machine cannot see)",
        )


def add_category(parser: argparse.ArgumentParser, about: str, *, several: bool = True) -> None:
    """Add `--category`, which names several, or has to name one."""
    more = {"nargs": "+", "action": "extend"} if several else {"required": True}
    parser.add_argument("--category", metavar="PATH", help=about, **more)


def add_count(
    parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup", default: int | None, about: str
) -> None:
    """Add `-k`."""
    parser.add_argument("-k", metavar="N", type=positive, default=default, help=about)


def check_place(arguments: argparse.Namespace) -> None:
    """Make sure that either a server is named, or a model and a catalogue.

    Raises:
        UsageError: neither is, or both.
    """
    from perfectlook.errors import UsageError

    here = [flag for flag in ("model", "catalogue") if getattr(arguments, flag)]
    if arguments.server is None:
        if arguments.key is not None:
            raise UsageError("--key is of servers: add --server")
        if len(here) < 2:
            raise UsageError("give --model and --catalogue, or --server")
        return
    if here:
        raise UsageError(
            f"--server answers with its own model and catalogue: leave --{' and --'.join(here)} out"
        )


def opened(arguments: argparse.Namespace) -> Asked:
    """Open the model and the catalogue, or go to the server.

    Raises:
        PerfectLookError: the model or the catalogue cannot be used, or the server's address is none.
    """
    if arguments.server is None:
        from perfectlook.recommender import Recommender

        return Recommender.open(arguments.model, arguments.catalogue)
    from perfectlook.cli.remote import RemoteRecommender

    return RemoteRecommender(arguments.server, arguments.key)


def drawable(asked: Asked, answer: Answered) -> AbstractContextManager[Answered]:
    """Have the pictures of an answer's products on this machine, for as long as the answer is drawn.

    Raises:
        ServerError: they are fetched from a server that cannot be reached, or fails.
    """
    from perfectlook.recommender import Recommender

    return nullcontext(answer) if isinstance(asked, Recommender) else asked.drawable(answer)
