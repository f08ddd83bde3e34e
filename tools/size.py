"""Counts the files and code lines of the package by folder, and lists files that are too large or small.

    python tools/size.py [--files]

A code line holds code: blank lines, comments and docstrings do not count. `--files` lists every file.
"""

import argparse
import ast
import io
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "perfectlook"
MOST, LEAST = 450, 30
"""Most and fewest code lines of a file. `__init__` and `__main__` may have fewer."""

_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """The number of lines of a module that hold code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {
        line
        for token in tokens
        if token.type not in _NOT_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(held - set(_docstring_lines(ast.parse(source))))


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            yield from range(first.lineno, (first.end_lineno or first.lineno) + 1)


def sizes(root: Path = SOURCE) -> dict[str, int]:
    """Code lines of every Python file below a folder, by its path relative to the folder."""
    return {
        path.relative_to(root).as_posix(): code_lines(path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def repeated_classes(root: Path = SOURCE) -> dict[str, list[str]]:
    """Class names that occur more than once, with their files."""
    found = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.relative_to(root).as_posix())
    return {name: files for name, files in sorted(found.items()) if len(files) > 1}


def too_large(lines: dict[str, int]) -> list[str]:
    """Files with too many code lines."""
    return [name for name, count in lines.items() if count > MOST]


def too_small(lines: dict[str, int]) -> list[str]:
    """Files with too few code lines."""
    return [
        name
        for name, count in lines.items()
        if count < LEAST and Path(name).name not in ("__init__.py", "__main__.py")
    ]


def table(lines: dict[str, int]) -> str:
    """Files and code lines by folder, and in total."""
    files: Counter[str] = Counter()
    code: Counter[str] = Counter()
    for name, count in lines.items():
        folder = name.split("/")[0] if "/" in name else "(top level)"
        files[folder] += 1
        code[folder] += count
    rows = [(folder, files[folder], code[folder]) for folder in sorted(files)]
    rows.append(("total", files.total(), code.total()))
    return "\n".join(f"{folder:<14}{count:>6}{total:>8,}" for folder, count, total in rows)


def main() -> None:
    """Print the table, then what is too large, too small or named twice."""
    parser = argparse.ArgumentParser(description="Count the files and code lines of the package.")
    parser.add_argument("--files", action="store_true", help="list every file with its code lines")
    arguments = parser.parse_args()
    lines = sizes()
    if arguments.files:
        print("\n".join(f"{count:>6} {name}" for name, count in lines.items()), end="\n\n")
    print(f"{'folder':<14}{'files':>6}{'lines':>8}")
    print(table(lines))
    print(f"over {MOST} lines: {', '.join(too_large(lines)) or 'none'}")
    print(f"under {LEAST} lines: {', '.join(too_small(lines)) or 'none'}")
    twice = [f"{name} ({', '.join(files)})" for name, files in repeated_classes().items()]
    print(f"class names used twice: {'; '.join(twice) or 'none'}")


if __name__ == "__main__":
    main()
