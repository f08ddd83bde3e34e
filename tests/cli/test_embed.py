"""`perfectlook embed`, run as a user runs it: on this machine, and on two Ray workers."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.vectors import VectorFile
from perfectlook.cli.main import main
from web import serve, web

if TYPE_CHECKING:
    from conftest import Shop

pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "vectors.parquet"


def embed(source: Path, model: Path, out: Path, *more: str | Path) -> int:
    return main(["embed", str(source), "--model", str(model), "--out", str(out), *map(str, more)])


def sync(source: Path, model: Path, folder: Path) -> int:
    arguments = ["--model", str(model), "--catalogue", str(folder)]
    return main(["catalogue", "sync", str(source), *arguments])


def vectors(path: Path) -> dict[str, list[float]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return dict(zip(table["id"].to_pylist(), table["vector"].to_pylist(), strict=True))


def test_the_vectors_can_be_synced(shop: "Shop", out: Path, tmp_path: Path, capsys) -> None:
    assert embed(shop.source, shop.model, out) == 0
    assert "vectors.parquet: products 18, categories 2, model " in capsys.readouterr().out
    assert sync(out, shop.model, tmp_path / "catalogue") == 0
    assert "18 added" in capsys.readouterr().out
    assert sync(shop.source, shop.model, tmp_path / "catalogue") == 0
    assert "18 unchanged; 0 embedded" in capsys.readouterr().out


def test_vectors_with_a_catalogues_centres_are_synced_in_place(
    shop: "Shop", out: Path, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / "catalogue"
    source = Path(shutil.copytree(shop.source, tmp_path / "source"))
    listed = source / "categories.json"
    products = json.loads(listed.read_text(encoding="utf-8"))
    listed.write_text(json.dumps(dict(sorted(products.items())[:14])), encoding="utf-8")
    sync(source, shop.model, folder)
    listed.write_text(json.dumps(products), encoding="utf-8")
    with Catalogue.open(folder) as catalogue:
        before = catalogue.generation()
    assert embed(source, shop.model, out, "--catalogue", folder) == 0
    sync(out, shop.model, folder)
    assert "4 added, 0 changed, 0 deleted, 14 unchanged; 4 embedded" in capsys.readouterr().out
    with Catalogue.open(folder) as catalogue:
        assert catalogue.generation().collection == before.collection


def test_a_feed_is_read_with_its_flags(shop: "Shop", out: Path, tmp_path: Path, capsys) -> None:
    here, there = sorted((shop.source / "products").iterdir())[:2]
    feed = tmp_path / "spring.dat"
    with web() as site:
        site.answers["/there.jpg"] = serve(there.read_bytes())
        rows = [f"1,Furniture|Chairs,{here}", f"2,Furniture|Chairs,{site.url('/there.jpg')}"]
        feed.write_text("\n".join(["sku,kind,photo", *rows]), encoding="utf-8")
        flags = ["--format", "csv", "--field", "id=sku", "--field", "category=kind"]
        flags += ["--field", "image_link=photo", "--allow-outside", "--allow-private"]
        assert embed(feed, shop.model, out, *flags) == 0
    assert "products 2, categories 1" in capsys.readouterr().out
    assert vectors(out).keys() == {"1", "2"}


def test_wrong_use_is_an_error(shop: "Shop", out: Path, tmp_path: Path, capsys) -> None:
    assert embed(shop.source, shop.model, tmp_path / "vectors.csv") == 2
    assert "End its name in .parquet." in capsys.readouterr().err
    embed(shop.source, shop.model, out)
    assert sync(out, shop.other_model, tmp_path / "catalogue") == 1
    assert "make the file again with `perfectlook embed`" in capsys.readouterr().err


def test_failures_are_printed_and_strict_exits_with_1(
    shop: "Shop", out: Path, tmp_path: Path, capsys
) -> None:
    source = Path(shutil.copytree(shop.source, tmp_path / "source"))
    sorted((source / "products").iterdir())[0].write_bytes(b"no picture")
    assert embed(source, shop.model, out) == 0
    assert embed(source, shop.model, out, "--strict") == 1
    said = capsys.readouterr()
    assert "; 1 problem\n" in said.out
    assert "skipped: " in said.err


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'ray' is not installed")
def test_ray_that_does_not_start_is_an_error(
    shop: "Shop", out: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def overloaded(**_options: object) -> None:
        raise Exception("The node timed out\nduring startup.")  # noqa: TRY002 — as Ray does

    monkeypatch.setattr(ray, "init", overloaded)
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))  # empty: there is something to extract
    assert embed(shop.source, shop.model, out, "--ray") == 1
    assert (
        "Ray did not start (The node timed out during startup.). Check RAY_ADDRESS" in capsys.readouterr().err
    )


@pytest.mark.long
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'ray' is not installed")
def test_two_ray_workers_write_the_same_numbers(shop: "Shop", out: Path, tmp_path: Path) -> None:
    assert embed(shop.source, shop.model, out) == 0
    on_ray = tmp_path / "ray.parquet"
    environment = {
        **os.environ,
        "PERFECTLOOK_CACHE": str(tmp_path / "cache"),  # empty: everything is extracted again
        "RAY_AUTH_MODE": "disabled",
        "RAY_TMPDIR": "/tmp" if os.name == "posix" else str(tmp_path),  # sockets need a short path
    }
    environment.pop("RAY_ADDRESS", None)
    command = ["embed", str(shop.source), "--model", str(shop.model), "--out", str(on_ray), "--ray"]
    done = subprocess.run(
        [sys.executable, "-m", "perfectlook", *command, "--workers", "2"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ray.parquet: products 18, categories 2" in done.stdout
    one, other = vectors(out), vectors(on_ray)
    assert one == other  # to the last bit
    made, again = (file.generation for path in (out, on_ray) if (file := VectorFile.open(path)))
    for category, centre in made.centres.items():
        np.testing.assert_array_equal(centre, again.centres[category])
