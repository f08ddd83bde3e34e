"""The page of errors, and their list on a terminal: every message that the package's code raises.

PYTHONPATH=tools python -m documentation.errors [MODULE ...]
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from perfectlook import errors

SOURCE = Path(__file__).resolve().parents[2] / "src"
HEAD = """# Errors

Every message that this version raises on purpose, by the class of the error. `{name}` stands for a value.
All classes except `Problem` and `Refusal` derive from `PerfectLookError`. The command line prints the message
and exits with 1, or with 2 for a `UsageError`. A `Refusal` is an answer of the HTTP API.
[Troubleshooting](../how-to/troubleshooting.md) explains the most frequent messages.

"""
PROBLEM = """Why a row, picture or product is skipped. A command prints and counts these problems.
With `--strict` it exits with 1."""


class Message(NamedTuple):
    """A message, and where it is raised."""

    kind: str
    text: str
    module: str
    line: int


def messages() -> list[Message]:
    """Every message of a project's error, by class and text; the same text of a module is listed once."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(SOURCE.rglob("*.py"))}
    kinds = _kinds(trees.values())
    found: dict[tuple[str, str, str], Message] = {}
    for file, tree in trees.items():
        module = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for scope in _scopes(tree):
            literals = _literals(scope)
            for call in _calls(scope):
                kind = _name(call.func)
                kind = "Problem" if kind == "_report" else kind
                if kind not in kinds:
                    continue
                for text in _texts(call, kind, literals):
                    found.setdefault((kind, text, module), Message(kind, text, module, call.lineno))
    return sorted(found.values(), key=lambda each: (each.kind, each.text.casefold(), each.module))


def errors_page() -> str:
    """Every message under its class."""
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in messages():
        grouped[each.kind][each.text].append(each.module)
    parts, documented = [HEAD.strip("\n") + "\n"], _documented()
    for kind, texts in sorted(grouped.items(), key=lambda item: (item[0] == "Problem", item[0])):
        parts.append(f"## {kind}\n\n{PROBLEM if kind == 'Problem' else _first(documented.get(kind, ''))}\n")
        parts += [
            f"- {_code(text)}<br>{', '.join(f'`{module}`' for module in sorted(set(modules)))}"
            for text, modules in texts.items()
        ]
        parts.append("")
    return "\n".join(parts)


def _first(docstring: str) -> str:
    paragraph = docstring.strip().partition("\n\n")[0]
    return " ".join(paragraph.split()) or "An error of the package."


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _kinds(trees: Iterable[ast.Module]) -> set[str]:
    """The classes that derive from `PerfectLookError`, `Problem`, and the refusals of the service."""
    known = {"PerfectLookError", "Problem", "Refusal"}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {
        each.name
        for each in classes
        if each.name not in known and {_name(base) for base in each.bases} & known
    }:
        known |= more
    return known - {"SlotProblem"}


def _documented() -> dict[str, str]:
    found = {}
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = ast.get_docstring(node) or ""
    return found


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    yield tree


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of a function or module, without those of functions inside it."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _calls(child)


def _literals(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """The texts that a scope assigns to each variable."""
    found = defaultdict(list)
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id].append(node.value)
    return found


def _texts(call: ast.Call, kind: str, literals: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The templates that a call can raise; none where the text comes from elsewhere."""
    if kind == "MissingExtraError":
        made = errors.MissingExtraError("{what}", "{extra}")
        filled = [_template(each) for each in call.args]
        if len(filled) == 2:
            yield str(made).replace("{what}", filled[0]).replace("{extra}", filled[1])
        return
    place = {"Problem": 2, "Refusal": 2}.get(kind, 0)
    named = [each.value for each in call.keywords if each.arg in ("reason", "message")]
    place = 3 if _name(call.func) == "_report" else place
    given = named or call.args[place : place + 1]
    if not given:
        return
    first = given[0]
    options = literals.get(first.id, []) if isinstance(first, ast.Name) else [first]
    for option in options:
        for each in _branches(option):
            text = _template(each)
            if re.search(r"[A-Za-z]{2,} ", re.sub(r"\{[^}]*\}", "", text)):
                yield " ".join(text.split())


def _branches(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.IfExp):
        yield from _branches(node.body)
        yield from _branches(node.orelse)
    else:
        yield node


def _template(node: ast.AST) -> str:  # noqa: PLR0911 (one return for each kind of node)
    """A text with a name in braces for every value; a value of code is named after its last word."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_template, values))
        case ast.FormattedValue(value=value, conversion=conversion):
            mark = "'" if conversion == ord("r") else ""
            return f"{mark}{_template(value) or '{value}'}{mark}"
        case ast.BinOp(left=left, right=right):
            return _template(left) + _template(right)
        case ast.IfExp(body=body, orelse=other):
            return f"{{{_plain(body)} or {_plain(other)}}}" if _plain(body) and _plain(other) else "{…}"
        case ast.Subscript(value=value):
            return _template(value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return f"{{{name.strip('_').lower().replace('_', ' ')}}}"
        case ast.Call(func=ast.Attribute(attr="join"), args=[values]):
            return _template(values)
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "strip" | "lower" | "as_posix")):
            return _template(value)
        case ast.Call(
            func=ast.Name(id="str" | "repr" | "sorted" | "list" | "shown" | "len" as name), args=args
        ):
            return _template(args[0]) if args and name != "len" else "{number}"
        case ast.Call(func=func):
            return _template(func)
        case ast.GeneratorExp(generators=[ast.comprehension(iter=values), *_]):
            return _template(values)
    return "{value}"


def _plain(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for each in messages():
        if not wanted or any(name in each.module for name in wanted):
            print(f"{each.kind}: {each.module}:{each.line}\n    {each.text}")
