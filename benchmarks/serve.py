"""Measures the service under load against bare decoding and backbone on the same photos.

    python benchmarks/serve.py [--model MODEL] [--photos FOLDER] [--n 38111] [--requests 2000] [--quick]
        [--json FILE]

The server is a separate process (`perfectlook serve`). This process sends requests over open connections.
Photos come from `PERFECTLOOK_DATA` or `--photos`, saved with 1280 pixels on their long side and about 100 kB.
The catalogue is synthetic: n unit vectors in 60 categories of sizes as rank^-0.8. Without `--model`, the
model has random weights on the default backbone. Every request asks for 10 categories of 10 products.
`--quick` draws its photos; its figures mean nothing.

- `p50_over_bare`, `p99_over_bare`: one request at a time, in turn with the bare work on its photo in this
  process: p50 of requests over p50 of bare work, and p99 over p99.
- `throughput_over_bare`: answers a second over `--connections` connections, over bare work with one thread
  for each processor. The load generator runs on the same processors.
- `figures.refused_*`: twice as many connections as the server accepts: the statuses, and p99 of accepted
  requests.
- `figures.syncing_*`: one request at a time while `perfectlook catalogue sync` in another process replaces
  all products from a file of vectors: p50, p99, maximum, number of requests and duration. The sync uses one
  processor.
- `figures.rss_mb_*`: memory of the server after the first tenth of `--requests`, and after all of them.
- `figures.seconds_to_ready`: from the start of the process to the first 200 of `/ready`.
"""

import argparse
import http.client
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import psutil
from PIL import Image

from machine import add_json_option, add_quick_option, report
from perfectlook.backbones import Backbone, describe_backbones, open_backbone
from perfectlook.catalogue.manifest import CatalogueManifest, Generation, ModelIdentity
from perfectlook.catalogue.vectors import write_vectors
from perfectlook.files import data_folder, worker_count
from perfectlook.images import open_picture
from perfectlook.model.runtime import Model
from perfectlook.service.settings import Settings
from perfectlook.stores import Point, open_store
from started import port_of

BACKBONE = "efficientnet-lite2"
CATEGORIES = 60
NAMES = [f"Shop|Category {number:02d}" for number in range(CATEGORIES)]
ASKED, K = 10, 10
BATCH = 5_000
SIDE, BYTES = 1280, 100_000
PHOTOS = 40
QUICK = {"n": 1_200, "single": 3, "requests": 8, "connections": 2}
BOUNDARY = "perfectlook-benchmark"


class Load(NamedTuple):
    """The result of many requests: seconds of each answer, all statuses, and the total time."""

    seconds: list[float]
    statuses: Counter[int | str]
    wall: float


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="a trained model (default: random weights)")
    parser.add_argument("--photos", type=Path, help="folder of photos (default: those of PERFECTLOOK_DATA)")
    parser.add_argument("--n", type=int, default=38_111, help="products (default %(default)s)")
    parser.add_argument(
        "--single", type=int, default=200, help="requests one at a time (default %(default)s)"
    )
    parser.add_argument(
        "--requests", type=int, default=2_000, help="requests under load (default %(default)s)"
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=2 * worker_count(),
        help="connections under load (default two for each processor: %(default)s)",
    )
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    photos = _drawn() if options.quick else _photos(options.photos)
    ratios: dict[str, float] = {}
    figures: dict[str, object] = {
        "products": options.n,
        "photos": len(photos),
        "photo_kb": round(sum(map(len, photos)) / len(photos) / 1000),
        "workers": worker_count(),
    }
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model or _random_model(Path(scratch) / "model")
        categories = _catalogue(Path(scratch) / "catalogue", Model.open(model), options.n)
        path = "/v1/complete?k=10" + "".join(f"&category={quote(each)}" for each in categories[:ASKED])
        backbone = open_backbone(Model.open(model).backbone)
        with _server(model, Path(scratch) / "catalogue", figures) as (port, process):
            load = _Requests(port, path, photos)
            _one_at_a_time(load, backbone, photos, options.single, ratios, figures)
            _saturated(load, backbone, photos, options, process, ratios, figures)
            _beyond(load, options, figures)
            _while_syncing(load, model, Path(scratch) / "catalogue", options.n, figures)
    report("serve", ratios, figures, options.json)


def _one_at_a_time(
    load: "_Requests",
    backbone: Backbone,
    photos: list[bytes],
    count: int,
    ratios: dict[str, float],
    figures: dict[str, object],
) -> None:
    connection = load.connected()
    bare, whole = [], []
    for number in range(count + 5):
        photo = photos[number % len(photos)]
        bare.append(_seconds(lambda photo=photo: _bare(backbone, photo)))  # type: ignore[misc]
        whole.append(_seconds(lambda number=number: load.ask(connection, number)))  # type: ignore[misc]
    bare, whole = bare[5:], whole[5:]
    p99 = (quantiles(bare, n=100)[98], quantiles(whole, n=100)[98])
    ratios["p50_over_bare"] = median(whole) / median(bare)
    ratios["p99_over_bare"] = p99[1] / p99[0]
    figures |= {
        "ms_bare_p50": 1000 * median(bare),
        "ms_bare_p99": 1000 * p99[0],
        "ms_p50": 1000 * median(whole),
        "ms_p99": 1000 * p99[1],
    }


def _saturated(
    load: "_Requests",
    backbone: Backbone,
    photos: list[bytes],
    options: argparse.Namespace,
    process: psutil.Process,
    ratios: dict[str, float],
    figures: dict[str, object],
) -> None:
    backbone = open_backbone(backbone.description.name, threads=worker_count())
    first = max(options.connections, options.requests // 10)
    rest = max(options.connections, options.requests - first)
    bare = [_bare_throughput(backbone, photos)]
    load.run(first, options.connections)
    figures["rss_mb_early"] = process.memory_info().rss / 2**20
    done = load.run(rest, options.connections)
    bare.append(_bare_throughput(backbone, photos))
    figures["rss_mb_late"] = process.memory_info().rss / 2**20
    figures["per_second"] = done.statuses[200] / done.wall
    figures["bare_per_second"] = sum(bare) / len(bare)
    figures["statuses"] = dict(done.statuses)
    ratios["throughput_over_bare"] = done.statuses[200] / done.wall / (sum(bare) / len(bare))


def _beyond(load: "_Requests", options: argparse.Namespace, figures: dict[str, object]) -> None:
    places = worker_count() * (1 + Settings().queue)
    done = load.run(max(2 * places, options.requests // 2), 2 * places)
    figures["refused_statuses"] = dict(done.statuses)
    figures["refused_ms_p99_of_accepted"] = 1000 * quantiles(done.seconds, n=100)[98]


def _while_syncing(
    load: "_Requests", model: Path, catalogue: Path, n: int, figures: dict[str, object]
) -> None:
    opened, vectors = Model.open(model), catalogue.parent / "vectors.parquet"
    write_vectors(vectors, _generation(opened), opened.dimension, _points(opened.dimension, n, seed=1))
    command = [sys.executable, "-m", "perfectlook", "catalogue", "sync", str(vectors), "--model", str(model)]
    command += ["--catalogue", str(catalogue)]
    began, seconds = time.perf_counter(), list[float]()
    with (catalogue.parent / "sync.log").open("w+") as log:
        sync = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            connection = load.connected()
            while sync.poll() is None:
                one = time.perf_counter()
                if (status := load.ask(connection, len(seconds))) != 200:
                    raise SystemExit(f"{status} during a sync")
                seconds.append(time.perf_counter() - one)
        finally:
            sync.terminate()
            sync.wait()
        if sync.returncode:
            log.seek(0)
            raise SystemExit(log.read())
    figures |= {
        "syncing_seconds": time.perf_counter() - began,
        "syncing_requests": len(seconds),
        "syncing_ms_p50": 1000 * median(seconds),
        "syncing_ms_p99": 1000 * quantiles(seconds, n=100)[98],
        "syncing_ms_longest": 1000 * max(seconds),
    }


class _Requests:
    """Sends photos as forms, as a page would."""

    def __init__(self, port: int, path: str, photos: list[bytes]) -> None:
        self._port = port
        self._path = path
        self._bodies = [_form(photo) for photo in photos]
        self._headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def ask(self, connection: http.client.HTTPConnection, number: int) -> int:
        body = self._bodies[number % len(self._bodies)]
        connection.request("POST", self._path, body, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 200 and content.count(b'"rank":') != ASKED * K:
            raise SystemExit(f"an answer without {ASKED * K} products")
        return answer.status

    def run(self, count: int, connections: int) -> Load:
        numbers = iter(range(count))
        lock = threading.Lock()
        seconds: list[float] = []
        statuses: Counter[int | str] = Counter()

        def work() -> None:
            connection = self.connected()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    connection.close()
                    return
                began = time.perf_counter()
                try:
                    status: int | str = self.ask(connection, number)
                except (OSError, http.client.HTTPException) as error:
                    status = type(error).__name__
                    connection.close()
                    connection = self.connected()
                with lock:
                    statuses[status] += 1
                    if status == 200:
                        seconds.append(time.perf_counter() - began)

        began = time.perf_counter()
        _together([work] * connections)
        return Load(seconds, statuses, time.perf_counter() - began)


def _bare(backbone: Backbone, photo: bytes) -> None:
    picture = open_picture(photo, fit=backbone.description.input_size)
    backbone.extract(backbone.prepare(picture)[None])


def _bare_throughput(backbone: Backbone, photos: list[bytes], rounds: int = 3) -> float:
    def work() -> None:
        for photo in photos * rounds:
            _bare(backbone, photo)

    threads = worker_count()
    return threads * rounds * len(photos) / _seconds(lambda: _together([work] * threads))


def _together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _form(photo: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
    return head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def _server(model: Path, catalogue: Path, figures: dict[str, object]) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "perfectlook", "serve", "--model", str(model), "--rate", "0"]
    command += ["--catalogue", str(catalogue), "--port", "0"]
    log = catalogue.parent / "log"
    with log.open("w") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(command, stderr=stream, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        port = port_of(log, process)
        while _status(port) != 200:
            time.sleep(0.01)
        figures["seconds_to_ready"] = time.perf_counter() - began
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/ready")
    return connection.getresponse().status


def _photos(folder: Path | None) -> list[bytes]:
    place = folder or data_folder()
    files = (
        []
        if place is None
        else sorted(each for each in place.rglob("*.jpg") if folder or "scenes" in each.parts)
    )
    if not files:
        raise SystemExit("no photos: set PERFECTLOOK_DATA, or name a folder with --photos")
    step = max(1, len(files) // PHOTOS)
    return [_saved(file) for file in files[::step][:PHOTOS]]


def _drawn() -> list[bytes]:
    """Four photos of coloured rectangles, as JPEG files."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(4):
        blocks = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(blocks).resize((SIDE, SIDE * 3 // 4), Image.Resampling.NEAREST)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def _saved(file: Path) -> bytes:
    """A photo with 1280 pixels on its long side, in the best quality that is about 100 kB."""
    picture = open_picture(file)
    scale = SIDE / max(picture.size)
    picture = picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
    )
    content = b""
    for quality in range(95, 40, -5):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        content = buffer.getvalue()
        if len(content) <= BYTES:
            break
    return content


def _random_model(folder: Path) -> Path:
    import torch

    from perfectlook.model.config import ModelConfig
    from perfectlook.model.export import write_model
    from perfectlook.model.networks import Compatibility, Widths

    torch.manual_seed(0)
    config = ModelConfig(backbone=BACKBONE, linear_path="random")
    described = next(each for each in describe_backbones() if each.name == BACKBONE)
    widths = Widths(described.global_dimension, (described.style_dimension,), described.map_channels)
    width = widths.global_width(config)
    write_model(
        Compatibility(config, widths, CATEGORIES),
        folder,
        widths=widths,
        backbone_identity=open_backbone(BACKBONE).identity,
        categories=NAMES,
        centres=np.zeros((CATEGORIES, width), np.float32),
        overall_centre=np.zeros(width, np.float32),
    )
    return folder


def _catalogue(folder: Path, model: Model, n: int) -> list[str]:
    """Fill a catalogue with n products; returns its categories, largest first."""
    store = open_store(folder, create=True)
    store.create_collection("all", model.dimension)
    for points in _points(model.dimension, n, seed=0):
        store.upsert(points, collection="all")
    store.write_manifest(CatalogueManifest(_generation(model), None, 1).document(), active="all")
    store.close()
    return NAMES


def _generation(model: Model) -> Generation:
    identity = open_backbone(model.backbone).identity
    return Generation("all", ModelIdentity(model.name, model.identity, identity), {}, None)


def _points(dimension: int, n: int, seed: int) -> Iterator[list[Point]]:
    """Yield n products in batches. Another seed gives the same ids and different products."""
    random = np.random.default_rng(seed)
    shares = np.arange(1, CATEGORIES + 1) ** -0.8
    chosen = random.choice(CATEGORIES, n, p=shares / shares.sum())
    for start in range(0, n, BATCH):
        vectors = random.standard_normal((min(BATCH, n - start), dimension), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield [
            Point(f"{number:032x}", NAMES[chosen[number]], vector, _payload(number, seed, random))
            for number, vector in enumerate(vectors, start)
        ]


def _payload(number: int, seed: int, random: np.random.Generator) -> dict[str, object]:
    fields = {
        "price": f"{random.uniform(5, 500):.2f} EUR",
        "availability": "in_stock",
        "brand": f"brand{number % 30}",
        "link": f"https://shop.example/products/{number}",
    }
    return {
        "title": f"Product {number}",
        "picture": f"/pictures/{number}.jpg",
        "width": 500,
        "height": 500,
        "picture_sha256": f"{seed:032x}{number:032x}",
        "dhash": random.bytes(32).hex(),
        "record_sha256": f"{seed:032x}{number:032x}",
        "fields": fields,
    }


if __name__ == "__main__":
    main()
