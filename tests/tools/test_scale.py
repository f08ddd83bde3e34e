"""docs/how-to/scale.md shows what tools/scale.py prints; the estimates are computed correctly."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from printed import docs_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("scale")


@pytest.fixture
def costs(tool):
    return tool.Costs(
        dimension=100,
        photos_per_second=10.0,
        decoded_per_second=100.0,
        heads_per_second=1000.0,
        picture_bytes=50_000.0,
        feature_bytes=5000.0,
        record_bytes=1000.0,
        parquet_bytes=1500.0,
        ingested_per_second=1000.0,
        scanned_per_second=1e6,
        listing_bytes=2000.0,
    )


def test_the_page_shows_what_the_tool_prints(tool, capsys):
    assert tool.main([]) == 0
    assert capsys.readouterr().out.strip() in docs_page("scale.md").read_text(encoding="utf-8")


def test_memory_and_disk_are_sums(tool, costs):
    assumed = tool.Assumptions(index_bytes=100.0)
    exact = tool.Layout("", 4, 2, 1.0, shards_per_node=8)
    assert exact.memory(1000, costs, assumed) == 1000 * 2 * (400 + 100)
    assert exact.disk(1000, costs) == 1000 * (400 + 1000)
    smaller = tool.Layout("", 1, 1, 0.1, shards_per_node=4)
    assert smaller.memory(1000, costs, assumed) == 1000 * (100 + 100)
    assert smaller.disk(1000, costs) == 1000 * (400 + 1000 + 100)


def test_nodes_have_enough_memory(tool, costs):
    assumed = tool.Assumptions(index_bytes=100.0, node_memory=1000.0 * 1000, usable=0.5)
    plan = tool.plan(5000, tool.Layout("", 4, 2, 1.0, shards_per_node=8), costs, assumed)
    assert plan.memory == 5e6
    assert (plan.nodes, plan.shards) == (10, 40)


def test_one_category_on_one_shard_is_scanned_at_the_measured_rate(tool, costs):
    assumed = tool.Assumptions(categories=1)
    seconds = tool.simulate(500_000, tool.LAYOUTS[0], 1, costs, assumed)
    np.testing.assert_array_equal(seconds, 0.5)


def test_a_search_waits_for_its_slowest_shard(tool, costs):
    layout, assumed = tool.Layout("", 1, 2, 0.5, shards_per_node=4), tool.Assumptions(categories=1)
    seconds = tool.simulate(10**8, layout, 50, costs, assumed)
    assert np.median(seconds) > 0.5 * 10**8 / 50 / costs.scanned_per_second + assumed.engine_seconds


def test_quantities_have_readable_units(tool):
    assert [tool._bytes(n) for n in (5e8, 2.54e10, 1.29e12)] == ["0.5 GB", "25.4 GB", "1.29 TB"]
    assert [tool._hours(s) for s in (90, 7200, 864_000)] == ["1.5 min", "2 h", "10 days"]
    assert [tool._seconds(s) for s in (0.0024, 0.5)] == ["2.4 ms", "500 ms"]


def test_records_have_the_expected_size(tool):
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    found = importlib.import_module("scale_costs")._kept(16, products=600)
    assert 500 < found["record_bytes"] < 5000
    assert 4 * 16 < found["parquet_bytes"] < 5000
    assert found["ingested_per_second"] > 0


def test_measure_requires_a_model_and_photos(tool):
    with pytest.raises(SystemExit):
        tool.main(["--measure"])
    assert set(json.loads(tool.FIGURES.read_text())) == {
        each.name for each in tool.Costs.__dataclass_fields__.values()
    }
