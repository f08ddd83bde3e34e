"""Benchmarks run in their quick form, and measure what they say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_search_is_measured_up_to_its_json(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="the extra 'ann' is not installed")
    script = pytestconfig.rootpath / "benchmarks" / "search.py"
    command = [sys.executable, str(script), "--quick", "--json", str(tmp_path / "search.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    figures = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))["figures"]
    whole, products = (figures[f"ms_{name}_of_ten_categories"] for name in ("answer", "products"))
    assert 0 < products < whole
    assert figures["ms_python_of_ten_categories"] > 0
