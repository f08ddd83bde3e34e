"""The machine on which a benchmark ran, and the JSON file of its figures."""

import argparse
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

LIBRARIES = ("perfectlook", "numpy", "pillow", "onnxruntime", "openvino", "torch")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
"""Processor flags that decide how fast networks run."""


def describe_machine() -> dict[str, object]:
    """Cores, instructions and versions, which the figures depend on; nothing that identifies the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    about = _processor()
    flags = set(about.get("flags", about.get("Features", "")).split())
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": about.get("model name", platform.processor()),
        "cores": cores,
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def has_bf16() -> bool:
    """Whether the processor has bf16 instructions; without them, bf16 is emulated and slow."""
    flags = set(_processor().get("flags", "").split())
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the JSON file."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write name, ratios, figures and machine to FILE"
    )


def add_quick_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for CI: a few drawn items, whose figures mean nothing."""
    parser.add_argument(
        "--quick", action="store_true", help="run on a few drawn items, only to check that it runs"
    )


def report(name: str, ratios: Mapping[str, float], figures: Mapping[str, object], file: Path | None) -> None:
    """Print the ratios and figures, and write them to a file if one is given."""
    for title, values in (("ratios", ratios), ("figures", figures)):
        print(f"{title}:")
        for key, value in values.items():
            print(f"  {key:32} {f'{value:.3g}' if isinstance(value, float) else value}")
    if file is not None:
        content = {
            "name": name,
            "ratios": dict(ratios),
            "figures": dict(figures),
            "machine": describe_machine(),
        }
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _processor() -> dict[str, str]:
    """The first processor's entries in /proc/cpuinfo; empty on systems without it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
