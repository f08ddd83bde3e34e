"""docs/how-to/scale.md shows the tables that the script computes, and they are computed correctly."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import scale
from scale import Assumptions, Engine, Layout
from scale_costs import Costs

COSTS = Costs(256, 20, 200, 30_000, 5e3, 5e3, 1000, 1600, 5000, 1e7, 2000)
DOCS = Path(__file__).parents[2] / "docs" / "how-to"


def test_the_docs_have_the_tables_of_the_script() -> None:
    costs = Costs(**json.loads(scale.FIGURES.read_text(encoding="utf-8")))
    cluster = json.loads(scale.CLUSTER.read_text(encoding="utf-8"))["figures"]
    text = (DOCS / "scale.md").read_text(encoding="utf-8")
    for table in scale.tables(costs, cluster, Assumptions()).split("\n\n")[1::2]:
        assert table in text


def test_a_plan_is_computed_from_its_inputs() -> None:
    engine = Engine(seconds=0.01, compared_per_second=1e6, row_bytes=976, written_per_second=10_000)
    layout = Layout("Milvus, FLAT", 4, 2, 1.0, parts_per_node=8)
    found = scale.plan(10**7, layout, COSTS, engine, Assumptions(node_memory=32e9, usable=0.5))
    assert found.memory == 10**7 * 2 * (1024 + 976)  # 40 GB, on nodes with 16 GB each
    assert (found.nodes, found.parts) == (3, 8)
    assert found.disk == 10**7 * (1024 + 1000)
    assert found.written == 1000
    assert found.dollars == pytest.approx((3 + 3) * 730 * 0.80 + 20.24 * 0.025)
    assert 0.01 < found.median < found.slow


def test_a_search_waits_for_its_engine_and_its_slowest_part() -> None:
    engine = Engine(seconds=0.01, compared_per_second=1e6, row_bytes=0, written_per_second=1)
    layout = Layout("", 4, 2, 1.0, parts_per_node=1)
    even = Assumptions(categories=4, skew=0.0, part_spread=0.0)
    assert np.allclose(scale.simulate(8_000_000, layout, 2, engine, even), 0.01 + 1.0)
    spread = scale.simulate(8_000_000, layout, 2, engine, Assumptions(categories=4, skew=0.0))
    assert np.median(spread) > 1.01


def test_the_engine_is_that_of_the_largest_catalogue() -> None:
    flat = {"load_per_second": 9000, "memory_bytes": 2000, "ms_of_engine": 5, "compared_per_second": 4e6}
    larger = {"bulk_per_second": 20_000, "memory_bytes": 1512, "ms_of_engine": 4, "compared_per_second": 2e6}
    figures: dict[str, float | None] = {"dimension": 128} | {
        f"1000.FLAT.{name}": value for name, value in flat.items()
    }
    figures |= {f"20000.FLAT.{name}": value for name, value in larger.items()}
    assert Engine.of(figures, COSTS) == Engine(0.004, 1e6, 1000, 9000)
    figures["20000.FLAT.compared_per_second"] = None
    assert Engine.of(figures, COSTS).compared_per_second == COSTS.scanned_per_second


def test_quantities_have_readable_units() -> None:
    assert [scale._bytes(n) for n in (5e8, 2.54e10, 1.29e12)] == ["0.5 GB", "25.4 GB", "1.29 TB"]
    assert [scale._hours(s) for s in (90, 7200, 864_000)] == ["1.5 min", "2 h", "10 days"]
    assert [scale._seconds(s) for s in (0.0024, 0.5)] == ["2.4 ms", "500 ms"]


def test_records_have_the_expected_size() -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    found = importlib.import_module("scale_costs")._kept(16, products=600)
    assert 500 < found["record_bytes"] < 5000
    assert 4 * 16 < found["parquet_bytes"] < 5000
    assert found["ingested_per_second"] > 0


def test_measure_requires_a_model_and_photos() -> None:
    with pytest.raises(SystemExit):
        scale.main(["--measure"])
    assert set(json.loads(scale.FIGURES.read_text())) == set(Costs.__dataclass_fields__)
