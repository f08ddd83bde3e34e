"""The page as a file and in a browser: self-contained, at every width, in both schemes, and printed."""

import dataclasses
import json
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from browser import WIDTHS, violations
from perfectlook.evaluation.report import make_report, page
from printed import docs_page

VOID = {"meta", "link", "img", "input", "rect", "circle", "br"}


class Tags(HTMLParser):
    """Collects ids and links, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.addresses += [given[name] for name in ("src", "href") if name in given and tag != "a"]
        assert not any(name.startswith("on") for name in given), "no script"
        if tag == "img":
            assert "alt" in given
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


@pytest.fixture(scope="module")
def report(measured):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFECTLOOK_CACHE", str(measured.source.parent / "cache"))
        return make_report(measured.model, measured.source, split="all", shown=9, workers=1)


@pytest.fixture(scope="module")
def written(report) -> str:
    return page(report)


def read(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


def test_the_page_is_well_formed_and_self_contained(written):
    tags = read(written)
    assert tags.open == []
    assert len(set(tags.ids)) == len(tags.ids)
    assert {link[1:] for link in tags.links} <= set(tags.ids)
    assert all(address.startswith("data:image/") for address in tags.addresses)
    assert "script" not in tags.found
    assert "@import" not in written and not re.search(r"url\((?!data:)", written)
    assert not re.search(r"\{[{%#]", re.sub(r"<style>.*?</style>", "", written, flags=re.S))


def test_every_picture_is_a_small_jpeg(written):
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', written)
    assert len(pictures) > 9 * 7
    for each in pictures:
        picture = Image.open(BytesIO(b64decode(each)))
        assert picture.format == "JPEG"
        assert max(picture.size) <= 460


def test_every_section_shows_its_cases(report, written):
    shown = {kind: len(cases) for kind, cases in report.cases.items()}
    assert shown == {"best": 3, "worst": 3, "random": 3}
    for kind, count in shown.items():
        assert written.count(f'<article class="case {kind}"') == count
    for cases in report.cases.values():
        for case in cases:
            assert f"scene {case.pair.scene} · product {case.pair.product}" in written
    accuracy = report.evaluation.overall.binary_accuracy.value
    assert f"{100 * accuracy:.1f}\u00a0%" in written
    for category in ("Shoes", "Handbags"):
        assert f'<span class="strip-name">{category}</span>' in written


def test_the_footer_states_the_licence_of_the_pictures(measured, written, tmp_path):
    assert "drawn by &lt;someone&gt; &amp; free" in written
    assert "This file contains the pictures" in written
    silent = Path(shutil.copytree(measured.source, tmp_path / "silent"))
    (silent / "set.json").unlink()
    assert "states no licence" in page(make_report(measured.model, silent, split="all", shown=3, workers=1))


def test_text_from_the_set_is_escaped_on_the_page(measured, tmp_path):
    """A title with markup, in a set with whole scenes."""
    title = "<img src=x onerror=alert(1)>"
    source = Path(shutil.copytree(measured.source, tmp_path / "markup"))
    details = {each: {"title": title} for each in measured.features.product_ids}
    (source / "products.json").write_text(json.dumps(details), encoding="utf-8")
    shown = page(make_report(measured.model, source, split="all", scene="full", shown=3, workers=1))
    assert title not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "Scenes are shown whole" in shown
    assert read(shown).open == []


def test_a_baseline_without_pictures_has_a_page_without_attention(measured):
    made = make_report(measured.popularity, measured.source, split="all", shown=6, workers=1)
    shown = page(made)
    assert read(shown).open == []
    assert 'id="attention"' not in shown
    assert '<span class="parts"' not in shown
    assert 'id="attention"' in page(make_report(measured.model, measured.source, split="all", workers=1))


@pytest.mark.parametrize(("n_pairs", "said"), [(1, "1 pair in "), (2, "2 pairs of 1 scene in ")])
def test_a_page_about_one_scene_explains_that_it_is_too_little(measured, tmp_path, n_pairs, said):
    """The first scene of the set has a pair in each category. One scene has no interval."""
    source = Path(shutil.copytree(measured.source, tmp_path / "few"))
    rows = (source / "pairs.jsonl").read_text(encoding="utf-8").splitlines()[:n_pairs]
    (source / "pairs.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    report = make_report(measured.model, source, split="all", workers=1)
    assert report.too_little == f"{said}the set: too few to compare. Add pairs to the set."
    evaluation = dataclasses.replace(report.evaluation, split="test", n_dropped=3)
    report = dataclasses.replace(report, evaluation=evaluation)
    shown = page(report)
    assert read(shown).open == []
    assert f'<h1 id="title">{said}split &#39;test&#39;: too few to compare.</h1>' in shown
    advice = "Choose the split &#39;all&#39;, or add pairs to the set. 3\u00a0pairs dropped (too little"
    assert advice in shown
    assert shown.count("<article") == n_pairs
    body = re.sub(r"<style>.*?</style>", "", shown, flags=re.S)
    assert " to 100" not in body and "scale-interval" not in body and "Intervals are" not in body
    assert "No rank is in" not in body and "1 scenes" not in body
    assert ("The answer" in body) == (n_pairs == 1)


def test_the_same_report_gives_the_same_page(report, written):
    assert page(report) == written


@pytest.fixture(scope="module")
def opened(browser, written, tmp_path_factory):
    file: Path = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(written, encoding="utf-8")
    said: list[str] = []
    contexts = []

    def open_page(width: str = "desktop", scheme: str = "light"):
        across, down = WIDTHS[width]
        context = browser.new_context(
            viewport={"width": across, "height": down}, color_scheme=scheme, reduced_motion="reduce",
            bypass_csp=True,
        )  # fmt: skip
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda line: said.append(line.text))
        tab.on("request", lambda each: each.url.startswith(("http:", "https:")) and said.append(each.url))
        tab.goto(file.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


SHORT = ("phone", "dark")
"""The only width and scheme in the short suite; the others are in the long one."""


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(width, scheme, marks=() if (width, scheme) == SHORT else pytest.mark.long)
        for width in WIDTHS
        for scheme in ("light", "dark")
    ],
)
def test_every_width_and_scheme(opened, width, scheme):
    tab = opened(width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert violations(tab) == []
    assert tab.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")


def test_the_attention_switch_works_without_a_script(opened):
    tab = opened()
    looked = tab.locator(".looked").first
    assert float(looked.evaluate("each => getComputedStyle(each).opacity")) > 0.5
    tab.locator(".switch").click()
    assert float(looked.evaluate("each => getComputedStyle(each).opacity")) == 0
    tab.locator("#attention").focus()
    tab.keyboard.press("Space")
    assert float(looked.evaluate("each => getComputedStyle(each).opacity")) > 0.5


def test_a_printed_page_has_light_colours_and_no_top_bar(opened):
    tab = opened(scheme="dark")
    tab.emulate_media(media="print")
    assert tab.locator(".top").is_hidden()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("#worst .case").first.is_visible()


def test_the_program_of_the_documentation_runs(measured, tmp_path, monkeypatch, capsys):
    text = docs_page("report.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    shutil.copytree(measured.source, tmp_path / "SET")
    shutil.copytree(measured.model, tmp_path / "MODEL")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "report.md", "exec"), {"__name__": "__main__"})
    assert read((tmp_path / "report.html").read_text(encoding="utf-8")).open == []
    assert capsys.readouterr().out.startswith("[")
