"""Estimate what 10^6 to 10^9 products need: the tables of docs/how-to/scale.md.

    python tools/scale.py                                       # print the tables of docs/how-to/scale.json
    python tools/scale.py --measure --model MODEL --photos DIR   # measure this machine and write that file

Only the cost of one product on one core is measured, in processor seconds: other programs on the machine
change these less than elapsed seconds. Everything else is computed from these costs and `Assumptions`, and
search times are simulated. No cluster of several nodes and no GPU was used. Check the tables with a
first run of your own.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from perfectlook.evaluation.tables import markdown_table
from perfectlook.types import Float64Array
from scale_costs import Costs, measure

FIGURES = Path(__file__).parents[1] / "docs" / "how-to" / "scale.json"
SIZES = (10**6, 10**7, 10**8, 10**9)
GB = 1e9


@dataclass(frozen=True)
class Assumptions:
    """Values that were not measured: the machines, the cluster's engine, and the searches."""

    node_memory: float = 64 * GB
    node_cores: int = 16
    usable: float = 0.75
    """Fraction of a node's memory for data."""
    index_bytes: float = 250
    """Memory per product for its id and the filters' indexes."""
    categories: int = 200
    skew: float = 1.0
    """The n-th largest category has 1 / n^skew of the products and searches of the largest."""
    engine_seconds: float = 0.007
    """Time of a search on Milvus without the comparison of vectors: `benchmarks/cluster.py --n 1500`."""
    shard_spread: float = 0.4
    """Standard deviation of the logarithm of a shard's time."""
    gpu_photos_per_second: float = 10_000.0
    link_bytes_per_second: float = 1.25e9


@dataclass(frozen=True)
class Layout:
    """How vectors are stored: bytes per number in memory, copies, searched share, shards per node."""

    name: str
    bytes_per_number: float
    replicas: int
    scanned: float
    shards_per_node: int

    def memory(self, products: int, costs: Costs, assumed: Assumptions) -> float:
        """Return the bytes of memory in all nodes together."""
        vector = self.bytes_per_number * costs.dimension
        return products * self.replicas * (vector + assumed.index_bytes)

    def disk(self, products: int, costs: Costs) -> float:
        """Return the bytes on all disks, or in object storage: vectors, records, and smaller vectors.

        A cluster keeps one copy in object storage. Its replicas are in memory.
        """
        smaller = self.bytes_per_number * costs.dimension if self.bytes_per_number < 4 else 0.0
        return products * (4 * costs.dimension + costs.record_bytes + smaller)


LAYOUTS = (
    Layout("folder", 4, 1, 1.0, shards_per_node=1),
    Layout("Milvus, FLAT", 4, 2, 1.0, shards_per_node=8),
    Layout("Milvus, IVF_SQ8", 1, 2, 128 / 1024, shards_per_node=8),
    Layout("Milvus, IVF_SQ8", 1, 2, 128 / 1024, shards_per_node=8),
)
"""The layout of each of `SIZES`."""


@dataclass(frozen=True)
class Plan:
    """The layout of a number of products: its size in bytes, and search times in seconds (median, p99)."""

    products: int
    layout: Layout
    nodes: int
    shards: int
    memory: float
    disk: float
    median: float
    slow: float


def plan(products: int, layout: Layout, costs: Costs, assumed: Assumptions) -> Plan:
    """Lay out a number of products, and simulate searches of one category each."""
    memory = layout.memory(products, costs, assumed)
    single = layout.replicas == 1
    nodes = 1 if single else max(layout.replicas, math.ceil(memory / assumed.node_memory / assumed.usable))
    shards = 1 if single else max(1, nodes // layout.replicas) * layout.shards_per_node
    seconds = simulate(products, layout, shards, costs, assumed)
    median, slow = np.percentile(seconds, (50, 99))
    disk = layout.disk(products, costs)
    return Plan(products, layout, nodes, shards, memory, disk, float(median), float(slow))


def simulate(
    products: int, layout: Layout, shards: int, costs: Costs, assumed: Assumptions, searches: int = 20_000
) -> Float64Array:
    """Return the seconds of searches [searches]: each asks one category, and waits for its slowest shard.

    Categories are drawn in proportion to their size. The seed is 0.
    """
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, assumed.categories + 1) ** assumed.skew
    shares /= shares.sum()
    asked = shares[random.choice(assumed.categories, searches, p=shares)]
    work = asked * products * layout.scanned / shards / costs.scanned_per_second
    if shards == 1:
        return np.asarray(work, np.float64)
    slowest = np.exp(assumed.shard_spread * random.standard_normal((searches, shards))).max(axis=1)
    seconds: Float64Array = assumed.engine_seconds + work * slowest
    return seconds


def tables(costs: Costs, assumed: Assumptions) -> str:
    """Return all tables, in Markdown."""
    plans = [plan(n, layout, costs, assumed) for n, layout in zip(SIZES, LAYOUTS, strict=True)]
    captioned = (
        ("Measured, per product on one core:", _measured(costs)),
        ("Computed, for storing and searching:", _storage(plans)),
        ("Computed, for embedding:", _embedding(costs, assumed)),
    )
    return "\n\n".join(f"{caption}\n\n{table}" for caption, table in captioned)


def _measured(costs: Costs) -> str:
    costs_by_name = [
        ("photo file to stored features", f"{costs.photos_per_second:,.0f} a second"),
        ("photo file to network input", f"{costs.decoded_per_second:,.0f} a second"),
        ("features to vector", f"{costs.heads_per_second:,.0f} a second"),
        ("vector file to embedded store", f"{costs.ingested_per_second:,.0f} a second"),
        ("exact search", f"{costs.scanned_per_second / 1e6:,.1f} million products a second"),
        ("photo file", f"{costs.picture_bytes:,.0f} bytes"),
        ("stored features", f"{costs.feature_bytes:,.0f} bytes"),
        ("vector", f"{4 * costs.dimension:,} bytes ({costs.dimension} numbers)"),
        ("record on Milvus, with the entries for filters", f"{costs.record_bytes:,.0f} bytes"),
        ("row of the vector file", f"{costs.parquet_bytes:,.0f} bytes"),
        ("memory of a sync", f"{costs.listing_bytes:,.0f} bytes"),
    ]
    return "\n".join(f"- {name}: {cost}" for name, cost in costs_by_name)


def _storage(plans: Sequence[Plan]) -> str:
    header = (
        "products",
        "layout",
        "nodes",
        "shards × copies",
        "memory",
        "disk or objects",
        "search p50",
        "p99",
    )
    rows = [
        (
            _power(each.products),
            each.layout.name,
            str(each.nodes),
            f"{each.shards} × {each.layout.replicas}",
            _bytes(each.memory),
            _bytes(each.disk),
            _seconds(each.median),
            _seconds(each.slow),
        )
        for each in plans
    ]
    return markdown_table(header, rows)


def _embedding(costs: Costs, assumed: Assumptions) -> str:
    header = ("products", "1 node, 16 cores", "16 nodes, 256 cores", "1 GPU, 16 cores", "sync memory")
    gpu = min(assumed.gpu_photos_per_second, assumed.node_cores * costs.decoded_per_second)
    rows = [
        (
            _power(n),
            _hours(n / costs.photos_per_second / assumed.node_cores),
            _hours(n / costs.photos_per_second / assumed.node_cores / 16),
            _hours(n / gpu),
            _bytes(n * costs.listing_bytes),
        )
        for n in SIZES
    ]
    return markdown_table(header, rows)


def _power(products: int) -> str:
    return f"10^{round(math.log10(products))}"


def _bytes(count: float) -> str:
    unit, size = next((u, s) for u, s in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)) if count >= s or u == "GB")
    return f"{count / size:,.3g} {unit}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.2g} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 1:
        return f"{hours * 60:,.2g} min"
    return f"{hours:,.2g} h" if hours < 72 else f"{hours / 24:,.3g} days"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; with --measure, measure first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure this machine, and write --figures")
    parser.add_argument("--model", type=Path, help="folder of a trained model to measure with")
    parser.add_argument("--photos", type=Path, help="folder of photos to measure with")
    parser.add_argument("--n", type=int, default=300, help="number of photos (300)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="file of the measured costs")
    arguments = parser.parse_args(argv)
    if arguments.measure:
        if not (arguments.model and arguments.photos):
            parser.error("--measure requires --model and --photos. Add them, or leave out --measure.")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        costs = measure(arguments.model, arguments.photos, arguments.n)
        arguments.figures.write_text(json.dumps(asdict(costs), indent=2) + "\n", encoding="utf-8")
    costs = Costs(**json.loads(arguments.figures.read_text(encoding="utf-8")))
    print(tables(costs, Assumptions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
