"""Runs the commands of the documentation, line by line, in a folder with all files that they name.

A test has no other machines, no public network and little time. Servers, clusters and mirrors of public sets
therefore run on this machine, and models are small. The rest of a line runs as it is printed.
"""

import importlib
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import httpx
import pytest

from milvus_of_run import address_of, milvus_url
from mirrors import ccp_mirror, ikea_mirror, publish, stl_mirror
from perfectlook.cli.main import INTERRUPTED, main
from perfectlook.cli.serve import BLAS
from perfectlook.service.service import Service
from perfectlook.service.settings import Settings
from printed import ROOT, blocks, docs_page
from serving import eventually, serving
from small_hub_models import vit_model
from web import serve, web

PROGRAM = re.compile(
    r"(?:\$ )?((?:[A-Z_]+=\S+ )*"
    r"(?:perfectlook|pip|python[\d.]*|\S+/python|make|curl|sed|git|apt-get|sudo|docker|\.) .*)"
)
PLACES = {
    "/srv/look/model": "MODEL",
    "/srv/look/catalogue": "CATALOGUE",
    "/etc/perfectlook.toml": "settings-of-the-service.toml",
    "stl-fashion/products": "SET/products",
}
"""Local files that stand in for those of other machines."""
SMALL = "[model]\ndimension = 8\nhidden = 16\nmemory = 0\n"
SETTINGS = {
    "quick.toml": f'{SMALL}backbone = "tiny"\n[training]\nepochs = 1\n',
    "SETTINGS.toml": f"{SMALL}[training]\nseed = 1\n",
    "settings-of-the-baseline.toml": "seed = 1\n",
    "settings-of-the-service.toml": 'model = "MODEL"\ncatalogue = "CATALOGUE"\nrate = 9.0\n',
}
"""Files of settings by name. Models are small, because other trainings take minutes."""
MIRRORS = {"ccp-looks": ccp_mirror, "ikea-rooms": ikea_mirror}
OF_PAGES = {
    "settings.toml": "training.md",
    "experiment.toml": "how-to/experiments.md",
    "slots.toml": "looks.md",
}
"""Files of settings whose content a page shows."""


def lines(page: Path) -> list[str]:
    """The commands of a page, of any program; continued lines are joined."""
    typed = []
    for block in blocks(page):
        if not block.language:
            for line in block.text.replace("\\\n", " ").splitlines():
                if found := PROGRAM.fullmatch(line.split("  #")[0].rstrip()):
                    typed.append(found[1])
    return typed


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def served(command: str, port: int) -> Iterator[None]:
    """Run a printed `perfectlook serve` on `port`, ready while the context lasts."""
    words = [sys.executable, "-m", "perfectlook", *shlex.split(command)[1:], "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _is_ready(port) or process.poll() is not None)
        assert process.poll() is None, f"{command}: ended with {process.returncode}"
        yield
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
    except httpx.TransportError:
        return False


def _serve_until_ready(settings: Settings) -> None:
    """Serve on a free port, in a thread: `served` takes seconds."""
    with serving(Service.open(settings)) as url:
        assert httpx.get(f"{url}/ready").status_code == 200


def _toml_of(page: Path) -> str:
    (block,) = (block for block in blocks(page) if block.language == "toml")
    return block.text


class Reader:
    """Runs commands in the current folder; `close` stops what it has started."""

    def __init__(self, desk: Path, page: Path, patch: pytest.MonkeyPatch) -> None:
        self.desk, self.page, self.patch = desk, page, patch
        self.running = ExitStack()
        shown = {name: _toml_of(docs_page(file)) for name, file in OF_PAGES.items()}
        for name, text in (SETTINGS | shown).items():
            (desk / name).write_text(text.replace("[model]\nbackbone", f"{SMALL}backbone"), encoding="utf-8")
        (desk / "FOLDER").mkdir()
        (desk / "PUBLIC-SET").symlink_to(desk / "SET")
        (desk / "keys").touch()

    def close(self) -> None:
        self.running.close()

    def types(self, line: str) -> None:
        """Run a line of `lines`; raise if it fails."""
        for beginning, way in WAYS.items():
            if line.startswith(beginning):
                way(self, self._placed(line))
                return
        raise AssertionError(f"{self.page.name}: no test runs this: {line}")

    def _placed(self, line: str) -> str:
        """The line, with files and addresses of this machine."""
        for printed, place in PLACES.items():
            line = line.replace(printed, place)
        if "http://127.0.0.1:8000" in line:
            line = line.replace("http://127.0.0.1:8000", self._service)
        if "https://shop.example/feed.xml" in line:
            line = line.replace("https://shop.example/feed.xml", self._shop) + " --allow-private"
        if "facebook/dinov2-small" in line:
            line = line.replace("facebook/dinov2-small", self._transformer)
        if "http://localhost:19530" in line:
            line = line.replace("http://localhost:19530", milvus_url())
        line = line.replace("&replicas=2", "")  # they need as many query nodes
        return re.sub(
            r"milvus\+http://[\w.]+:19530/(\w+)",
            lambda found: address_of(f"{found[1]}_{self.desk.stat().st_ino}"),
            line,
        )

    @cached_property
    def _service(self) -> str:
        service = Service.open(Settings(model="MODEL", catalogue="CATALOGUE", port=0))
        return self.running.enter_context(serving(service))

    @cached_property
    def _shop(self) -> str:
        """The URL of the feed, a CSV file under any name."""
        site = self.running.enter_context(web())
        for picture in (self.desk / "pictures").iterdir():
            site.answers[f"/pictures/{picture.name}"] = serve(picture.read_bytes())
        site.answers["/feed.xml"] = serve((self.desk / "feed.csv").read_bytes(), content_type="text/csv")
        return site.url("/feed.xml")

    @cached_property
    def _transformer(self) -> str:
        """A small transformer of random weights, in a folder."""
        transformers = pytest.importorskip("transformers")
        vit_model().save_pretrained("small-vit")  # type: ignore[attr-defined]
        transformers.ViTImageProcessorPil().save_pretrained("small-vit")
        return "small-vit"

    def command(self, line: str, *more: str) -> None:
        """Run a command of the package."""
        assert main([*shlex.split(line)[1:], *more]) == 0, line

    def train(self, line: str) -> None:
        """Train one epoch, with a tiny backbone if the line names none, into a new folder."""
        out = self.desk / shlex.split(line)[shlex.split(line).index("--out") + 1]
        if out.exists():
            out.rename(f"{out}-before-{time.monotonic_ns()}")
        if "--baseline" in line or "my-pictures" in line:
            line = line.replace(
                "SETTINGS.toml --baseline NAME", "settings-of-the-baseline.toml --baseline ridge"
            )
            self.command(line, "--backbone", "tiny")
            return
        more = ["--epochs", "1"]
        if "--config" in line:
            more += ["--backbone", "tiny"]
        elif "--from" not in line:
            more += ["--config", "quick.toml"]
        self.command(line, *more)

    def data_size(self, line: str) -> None:
        more = [] if "--shares" in line else ["--shares", "0.3", "1", "--seeds", "1"]
        arguments = [*shlex.split(line)[2:], "--config", "quick.toml", *more]
        assert importlib.import_module("data_size").main(arguments) == 0, line

    def serve(self, line: str) -> None:
        """Serve until the server is ready; its model and catalogue must exist."""
        if "--show-config" in line:
            self.command(line)
            return
        if found := re.search(r"milvus\+\S+", line):
            self.command(f"perfectlook catalogue sync SOURCE --model MODEL --catalogue {found[0]}")
        for name in BLAS:
            self.patch.setenv(name, "1")  # as the command does, which must not outlast the test
        with self.patch.context() as patch:
            patch.setattr("perfectlook.service.server.run", _serve_until_ready)
            self.command(line)

    def demo(self, line: str) -> None:
        """Run the demo until the browser has opened the page."""

        def look(url: str) -> None:
            assert "<html" in httpx.get(url).text
            raise KeyboardInterrupt

        self.patch.setattr("perfectlook.files.SHOWROOM", self.desk / "SET")
        self.patch.setattr("perfectlook.files.MODELS", self.desk)
        self.patch.setenv("DISPLAY", ":0")
        self.patch.setattr("webbrowser.open", look)
        assert main(shlex.split(line)[1:]) == INTERRUPTED

    def data_get(self, line: str) -> None:
        """Get a set from a tiny mirror: a folder, or a URL if the line names one."""
        name = shlex.split(line)[3]
        folder = self.desk / "mirrors" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            if name in MIRRORS:
                MIRRORS[name](folder)
            else:
                stl_mirror(folder, part=name.removeprefix("stl-"))
        mirror = str(folder)
        if "--from http" in line:
            mirror = publish(self.running.enter_context(web()), folder)
        self.patch.delenv("PERFECTLOOK_DATA", raising=False)
        self.command(re.sub(r" --from \S+", "", line), "--from", mirror)

    def contract(self, line: str) -> None:
        """Run the contract's tests for a server."""
        variable, _, *arguments = shlex.split(line)
        name, _, value = variable.partition("=")
        self.patch.setenv(name, value)
        words = [sys.executable, *arguments, "-n0", "-q", "-k", "milvus"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout

    def measure_scale(self, line: str) -> None:
        self.patch.syspath_prepend(ROOT / "tools")
        figures = ["--figures", str(self.desk / "scale.json")]
        assert importlib.import_module("scale").main([*shlex.split(line)[2:], *figures]) == 0


WAYS: dict[str, Callable[[Reader, str], None]] = {
    "perfectlook train": Reader.train,
    "perfectlook serve": Reader.serve,
    "perfectlook demo": Reader.demo,
    "perfectlook data get": Reader.data_get,
    "perfectlook": Reader.command,
    "python research/data_size.py": Reader.data_size,
    "python tools/scale.py --measure": Reader.measure_scale,
    "PERFECTLOOK_MILVUS_URL=": Reader.contract,
}
"""How to run a line, by its beginning; the first match counts."""
