"""The documentation's Python runs as printed. `tests/test_examples.py` runs programs that call a server."""

import csv
import shutil
from pathlib import Path

import pytest

import perfectlook as pl
import perfectlook.files
from printed import PAGES, ROOT, Block, blocks

PROGRAMS = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "python" and "Client" not in block.text and page.name != "tutorial.md"
]
SCRIPTS = [block for block in blocks(ROOT / "README.md") if block.language == "python"]


def run(program: Block) -> None:
    exec(compile(program.text, str(program), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_program_runs(program: Block, own_desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(perfectlook.files, "SHOWROOM", own_desk / "SET")
    whole = pl.train

    def shortened(sets, out=None, *, baseline=None, on_epoch=None):
        config = None if baseline else {"dimension": 8, "hidden": 16, "memory": 0, "epochs": 1}
        return whole(sets, out, baseline=baseline, config=config, backbone="tiny", on_epoch=on_epoch)

    monkeypatch.setattr(pl, "train", shortened, raising=False)
    run(program)


@pytest.mark.long
@pytest.mark.skipif(not (perfectlook.files.SHOWROOM / "scenes").is_dir(), reason="the showroom is not there")
def test_the_scripts_of_the_readme_run_on_the_showroom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rooms = pl.load_set("showroom")
    with (tmp_path / "feed.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "title", "category", "image_link", "price"])
        for product in rooms.products.values():
            listed = (product.id, product.title, product.category, product.picture.name)
            rows.writerow([*listed, product.fields.get("price", "40 EUR")])
            shutil.copy(product.picture, tmp_path)
    rug = next(each for each in rooms.products.values() if each.category.endswith("Rugs"))
    scene = next(iter(rooms.scenes.values()))
    for name, picture in (("photo.jpg", scene.picture), ("room.jpg", scene.picture)):
        shutil.copy(picture, tmp_path / name)
    shutil.copy(rug.picture, tmp_path / "rug.jpg")
    monkeypatch.chdir(tmp_path)
    assert len(SCRIPTS) == 2
    for script in SCRIPTS:
        run(script)
        assert capsys.readouterr().out.strip()
    assert (tmp_path / "look.png").exists()


def test_every_language_is_one_that_some_test_reads():
    known = {"", "python", "toml", "json", "text", "ini", "dockerfile", "nginx", "html", "css"}
    assert {block.language for page in PAGES for block in blocks(page)} <= known
