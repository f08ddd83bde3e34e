"""The tutorial, from its first command to its last, with a drawn showroom in place of the rendered one."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

import perfectlook.files
from perfectlook.cli.main import main
from perfectlook.data.layout import PAIRS
from perfectlook.files import SHOWROOM, shipped_models
from printed import Block, arguments, blocks, docs_page, typed
from reader import free_port, served

TUTORIAL = docs_page("tutorial.md")
SETS_UP = "python3 -m venv"
SERVES = "perfectlook serve"
OWN_SHOP = "--catalogue my-catalogue"


def run(line: str, port: int) -> None:
    """Run one line of the shell, with the address of the test's server."""
    line = line.replace("localhost:8000", f"127.0.0.1:{port}").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    if line.startswith("perfectlook "):
        assert main(arguments(line)) == 0, line
    elif not line.startswith("curl ") or shutil.which("curl"):
        done = subprocess.run(line, shell=True, check=True, capture_output=True, timeout=60)
        print(done.stdout.decode())


def walk(part: Iterable[Block], port: int, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Run the commands of blocks; return the lines and the output of each."""
    said = []
    for block in part:
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        elif not block.text.startswith("id,title"):  # a feed that is shown
            for line in block.text.splitlines():
                run(line, port)
                said.append((line, capsys.readouterr().out))
    return said


def follow(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Run the tutorial in the current folder; return the lines and the output of each."""
    shown = [block for block in blocks(TUTORIAL) if block.language in ("", "python")]
    shown = [block for block in shown if SETS_UP not in block.text and OWN_SHOP not in block.text]
    serving = next(place for place, block in enumerate(shown) if SERVES in block.text)
    (command,) = typed(shown[serving].text)
    port = free_port()
    said = walk(shown[:serving], port, capsys)
    with served(command, port):
        return said + walk(shown[serving + 1 :], port, capsys)


@pytest.mark.skipif(shutil.which("sed") is None, reason="needs sed")
def test_the_tutorial(own_desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(perfectlook.files, "SHOWROOM", own_desk / "SET")
    shutil.rmtree("shop")
    Path("room.jpg").unlink()
    said = follow(capsys)
    first, second = (text for line, text in said if "catalogue sync" in line)
    assert "18 added" in first
    assert "1 deleted" in second
    if shutil.which("curl"):
        assert '"category":"Furniture|Chairs"' in next(text for line, text in said if line.startswith("curl"))
    assert Path("look.png").exists()
    assert Path("whole.png").exists()


@pytest.mark.long
@pytest.mark.skipif(not (SHOWROOM / PAIRS).exists(), reason="the showroom's pictures are not there")
@pytest.mark.skipif("rooms" not in shipped_models(), reason="the model is not there")
def test_the_tutorial_with_the_showroom_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    said = follow(capsys)
    assert "1 deleted" in [text for line, text in said if "catalogue sync" in line][-1]
    assert Path("whole.png").exists()
