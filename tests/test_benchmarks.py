"""Benchmarks run in their quick form, and measure what they say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from milvus_of_run import need_milvus


def test_a_search_is_measured_up_to_its_json(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="the extra 'ann' is not installed")
    script = pytestconfig.rootpath / "benchmarks" / "search.py"
    command = [sys.executable, str(script), "--quick", "--json", str(tmp_path / "search.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    figures = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))["figures"]
    whole, products = (figures[f"ms_{name}_of_ten_categories"] for name in ("answer", "products"))
    assert 0 < products < whole
    assert figures["ms_python_of_ten_categories"] > 0


@pytest.mark.long
def test_replicas_that_come_and_go_fail_no_request(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    need_milvus(local=True)
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (Debian's nginx-light)")
    script = pytestconfig.rootpath / "benchmarks" / "replicas.py"
    command = [sys.executable, str(script), "--quick", "--json", str(tmp_path / "replicas.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    figures = json.loads((tmp_path / "replicas.json").read_text(encoding="utf-8"))["figures"]
    for phase in ("steady", "killed", "upgraded"):
        assert figures[f"{phase}_statuses"].keys() <= {"200", "503"}
    assert figures["killed_statuses"].keys() == {"200"}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_a_server_survives_two_attacks(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    script = pytestconfig.rootpath / "benchmarks" / "hostile.py"
    command = [sys.executable, str(script), "--quick", "--only", "urls", "puts"]
    command += ["--json", str(tmp_path / "hostile.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    figures = json.loads((tmp_path / "hostile.json").read_text(encoding="utf-8"))["figures"]
    assert (figures["crashes"], figures["other_5xx"]) == (0, 0)
    assert figures["recovered_s"] is not None
    assert figures["by_attack"]["urls"]["statuses"]["400"] > 0


@pytest.mark.long
def test_a_killed_ray_worker_loses_no_vector(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    for name, extra in (("ray", "ray"), ("pyarrow", "parquet")):
        pytest.importorskip(name, reason=f"the extra '{extra}' is not installed")
    script = pytestconfig.rootpath / "benchmarks" / "embed.py"
    command = [sys.executable, str(script), "--quick", "--json", str(tmp_path / "embed.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr  # the script compares the vectors
    assert json.loads((tmp_path / "embed.json").read_text(encoding="utf-8"))["figures"]["products"] > 100
