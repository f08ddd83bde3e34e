"""The page of the command line, from its own parser."""

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from documentation.tables import code, table
from perfectlook.cli.main import build_parser

WIDTH = "86"
HEAD = """# The command line

Made from the parser of this version: `perfectlook COMMAND --help` says the same. Exit codes are 0 (done;
what had to be skipped is printed and counted), 1 (failed, or something was skipped under `--strict`), 2
(wrong use) and 130 (interrupted). Where a MODEL is asked for, a folder is meant, or the name of [a model
that comes with the package](../models.md). `FOLDER|URL` is a folder or one of the [stores](../stores.md).

"""


def commands_page() -> str:
    """Every command with every flag."""
    with _columns(WIDTH):
        parser = build_parser()
        leaves = list(_leaves(parser))
        listed = table(
            ("command", "what it does"),
            ((f"[`{each.prog}`](#{_anchor(each.prog)})", _summary(each)) for each in leaves),
        )
        return HEAD + listed + "\n" + "\n".join(_section(each) for each in leaves)


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    children = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not children:
        yield parser
    for action in children:
        for child in action.choices.values():
            yield from _leaves(child)


def _section(parser: argparse.ArgumentParser) -> str:
    usage = parser.format_usage().removeprefix("usage: ")
    parts = [f"## {parser.prog}\n", f"{_text(parser.description or '')}\n", f"```text\n{usage}```\n"]
    rows = [(_names(action), _meaning(parser, action)) for action in parser._actions if action.dest != "help"]
    if rows:
        parts.append(table(("argument", "meaning"), rows))
    return "\n".join(parts)


def _names(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else None
    if value is None and action.choices is not None:
        value = "{" + ",".join(str(each) for each in action.choices) + "}"
    if not action.option_strings:
        return code(value or action.dest)
    takes = "" if action.nargs == 0 else f" {value or action.dest.upper()}"
    return ", ".join(code(flag + takes) for flag in action.option_strings)


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    said = parser._get_formatter()._expand_help(action) if action.help else ""
    needed = "Needed. " if action.required and action.option_strings else ""
    return _text(needed + said)


def _summary(parser: argparse.ArgumentParser) -> str:
    return _text(re.split(r"(?<=\.) ", parser.description or "")[0])


def _text(said: str) -> str:
    """Help is plain text: what Markdown would read as markup is set as code, or escaped."""
    parts = re.split(r"(`[^`]*`)", " ".join(said.split()))
    return "".join(each if each.startswith("`") else re.sub(r"([*_<>])", r"\\\1", each) for each in parts)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower())


@contextmanager
def _columns(width: str) -> Iterator[None]:
    """argparse breaks its lines where the terminal ends; a page has no terminal."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = width
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
