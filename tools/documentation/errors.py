"""The page of errors, and their list on a terminal: every message that the package's code raises.

PYTHONPATH=tools python -m documentation.errors [MODULE ...]
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from documentation.templates import Function, Module, Scope, last_name
from perfectlook import errors

SOURCE = Path(__file__).resolve().parents[2] / "src"
HEAD = """# Errors

Every message that this version raises on purpose, by the class of the error. `{name}` stands for a value.
All classes except `Refusal` derive from `PerfectLookError`. The command line prints the message and exits
with 1, or with 2 for a `UsageError`. A `Refusal` is an answer of the HTTP API. The last sections list the
problems: why a row, a picture or a product is skipped.
[Troubleshooting](../how-to/troubleshooting.md) explains the most frequent messages.
"""
PROBLEMS = {
    "perfectlook.feeds": (
        "Problems of feeds",
        "Why a row of a feed, or one of its fields, is left out. The message follows the place, as in "
        "`feed.csv, line 12`.\nSync continues with the other rows, and prints and counts these problems. "
        "With `--strict` it exits with 1.",
    ),
    "perfectlook.data": (
        "Problems of sets",
        "Why a row, a product or a picture of a set is left out or corrected. The message follows the file "
        "and the line.\nCommands print and count these problems. With `--strict` they exit with 1.",
    ),
    "perfectlook": (
        "Problems of catalogues and pictures",
        "Why a product or a picture is skipped. Commands print and count these problems. With `--strict` "
        "they exit with 1.",
    ),
}
"""The title and the introduction of the problems of each package."""
REASON_LAST = {"_report", "_leave_out"}
"""Functions that report a problem; the reason is their last argument."""
REASON_AT = {"Problem": 2, "UnusableError": 2, "_UnusableError": 2, "UnreadableRow": 1, "Refusal": 2}
"""Classes whose message is not their first argument."""
PROBLEM_KINDS = {"Problem", "UnusableError", "_UnusableError", "UnreadableRow", "UnusablePriceError"}


class Message(NamedTuple):
    """A message, and where it is raised."""

    kind: str
    text: str
    module: str
    line: int


def messages(sources: Mapping[str, str] | None = None) -> list[Message]:
    """Every message of a project's error, by class and text; the same text of a module is listed once.

    Args:
        sources: the code by module, by default the package's.
    """
    return list(_messages(tuple((sources or _sources()).items())))


@cache
def _messages(sources: tuple[tuple[str, str], ...]) -> list[Message]:
    trees = {name: _parsed(text) for name, text in sources}
    modules = {name: Module.of(name, tree) for name, tree in trees.items()}
    kinds = _kinds(trees.values())
    found: dict[tuple[str, str, str], Message] = {}
    for name, tree in trees.items():
        for call, function in _calls(tree, None):
            kind = last_name(call.func)
            if kind in PROBLEM_KINDS | REASON_LAST or (kind == "ValueError" and ".feeds." in name):
                title = "Problem"
            elif kind in kinds:
                title = kind
            else:
                continue
            for text in _texts(call, kind, Scope(modules, modules[name], function)):
                found.setdefault((title, text, name), Message(title, text, name, call.lineno))
    return sorted(found.values(), key=lambda each: (each.kind, each.text.casefold(), each.module))


def errors_page() -> str:
    """Every message under its class, then the problems by package."""
    grouped: dict[tuple[bool, int, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    titles = list(PROBLEMS)
    for each in messages():
        package = next(name for name in titles if each.module.startswith(name))
        is_problem = each.kind == "Problem"
        title = PROBLEMS[package][0] if is_problem else each.kind
        grouped[is_problem, titles.index(package) if is_problem else 0, title][each.text].append(each.module)
    parts, documented = [HEAD], _documented()
    introductions = dict(PROBLEMS.values())
    for (_, _, title), texts in sorted(grouped.items()):
        parts.append(f"## {title}\n\n{introductions.get(title) or _first(documented.get(title, ''))}\n")
        parts += [
            f"- {_code(text)}<br>{', '.join(f'`{module}`' for module in sorted(set(modules)))}"
            for text, modules in texts.items()
        ]
        parts.append("")
    return "\n".join(parts)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _sources() -> dict[str, str]:
    return {
        ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file.read_text(
            encoding="utf-8"
        )
        for file in sorted(SOURCE.rglob("*.py"))
    }


def _first(docstring: str) -> str:
    paragraph = docstring.strip().partition("\n\n")[0]
    return " ".join(paragraph.split()) or "An error of the package."


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _kinds(trees: Iterable[ast.Module]) -> set[str]:
    """The classes that derive from `PerfectLookError`, and the refusals of the service."""
    known = {"PerfectLookError", "Refusal"}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {
        each.name
        for each in classes
        if each.name not in known and {last_name(base) for base in each.bases} & known
    }:
        known |= more
    return known


def _documented() -> dict[str, str]:
    return {
        node.name: ast.get_docstring(node) or ""
        for text in _sources().values()
        for node in ast.walk(_parsed(text))
        if isinstance(node, ast.ClassDef)
    }


def _calls(node: ast.AST, inside: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
    """The calls of a module, each with the function that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, inside
        yield from _calls(child, child if isinstance(child, Function) else inside)


def _texts(call: ast.Call, kind: str, scope: Scope) -> Iterator[str]:
    """The templates that a call can raise; none where the text comes from elsewhere."""
    if kind == "MissingExtraError":
        if len(call.args) == 2:
            made = str(errors.MissingExtraError("{what}", "{extra}"))
            for what in scope.templates(call.args[0]):
                for extra in scope.templates(call.args[1]):
                    yield made.replace("{extra}", extra).replace("{what}", what)
        return
    if kind == "UnusablePriceError":
        advice = call.args[2] if len(call.args) > 2 else ast.Constant("Write it as '49.90 EUR'.")
        node: ast.expr = ast.JoinedStr(
            [ast.Constant("'{price}' "), ast.FormattedValue(call.args[1], -1), ast.Constant(". ")]
        )
        given: list[ast.expr] = [ast.BinOp(node, ast.Add(), advice)]
    else:
        place = REASON_AT.get(kind, 0)
        named = [each.value for each in call.keywords if each.arg in ("reason", "message")]
        given = named or (call.args[-1:] if kind in REASON_LAST else call.args[place : place + 1])
    for node in given:
        for text in scope.templates(node):
            if re.search(r"[A-Za-z]{2,} ", re.sub(r"\{[^}]*\}", "", text)):
                yield text


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for each in messages():
        if not wanted or any(name in each.module for name in wanted):
            print(f"{each.kind}: {each.module}:{each.line}\n    {each.text}")
