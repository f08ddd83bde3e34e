"""Measures `perfectlook embed` in local processes and on Ray workers of this machine, from photos to a file.

    python benchmarks/embed.py [--source showroom] [--model rooms] [--quick] [--json FILE]

Each way embeds the same products with an empty feature store, from the start of the command to its end:

- `local-1`, `local-2`: one and two processes.
- `ray-1`, `ray-2`: one and two workers on Ray, which the command starts and stops.
- `ray-2-killed`: one of the two workers is killed (SIGKILL) as soon as it works. Ray starts another, which
  does the work of the killed one again.

All files must have the same vectors, bit for bit, or the benchmark fails.

- `figures.WAY_seconds`: the whole command. `products`: embedded by each.
- `figures.local_speedup`, `ray_speedup`: of the second worker.
- `figures.ray_overhead_seconds`: of `ray-1` over `local-1`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from machine import add_json_option, add_quick_option, report

WAYS = ("local-1", "local-2", "ray-1", "ray-2", "ray-2-killed")
QUICK = ("local-2", "ray-2-killed")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", default="showroom", help="the products (default %(default)s)")
    parser.add_argument("--model", default="rooms", help="the model (default %(default)s)")
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    figures: dict[str, object] = {}
    seconds, files = {}, []
    with tempfile.TemporaryDirectory(prefix="pl-") as scratch:
        for way in QUICK if options.quick else WAYS:
            folder = Path(scratch) / way
            folder.mkdir()
            files.append(folder / "vectors.parquet")
            words = ["embed", options.source, "--model", options.model, "--out", str(files[-1])]
            kind, workers, *killed = way.split("-")
            words += ["--workers", workers, *(["--ray"] if kind == "ray" else [])]
            seconds[way] = _run(words, folder, kill=bool(killed))
            figures[f"{way}_seconds"] = seconds[way]
        made = [pq.read_table(file) for file in files]
    figures["products"] = made[0].num_rows
    if any(each["vector"] != made[0]["vector"] or each["id"] != made[0]["id"] for each in made):
        raise SystemExit("embed: the files have different vectors")
    if not options.quick:
        for kind in ("local", "ray"):
            figures[f"{kind}_speedup"] = seconds[f"{kind}-1"] / seconds[f"{kind}-2"]
        figures["ray_overhead_seconds"] = seconds["ray-1"] - seconds["local-1"]
    report("embed", {}, figures, options.json)


def _run(words: list[str], folder: Path, *, kill: bool) -> float:
    """Run a command of perfectlook, and kill a Ray worker if asked to. Return the seconds."""
    environment = {**os.environ, "PERFECTLOOK_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": "/tmp"}  # its sockets need a short path
    environment.pop("RAY_ADDRESS", None)
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "perfectlook", *words]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while kill and process.poll() is None and not _killed_worker(process.pid):
                time.sleep(0.05)
            if kill and process.poll() is not None:
                raise SystemExit(f"embed: no worker was killed\n{(folder / 'log').read_text()}")
            if process.wait() != 0:
                raise SystemExit(f"embed: {' '.join(words)} failed\n{(folder / 'log').read_text()}")
        finally:
            process.kill()
    return time.perf_counter() - began


def _killed_worker(pid: int) -> bool:
    """Kill a Ray worker below a process that extracts now. Return whether there was one."""
    try:
        for each in psutil.Process(pid).children(recursive=True):
            title = " ".join(each.cmdline())
            if title.startswith("ray::") and "Map" in title and "." in title:  # idle ones have no method
                each.kill()
                return True
    except psutil.NoSuchProcess:
        pass
    return False


if __name__ == "__main__":
    main()
