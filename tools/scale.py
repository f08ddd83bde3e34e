"""Estimate what 10^6 to 10^9 products need: the tables of docs/how-to/scale.md.

    python tools/scale.py                                       # print the tables of docs/how-to/*.json
    python tools/scale.py --measure --model MODEL --photos DIR   # measure this machine and write scale.json
    python benchmarks/cluster.py --json docs/how-to/cluster.json # measure Milvus on this machine

Two things are measured: what one product costs on one core, in processor seconds, which other programs change
less than elapsed seconds, and one Milvus server. Everything else is computed from these costs and
`Assumptions`, and search times are simulated. No cluster of several nodes and no GPU was used. Check the
tables with a first run of your own.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perfectlook.evaluation.tables import markdown_table
from perfectlook.types import Float64Array
from scale_costs import Costs, measure

FIGURES = Path(__file__).parents[1] / "docs" / "how-to" / "scale.json"
CLUSTER = FIGURES.with_name("cluster.json")
SIZES = (10**6, 10**7, 10**8, 10**9)
GB = 1e9


@dataclass(frozen=True)
class Assumptions:
    """Values that were not measured: the machines, their prices, and the searches."""

    node_memory: float = 64 * GB
    node_cores: int = 16
    usable: float = 0.75
    """Fraction of a node's memory for data."""
    folder_bytes: float = 250
    """Memory per product of a folder, for its id and the filters' indexes."""
    other_nodes: int = 3
    """Nodes of a cluster that do not search: for coordinators, writes, indexes and the message queue."""
    node_hour: float = 0.80
    """Dollars."""
    disk_gb_month: float = 0.025
    """Dollars for object storage."""
    categories: int = 200
    skew: float = 1.0
    """The n-th largest category has 1 / n^skew of the products and searches of the largest."""
    part_spread: float = 0.4
    """Standard deviation of the logarithm of a part's time."""
    gpu_photos_per_second: float = 10_000.0
    link_bytes_per_second: float = 1.25e9


@dataclass(frozen=True)
class Engine:
    """What `benchmarks/cluster.py` measured of one Milvus server.

    Attributes:
        seconds: the time of a search without the comparison of vectors.
        compared_per_second: products that a search compares with one core.
        row_bytes: memory for a product, without its vector.
        written_per_second: products that one sync writes.
    """

    seconds: float
    compared_per_second: float
    row_bytes: float
    written_per_second: float

    @classmethod
    def of(cls, figures: Mapping[str, Any], costs: Costs) -> "Engine":
        """Use the figures of the largest catalogue, for vectors of the costs' dimension.

        Where the comparisons were too fast to be measured on Milvus, use the costs'.
        """
        sizes = sorted(int(name.partition(".")[0]) for name in figures if name.endswith(".FLAT.ms_of_engine"))
        measured, flat = figures["dimension"], f"{sizes[-1]}.FLAT."
        compared = figures.get(flat + "compared_per_second")
        return cls(
            figures[flat + "ms_of_engine"] / 1000,
            compared * measured / costs.dimension if compared else costs.scanned_per_second,
            figures[flat + "memory_bytes"] - 4 * measured,
            figures[f"{sizes[0]}.FLAT.load_per_second"],
        )


@dataclass(frozen=True)
class Layout:
    """How vectors are stored: bytes per number in memory, copies, searched share, parts per node."""

    name: str
    bytes_per_number: float
    replicas: int
    scanned: float
    parts_per_node: int

    def memory(self, products: int, costs: Costs, row_bytes: float) -> float:
        """Return the bytes of memory in all nodes together."""
        return products * self.replicas * (self.bytes_per_number * costs.dimension + row_bytes)

    def disk(self, products: int, costs: Costs) -> float:
        """Return the bytes on all disks, or in object storage: vectors, records, and smaller vectors.

        A cluster keeps one copy in object storage. Its replicas are in memory.
        """
        smaller = self.bytes_per_number * costs.dimension if self.bytes_per_number < 4 else 0.0
        return products * (4 * costs.dimension + costs.record_bytes + smaller)


LAYOUTS = (
    Layout("folder", 4, 1, 1.0, parts_per_node=1),
    Layout("Milvus, FLAT", 4, 2, 1.0, parts_per_node=8),
    Layout("Milvus, IVF_SQ8", 1, 2, 128 / 1024, parts_per_node=8),
    Layout("Milvus, IVF_SQ8", 1, 2, 128 / 1024, parts_per_node=8),
)
"""The layout of each of `SIZES`."""


@dataclass(frozen=True)
class Plan:
    """The layout of a number of products: bytes, seconds to write it and to search it, dollars a month."""

    products: int
    layout: Layout
    nodes: int
    parts: int
    memory: float
    disk: float
    written: float
    median: float
    slow: float
    dollars: float


def plan(products: int, layout: Layout, costs: Costs, engine: Engine, assumed: Assumptions) -> Plan:
    """Lay out a number of products, and simulate searches of one category each."""
    single = layout.replicas == 1
    memory = layout.memory(products, costs, assumed.folder_bytes if single else engine.row_bytes)
    nodes = 1 if single else max(layout.replicas, math.ceil(memory / assumed.node_memory / assumed.usable))
    parts = 1 if single else max(1, nodes // layout.replicas) * layout.parts_per_node
    if single:
        engine = Engine(0, costs.scanned_per_second, 0, costs.ingested_per_second)
    seconds = simulate(products, layout, parts, engine, assumed)
    median, slow = (float(each) for each in np.percentile(seconds, (50, 99)))
    disk, written = layout.disk(products, costs), products / engine.written_per_second
    paid = nodes if single else nodes + assumed.other_nodes
    dollars = paid * 730 * assumed.node_hour + disk / GB * assumed.disk_gb_month
    return Plan(products, layout, nodes, parts, memory, disk, written, median, slow, dollars)


def simulate(
    products: int, layout: Layout, parts: int, engine: Engine, assumed: Assumptions, searches: int = 20_000
) -> Float64Array:
    """Return the seconds of searches [searches]: each asks one category, and waits for its slowest part.

    Categories are drawn in proportion to their size. The seed is 0.
    """
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, assumed.categories + 1) ** assumed.skew
    shares /= shares.sum()
    asked = shares[random.choice(assumed.categories, searches, p=shares)]
    work = asked * products * layout.scanned / parts / engine.compared_per_second
    if parts == 1:
        return np.asarray(work, np.float64)
    slowest = np.exp(assumed.part_spread * random.standard_normal((searches, parts))).max(axis=1)
    seconds: Float64Array = engine.seconds + work * slowest
    return seconds


def tables(costs: Costs, cluster: Mapping[str, Any], assumed: Assumptions) -> str:
    """Return all tables, in Markdown."""
    engine = Engine.of(cluster, costs)
    plans = [plan(n, layout, costs, engine, assumed) for n, layout in zip(SIZES, LAYOUTS, strict=True)]
    captioned = (
        ("Measured, one Milvus server and a folder:", _compared(cluster)),
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


def _compared(cluster: Mapping[str, Any]) -> str:
    header = (
        "products",
        "store",
        "written a second",
        "memory",
        "p50",
        "p99",
        "filtered, p50",
        "of the true ten",
    )
    names = [name.removesuffix(".where_ms_p99") for name in cluster if name.endswith(".where_ms_p99")]
    rows = []
    for name in names:
        size, _, kind = name.partition(".")
        found = {what: cluster.get(f"{name}.{what}") for what in _SHOWN}
        written = found["load_per_second"] or found["bulk_per_second"]
        times = (found[what] for what in ("ms_p50", "ms_p99", "where_ms_p50"))
        rows.append(
            (
                f"{int(size):,}",
                "folder" if kind == "folder" else f"Milvus, `{kind}`",
                f"{written:,.0f}",
                f"{found['memory_bytes']:,.0f} bytes" if found["memory_bytes"] else "",
                *(f"{each:,.2g} ms" if each < 100 else f"{each:,.0f} ms" for each in times if each),
                f"{found['recall']:.0%}".replace("%", " %") if found["recall"] else "all",
            )
        )
    return markdown_table(header, rows)


_SHOWN = (
    *("load_per_second", "bulk_per_second", "memory_bytes", "recall"),
    *("ms_p50", "ms_p99", "where_ms_p50"),
)


def _storage(plans: Sequence[Plan]) -> str:
    header = (
        "products",
        "layout",
        "nodes",
        "parts × copies",
        "memory",
        "disk or objects",
        "written in",
        "search p50",
        "p99",
        "a month",
    )
    rows = [
        (
            _power(each.products),
            each.layout.name,
            str(each.nodes),
            f"{each.parts} × {each.layout.replicas}",
            _bytes(each.memory),
            _bytes(each.disk),
            _hours(each.written),
            _seconds(each.median),
            _seconds(each.slow),
            _dollars(each.dollars),
        )
        for each in plans
    ]
    return markdown_table(header, rows)


def _embedding(costs: Costs, assumed: Assumptions) -> str:
    header = (
        "products",
        "1 node, 16 cores",
        "16 nodes, 256 cores",
        "on cores",
        "1 GPU, 16 cores",
        "sync memory",
    )
    gpu = min(assumed.gpu_photos_per_second, assumed.node_cores * costs.decoded_per_second)
    rows = [
        (
            _power(n),
            _hours(n / costs.photos_per_second / assumed.node_cores),
            _hours(n / costs.photos_per_second / assumed.node_cores / 16),
            _dollars(n / costs.photos_per_second / assumed.node_cores / 3600 * assumed.node_hour),
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


def _dollars(dollars: float) -> str:
    return f"${float(f'{dollars:.2g}'):,.0f}" if dollars >= 1 else "under $1"


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
    parser.add_argument("--cluster", type=Path, default=CLUSTER, help="file of the measured Milvus server")
    arguments = parser.parse_args(argv)
    if arguments.measure:
        if not (arguments.model and arguments.photos):
            parser.error("--measure requires --model and --photos. Add them, or leave out --measure.")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        costs = measure(arguments.model, arguments.photos, arguments.n)
        arguments.figures.write_text(json.dumps(asdict(costs), indent=2) + "\n", encoding="utf-8")
    costs = Costs(**json.loads(arguments.figures.read_text(encoding="utf-8")))
    cluster = json.loads(arguments.cluster.read_text(encoding="utf-8"))["figures"]
    print(tables(costs, cluster, Assumptions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
