"""The texts of the page are in one file for each language, and nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfectlook.service.app import FOLDER

SCRIPTS = sorted(FOLDER.glob("*.js"))
HTML = (FOLDER / "index.html").read_text(encoding="utf-8")

KEYS = """async () => {
  const { texts } = await import("/locale.js");
  const found = {};
  const walk = (value, path) => {
    if (value && typeof value === "object") for (const key in value) walk(value[key], [...path, key]);
    else found[path.join(".")] = typeof value === "string" ? value : null;
  };
  walk(texts, []);
  return found;
}"""
NOT_SHOWN = re.compile(
    r"\b(?:class|key|viewBox|rel|role|preserveAspectRatio|Authorization): [^,}\n]*"
    r"|(?:querySelector(?:All)?|closest|includes|matchMedia|getContext|headers\.get)\([^\n]*"
    r"|\bheaders: [^\n]*|=== \"[^\"]*\"|ARROWS = [^\n]*"
)
"""Code whose strings are not visible: classes, keys, selectors, headers and compared values."""
CLASSES = set(
    re.findall(r"\.([a-z][\w-]*)", "".join(each.read_text(encoding="utf-8") for each in FOLDER.glob("*.css")))
)
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
FILTERS = {"price >= ", "price <= ", "availability = in_stock", " and "}
"""The syntax of filters in calls."""


@pytest.fixture(scope="module")
def texts(opens_once: Any) -> dict[str, str | None]:
    """The English texts by key; None for a function."""
    return opens_once.evaluate(KEYS)


@pytest.fixture(scope="module")
def opens_once(browser: Any, shop: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(shop.url)
    yield page
    context.close()


def strings(script: Path) -> list[str]:
    """The strings of a script that a visitor might see, without comments and without `${...}`."""
    code = script.read_text(encoding="utf-8")
    code = re.sub(r"/\*.*?\*/|(?m:(?:^|\s)//[^\n]*$)", "", code, flags=re.DOTALL)
    code = NOT_SHOWN.sub("", re.sub(r"\$\{[^{}]*\}", "", code))
    return [plain or template for plain, template in STRING.findall(code)]


def is_text(string: str) -> bool:
    """Whether a string has words: a capitalised one, or several."""
    if string in FILTERS or CLASSES.issuperset(string.split()):
        return False
    return bool(re.search(r"^[A-Z][a-z]+\b(?!-)|[A-Za-z]{2,}[,.]? [A-Za-z]+", string))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_no_script_holds_a_text(script: Path) -> None:
    assert [each for each in strings(script) if is_text(each)] == []


def test_the_scan_finds_texts(tmp_path: Path) -> None:
    script = tmp_path / "a.js"
    script.write_text('h("p", { class: "not shown" }, "Shown"); say(`Also ${name} shown`); // "Not this"\n')

    assert [each for each in strings(script) if is_text(each)] == ["Shown", "Also  shown"]


def used() -> set[str]:
    """The keys that scripts and index.html name; "part.*" for a key that is computed."""
    keys = set(re.findall(r'data-text[a-z-]*="([\w.]+)"', HTML))
    for script in SCRIPTS:
        code = script.read_text(encoding="utf-8").replace("const { failure } = texts;", "")
        if script.name == "failure.js":
            code = re.sub(r"(?<!texts\.)\bfailure\.", "texts.failure.", code)
        keys |= set(re.findall(r"\btexts\.(\w+\.\w+(?:\.\w+)?)", code))
        keys |= {f"{part}.*" for part in re.findall(r"\btexts\.([\w.]+)\[", code)}
    return keys


def test_every_key_that_is_used_exists(texts: dict[str, str | None]) -> None:
    missing = [
        key
        for key in used()
        if not any(
            each == key or each.startswith(key.removesuffix("*") + ("" if "*" in key else "."))
            for each in texts
        )
    ]

    assert missing == []


def test_every_key_is_used(texts: dict[str, str | None]) -> None:
    keys = used()
    prefixes = tuple(key.removesuffix("*") if key.endswith("*") else f"{key}." for key in keys)

    assert [key for key in texts if key not in keys and not key.startswith(prefixes)] == []


def test_the_fallback_of_index_html_is_the_english_text(texts: dict[str, str | None]) -> None:
    """Without JavaScript, the page shows what is written in index.html."""
    elements = re.findall(r"<\w+((?:\s+[\w-]+(?:=\"[^\"]*\")?)*)\s*/?>([^<]*)", HTML)
    checked = 0
    for attributes, content in elements:
        values = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
        for name, key in values.items():
            if not name.startswith("data-text"):
                continue
            attribute = name.removeprefix("data-text").removeprefix("-")
            fallback = values[attribute] if attribute else " ".join(content.split())
            assert fallback == texts[key], key
            checked += 1

    assert checked == HTML.count("data-text") > 20


def test_index_html_has_no_other_text() -> None:
    body = re.sub(r"<noscript>.*?</noscript>|<svg.*?</svg\s*>", "", HTML, flags=re.DOTALL)
    named = re.sub(r"<(\w+)[^>]*\sdata-text=[^>]*>[^<]*", "", body)

    assert re.sub(r"<[^>]*>", "", named, flags=re.DOTALL).split() == []


def test_another_language_is_one_more_file(browser: Any, shop: Any) -> None:
    english = (FOLDER / "locale" / "en.js").read_text(encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "**/locale/de.js",
        lambda route: route.fulfill(
            body=english.replace("Choose a photo", "Foto wählen").replace(
                "Or try an example", "Oder ein Beispiel"
            ),
            content_type="text/javascript",
        ),
    )
    page.route(
        shop.url + "/",
        lambda route: route.fulfill(
            body=HTML.replace('<html lang="en">', '<html lang="de">'), content_type="text/html"
        ),
    )

    page.goto(shop.url + "/")

    page.get_by_text("Foto wählen").wait_for()
    page.get_by_role("heading", name="Oder ein Beispiel").wait_for()
    context.close()
