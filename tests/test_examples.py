"""The documentation's examples that call a server run as printed against a real one."""

import json
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from drawn import FASHION, drawn_set
from perfectlook import Client
from perfectlook.catalogue import Catalogue
from perfectlook.model.runtime import Model
from priced import PricedSet
from printed import blocks
from random_model import random_model
from serving import Running, Store, running
from web import serve, web

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CHAIRS = "Furniture|Chairs"
PRODUCT = "b6a5"


class Example(NamedTuple):
    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"


def curls() -> list[Example]:
    """The commands of indented blocks, with their continued lines."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"(?:^ {4}.*\n)+", page.read_text(encoding="utf-8"), re.M)
        for block in blocks:
            text = textwrap.dedent(block)
            found += [
                Example(page.name, each) for each in re.findall(r"^curl .*\n(?:[ \t]+.*\n)*", text, re.M)
            ]
    return found


def programs() -> list[Example]:
    """The Python examples that use a client."""
    return [
        Example(page.name, block.text)
        for page in PAGES
        for block in blocks(page)
        if block.language == "python" and "Client(" in block.text
    ]


class Place(NamedTuple):
    """A server, and a folder with the files that the examples name."""

    server: Running
    key: str
    folder: Path
    shop: str

    def filled(self, text: str) -> str:
        """An example with the address of this server."""
        said = text.replace("https://shop.example", self.shop)
        return said.replace("http://127.0.0.1:8000", self.server.url)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch, web() as shop:
        patch.setenv("PERFECTLOOK_CACHE", str(folder / "cache"))
        source = drawn_set(folder / "set", scenes=8, products_per_category=9, categories=(*FASHION, CHAIRS))
        store = Store(source, random_model(source, folder / "model"), folder / "catalogue")
        with Catalogue.open(store.catalogue, create=True) as catalogue:
            catalogue.sync(PricedSet(source), Model.open(store.model), workers=1)
        photo = store.photos[0]
        for name in ("room.jpg", "photo.jpg"):
            shutil.copy(photo, folder / name)
        (folder / "samples").mkdir()
        shutil.copy(photo, folder / "samples" / "living-room.jpg")
        picture = (source / "products" / f"{store.product}.jpg").read_bytes()
        shop.answers |= {"/room.jpg": serve(photo.read_bytes()), "/oak-chair.jpg": serve(picture)}
        with running(store, folder, samples=str(folder / "samples"), allow_private=True) as server:
            key = server.keyed.headers["authorization"].removeprefix("Bearer ")
            with Client(server.url, key) as client:
                client.put_product(PRODUCT, CHAIRS, picture=picture)
            yield Place(server, key, folder, shop.url(""))


def test_there_are_examples() -> None:
    printed = [page.name for page in PAGES for _ in re.findall(r"^ *curl ", page.read_text("utf-8"), re.M)]
    assert [each.page for each in curls()] == printed
    assert {each.page for each in programs()} == {"client.md"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("example", curls(), ids=str)
def test_a_command_of_curls_is_answered(example: Example, place: Place) -> None:
    port = place.server.url.rpartition(":")[2]
    (place.folder / ".curlrc").write_text(
        f'connect-to = "localhost:8000:127.0.0.1:{port}"\nnoproxy = "*"\nsilent\nshow-error\nfail-with-body\n'
    )
    done = subprocess.run(
        ["bash", "-c", place.filled(example.text)],
        cwd=place.folder,
        env=os.environ | {"CURL_HOME": str(place.folder), "KEY": place.key},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    if " -o " in example.text:
        assert (place.folder / "chair.jpg").read_bytes()[:2] == b"\xff\xd8"
    else:
        assert json.loads(done.stdout)


@pytest.mark.parametrize("example", programs(), ids=str)
def test_a_program_runs(
    example: Example, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("PERFECTLOOK_API_KEY", place.key)
    program = compile(place.filled(example.text), example.page, "exec")
    with ThreadPoolExecutor(1) as other:  # this thread may still have another test's event loop
        other.submit(exec, program, {"__name__": "__main__"}).result()
    assert capsys.readouterr().out.strip()
