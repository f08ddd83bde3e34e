"""The parts of the Python reference: the public names of a module, from their docstrings."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import griffe

SOURCE = Path(__file__).resolve().parents[2] / "src"
WIDTH = 90
"""Characters of a signature's line."""
TITLES = {"parameters": "Parameters", "raises": "Raises", "returns": "Returns", "yields": "Yields"}
TITLES |= {"attributes": "Attributes", "other parameters": "Other parameters"}


def module_part(given: str) -> str:
    """The reference of a module, `given` as its name and, where not all count, the names of its members."""
    name, *members = given.split()
    module = _package()[name.removeprefix("perfectlook.")]
    parts = [f"## {name}\n", *_docstring(module)]
    for each in members or _public(module):
        parts += _member(module[each], each, level=3)
    return "\n".join(parts)


@cache
def _package() -> Any:
    return griffe.load(
        "perfectlook", search_paths=[str(SOURCE)], docstring_parser="google", resolve_aliases=True
    )


def _public(owner: Any) -> list[str]:
    """The names of a module or class that its users may use, in the order of the source."""
    exported = owner.exports if owner.is_module else None
    found = [
        (name, each)
        for name, each in owner.members.items()
        if not name.startswith("_") and (name in exported if exported else not each.is_alias)
    ]
    kept = [(name, each) for name, each in found if not each.is_module and each.has_docstring]
    return [name for name, each in sorted(kept, key=lambda item: item[1].lineno if not exported else 0)]


def _member(each: Any, name: str, level: int) -> list[str]:
    target = each.final_target if each.is_alias else each
    parts = [f"{'#' * level} {name}\n"]
    if target.is_function:
        parts.append(
            _block(f"{'async ' if 'async' in target.labels else ''}def", target, name.rpartition(".")[2])
        )
    elif target.is_class:
        parts.append(_block("class", target, name))
    elif target.is_attribute and "property" not in target.labels and target.value is not None and level == 3:
        if len(value := f"{name} = {target.value}") <= WIDTH and " _" not in value:
            parts.append(f"```python\n{value}\n```\n")
    elif target.annotation is not None:
        parts.append(f"Type: `{target.annotation}`\n")
    parts += _docstring(target)
    if target.is_class and level == 3:
        documented = {
            item.name
            for section in (target.docstring.parsed if target.docstring else [])
            if section.kind.value == "attributes"
            for item in section.value
        }
        for inner in _public(target):
            if inner not in documented:
                parts += _member(target[inner], f"{name}.{inner}", level=4)
    return parts


def _block(keyword: str, target: Any, name: str) -> str:
    """A signature; one parameter a line where it is long."""
    if keyword == "class" and not any(each.name not in ("self", "cls") for each in target.parameters):
        bases = f"({', '.join(map(str, target.bases))})" if target.bases else ""
        return f"```python\nclass {name}{bases}\n```\n"
    parameters = _parameters(target)
    returned = "" if keyword == "class" or target.annotation is None else f" -> {target.annotation}"
    keyword = f"@classmethod\n{keyword}" if "classmethod" in target.labels else keyword
    text = f"{keyword} {name}({', '.join(parameters)}){returned}"
    if len(text) > WIDTH:
        listed = "".join(f"    {each},\n" for each in parameters)
        text = f"{keyword} {name}(\n{listed}){returned}"
    return f"```python\n{text}\n```\n"


def _parameters(target: Any) -> list[str]:
    shown, keyword_only = [], False
    for each in target.parameters:
        if each.name in ("self", "cls"):
            continue
        kind = each.kind.value if each.kind else ""
        if kind == "keyword-only" and not keyword_only:
            shown.append("*")
        keyword_only |= kind in ("keyword-only", "variadic positional")
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        annotation = "" if each.annotation is None else f": {each.annotation}"
        equals = " = " if annotation else "="
        default = "" if each.default is None or stars else f"{equals}{each.default}"
        shown.append(f"{stars}{each.name}{annotation}{default}")
    return shown


def _docstring(each: Any) -> list[str]:
    parts = []
    for section in each.docstring.parsed if each.docstring else []:
        kind = section.kind.value
        if kind == "text":
            parts.append(_prose(section.value) + "\n")
        elif kind == "examples":
            code = "\n\n".join(text for _, text in section.value)
            parts.append(f"Example:\n\n```python\n{code}\n```\n")
        elif kind == "admonition":
            parts.append(f"{section.title or 'Note'}: {_prose(section.value.description)}\n")
        elif kind in TITLES:
            parts.append(f"**{TITLES[kind]}**\n")
            parts.append("\n".join(map(_item, section.value)) + "\n")
    return parts


def _item(item: Any) -> str:
    name = getattr(item, "name", "") or str(item.annotation or "")
    text = _prose(item.description, joined=True)
    return f"- `{name}`: {text}" if name and item.as_dict().get("name", "") is not None else f"- {text}"


def _prose(text: str, *, joined: bool = False) -> str:
    """Text as Markdown: lines of a paragraph joined, braces and indented blocks kept."""
    if joined:
        return " ".join(text.split())
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.splitlines()
        if lines[0].startswith("    "):
            blocks.append("\n".join(["```text", *(line[4:] for line in lines), "```"]))
        else:
            blocks.append(block)
    return "\n\n".join(blocks)
