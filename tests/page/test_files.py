"""The files of the page: nothing inline, nothing from other sites, and all texts in the locale."""

import re
from pathlib import Path

import httpx
import pytest

from perfectlook.service.appearance import FOLDER
from serving import Running

FILES = sorted(file for file in FOLDER.rglob("*") if file.is_file())
SCRIPTS = [file for file in FILES if file.suffix == ".js"]


def test_nothing_is_inline() -> None:
    html = (FOLDER / "index.html").read_text(encoding="utf-8")

    assert not re.search(r"\sstyle=|\son\w+=|<style", html)
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_comes_from_another_site(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")

    assert re.findall(r"(?:src|href|url|import|from)[\s=(]*[\"'](?:https?:)?//", text) == []
    assert "innerHTML" not in text
    assert "eval(" not in text


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_module_begins_with_a_comment_and_its_imports_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert text.startswith("// ")
    for name in re.findall(r'from "\./([^"]+)"', text):
        assert (file.parent / name).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_server_sends_a_tag_and_a_policy(shop: Running, file: Path) -> None:
    place = "/" if file.name == "index.html" else f"/{file.relative_to(FOLDER).as_posix()}"

    response = httpx.get(shop.url + place)
    again = httpx.get(shop.url + place, headers={"If-None-Match": response.headers["ETag"]})

    assert response.content == file.read_bytes()
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert again.status_code == 304
