"""Every command of the documentation runs as it is printed, in a folder with all files that it names.

Commands are the lines of indented blocks. `tests/test_documentation.py` parses commands inside sentences.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from printed import PAGES, docs_page
from reader import WAYS, Reader, lines

ELSEWHERE = {
    "curl": "tests/test_examples.py",
    "python examples/": "tests/examples/test_scripts.py",
}
"""Beginnings of lines, and the test that runs them. `test_tutorial.py` runs the tutorial."""


class Slow(NamedTuple):
    """Why a line runs only in the long tests, and what the short tests run instead."""

    reason: str
    instead: str = ""


STUDIES = "trains dozens of models, each in its own process; tests/research has a short study"
HUB = "transformers takes 10 s to load; tests/backbones/test_hub.py opens such networks"
NETWORKS = "networks of this size take half a minute over the pictures"
ALIKE = "takes seconds, and its page runs others like it"
SLOW: dict[str, Slow] = {
    "python research/data_size.py SET --out FOLDER": Slow(STUDIES),
    "python research/data_size.py SET --out FOLDER --shares 0.1 0.3 1 --seeds 3 --budget 2h": Slow(STUDIES),
    "python research/data_size.py my-set --out study --budget 2h": Slow(STUDIES),
    "perfectlook train SET --out MODEL --backbone transformers:facebook/dinov2-small": Slow(HUB),
    "perfectlook train SET --out MODEL --backbone efficientnet-lite2+dinov2-small": Slow(NETWORKS),
    "perfectlook train SET --out OTHER --backbone efficientnet-lite0": Slow(
        NETWORKS, "perfectlook train SET --out OTHER --backbone tiny"
    ),
    "perfectlook train my-set PUBLIC-SET --out my-joint-model": Slow(ALIKE),
    "perfectlook train my-set --out my-tuned-model --config settings.toml": Slow(ALIKE),
    "perfectlook embed SOURCE --model MODEL --out vectors.parquet --ray --workers 64": Slow(
        "Ray takes 20 s to start; tests/cli/test_embed.py has it with two workers",
        "perfectlook embed SOURCE --model MODEL --out vectors.parquet --workers 2",
    ),
    "perfectlook serve --model MODEL --catalogue CATALOGUE --samples FOLDER": Slow(
        "api.md serves with these flags, and --keys"
    ),
    "perfectlook serve --model /srv/look/model --catalogue milvus+http://milvus:19530/shop --host 0.0.0.0": Slow(  # noqa: E501
        "nginx.md serves, and milvus.md asks catalogues on Milvus"
    ),
    "PERFECTLOOK_MILVUS_URL=http://localhost:19530 .venv/bin/python -m pytest tests/stores/test_contract.py": Slow(  # noqa: E501
        "takes a minute; the suite runs the same tests"
    ),
    "python tools/scale.py --measure --model MODEL --photos stl-fashion/products --n 400": Slow(
        "searches half a million products; tests/tools/test_scale.py has fewer"
    ),
}
INSTALLS = "fetches packages"
UNRUN = {
    "python3 -m venv .venv": "does nothing without the next two",
    ". .venv/bin/activate": "changes the reader's shell",
    "pip install .": INSTALLS,
    "pip install '.[cluster]'": INSTALLS,
    "pip install '.[mcp]'": INSTALLS,
    "perfectlook mcp --model MODEL --catalogue CATALOGUE": (
        "waits for an assistant; tests/cli/test_mcp.py calls its tools"
    ),
    "pip install '.[ray,cluster]'": INSTALLS,
    "pip install . packages/perfectlook-dinov2": INSTALLS,
    "pip install -e my-backbone": INSTALLS,
    "perfectlook train SET --out MODEL --backbone dinov2-small": (
        "needs perfectlook-dinov2; tests/backbones/test_dinov2.py opens it where it is installed"
    ),
    **dict.fromkeys(
        [
            "docker build -t perfectlook .",
            "docker run --rm -v /srv/look-data:/data --entrypoint perfectlook perfectlook catalogue sync https://shop.example/feed.xml --model /data/model --catalogue /data/catalogue",  # noqa: E501
            "docker run -d --read-only --tmpfs /tmp -v /srv/look-data:/data -p 127.0.0.1:8000:8000 perfectlook",  # noqa: E501
            "sudo install -d -o 1000 -g 1000 /srv/look-data",
            "sudo cp -r my-model /srv/look-data/model",
        ],
        "needs Docker, and the right to write to /srv",
    ),
    **dict.fromkeys(
        [
            "sudo python3 -m venv /opt/perfectlook",
            "sudo /opt/perfectlook/bin/pip install .",
            "sudo useradd --system --home-dir /var/lib/perfectlook --shell /usr/sbin/nologin perfectlook",
            "sudo install -d -o perfectlook -g perfectlook /var/lib/perfectlook /srv/look/catalogue",
            "sudo cp -r my-model /srv/look/model",
            "sudo -u perfectlook PERFECTLOOK_CACHE=/var/lib/perfectlook/cache /opt/perfectlook/bin/perfectlook catalogue sync https://shop.example/feed.xml --model /srv/look/model --catalogue /srv/look/catalogue",  # noqa: E501
            "sudo systemctl enable --now perfectlook",
            "sudo journalctl -u perfectlook",
            "docker build -t perfectlook .",
            "sudo install -d -o 1000 -g 1000 /srv/look-data",
            "sudo cp -r my-model /srv/look-data/model",
            "docker run --rm -v /srv/look-data:/data --entrypoint perfectlook perfectlook catalogue sync https://shop.example/feed.xml --model /data/model --catalogue /data/catalogue",  # noqa: E501
            "docker run -d --read-only --tmpfs /tmp -v /srv/look-data:/data -p 127.0.0.1:8000:8000 perfectlook",  # noqa: E501
        ],
        "changes the machine, as root",
    ),
    "make demo": f"{INSTALLS}; then it is `perfectlook demo`, which showroom.md prints",
    "make test": "would run these tests recursively",
    (
        "perfectlook complete --product armchair-bentwood-industrial-1 --model rooms "
        "--catalogue shop/catalogue -k 3"
    ): (
        "the products of the reader's own shop differ; tests/cli/test_complete_product.py types lines like it"
    ),
    "PYTHONPATH=src python research/complements.py outfits ccp-looks MODEL ikea-rooms rooms showroom": (
        "needs sets that do not come with the package"
    ),
    'perfectlook data from-feed feed.xml --out my-set --licence "our own"': (
        "needs a feed with photos of rooms; tests/features/test_from_feed.py has one"
    ),
    "perfectlook data from-feed feed.csv --out again --allow-outside": (
        "needs the feed of the line above it; tests/features/test_from_feed.py reads a feed like it"
    ),
    (
        "perfectlook complete room.jpg --model rooms --catalogue shop/catalogue --look --category Sofas "
        '--category Nightstands --budget "500 EUR"'
    ): "ends with the error that the page shows; tests/recommender/test_look_slots.py has one like it",
    "perfectlook catalogue switch /srv/look/catalogue": "needs a staged model",
    (
        "perfectlook catalogue sync feed.csv --model /srv/look/models/new "
        "--catalogue /srv/look/catalogue --stage"
    ): ("needs two models and a running server; tests/service/test_follow.py stages and switches"),
    "perfectlook serve --model rooms --catalogue catalogue": (
        "serves the catalogue of the script above it; test_tutorial.py serves with the same flags"
    ),
    "perfectlook train SET --out MODEL --backbone timm:convnext_tiny.fb_in22k": (
        "fetches weights of a hub; tests/backbones/test_hub.py opens such networks where timm is installed"
    ),
}
"""The commands that no test runs, and why."""


def here(page: Path) -> list[str]:
    """The lines of a page that this file must run."""
    typed = [] if page.name == "tutorial.md" else lines(page)
    return [each for each in typed if each not in UNRUN and not each.startswith(tuple(ELSEWHERE))]


@pytest.fixture
def reader(page: Path, own_desk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    reader = Reader(own_desk, page, monkeypatch)
    yield reader
    reader.close()


def pages(wanted: Callable[[str], bool]) -> list[Path]:
    return [page for page in PAGES if any(wanted(line) for line in here(page))]


@pytest.mark.parametrize("page", pages(lambda line: line not in SLOW), ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, reader: Reader):
    for line in here(page):
        if typed := SLOW[line].instead if line in SLOW else line:
            reader.types(typed)


@pytest.mark.long
@pytest.mark.parametrize("page", pages(lambda line: line in SLOW), ids=lambda page: page.name)
def test_the_slow_commands_of_a_page_run(page: Path, reader: Reader):
    for line in here(page):
        reader.types(line.replace("--workers 64", "--workers 2"))


def test_every_command_is_run_or_has_a_reason():
    for page in PAGES:
        for line in here(page):
            assert line.startswith(tuple(WAYS)), f"{page.name}: no test runs this: {line}"


def test_the_lists_of_exceptions_are_current():
    printed = {line for page in PAGES for line in lines(page)}
    assert UNRUN.keys() | SLOW.keys() <= printed
    assert all(UNRUN.values())
    assert all(each.reason for each in SLOW.values())


def test_lines_finds_every_command():
    assert len(lines(docs_page("tutorial.md"))) == 13
    every = [line for page in PAGES for line in lines(page)]
    assert sum(line.startswith("perfectlook ") for line in every) >= 60
