"""Imports go only up the list of layers, never down."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import perfectlook

ROOT = Path(perfectlook.__file__).parent
LAYERS = [
    {"errors", "types"},
    {"picture_structure", "texts"},
    {"files", "progress", "images", "colours", "taxonomy", "prices"},
    {"fetching"},
    {"feeds"},
    {"data"},
    {"backbones"},
    {"features"},
    {"model"},
    {"evaluation"},
    {"training"},
    {"stores"},
    {"catalogue"},
    {"answers"},
    {"server_answers"},
    {"sheet"},
    {"recommender"},
    {"client"},
    {"service"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
WITH_TORCH = {"training"}
TORCH_FILES = ("hub", "mixture", "networks", "export")
FILES = sorted(ROOT.rglob("*.py"))


def layer_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@cache
def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_part_of_the_package_has_a_layer():
    assert {layer_of(path) for path in FILES} - {"__init__"} == set(LEVEL)


def test_contributing_lists_the_same_layers(pytestconfig):
    text = (pytestconfig.rootpath / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.split("Imports point up this list")[1].split("\n\n")[1]
    listed = [set(re.split(r" {3,}", line.strip())[0].split("  ")) for line in block.splitlines()]
    assert listed == [layer for layer in LAYERS if layer != {"__main__"}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path: Path):
    own = layer_of(path)
    if own == "__init__":
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "perfectlook" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != own:
            assert LEVEL[parts[1]] < LEVEL[own], f"{own} imports {name}"


def test_the_layers_have_no_cycle_within_a_package():
    for package in (path for path in ROOT.iterdir() if path.is_dir()):
        graph = {
            ".".join(("perfectlook", *path.relative_to(ROOT).with_suffix("").parts)): imports_of(path)
            for path in package.rglob("*.py")
            if path.stem != "__init__"
        }
        done: set[str] = set()

        def visit(module: str, trail: tuple[str, ...], graph=graph, done=done) -> None:
            assert module not in trail, " -> ".join((*trail, module))
            if module not in done:
                for target in graph[module] & set(graph):
                    visit(target, (*trail, module))
                done.add(module)

        for module in graph:
            visit(module, ())


def test_help_loads_nothing_heavy():
    lines = ("--help", "--version", "train --help", "complete --help", "explain --help", "serve --help")
    code = (
        "import sys; from perfectlook.cli.main import main\n"
        "for line in sys.argv[1:]:\n"
        "    try: main(line.split())\n"
        "    except SystemExit: pass\n"
        "    heavy = {'torch', 'onnxruntime', 'openvino', 'PIL', 'numpy', 'sqlite3'} & set(sys.modules)\n"
        "    if heavy: sys.exit(f'{line} loaded {heavy}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_base_package_imports_without_torch():
    """Everything except training works without torch."""
    modules = [
        ".".join(("perfectlook", *path.relative_to(ROOT).with_suffix("").parts))
        for path in FILES
        if path.stem not in ("__init__", "__main__")
        and layer_of(path) not in WITH_TORCH
        and path.stem not in TORCH_FILES
    ]
    code = (
        "import importlib, sys\n"
        "for name in ('torch', 'onnx', 'safetensors', 'matplotlib', 'openvino'): sys.modules[name] = None\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
