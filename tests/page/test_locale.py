"""The texts of the page are in one file for each language, and nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import settle, violations
from perfectlook.errors import UsageError
from perfectlook.service.appearance import FOLDER, LOCALES, contrast_with_white
from perfectlook.service.settings import Settings
from serving import Running, Store, running

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
    r"|color-mix\([^`\n]*|\bheaders: [^\n]*|=== \"[^\"]*\"|ARROWS = [^\n]*"
)
"""Code whose strings are not visible: classes, keys, selectors, headers and compared values."""
CLASSES = set(
    re.findall(r"\.([a-z][\w-]*)", "".join(each.read_text(encoding="utf-8") for each in FOLDER.glob("*.css")))
)
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
FILTERS = {
    *("price >= ", "price <= ", "availability = in_stock", " and "),
    *("brand in ()", "color in ()", "id not in ()", "title contains "),
}
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


def test_every_language_has_the_same_keys(opens_once: Any) -> None:
    found = opens_once.evaluate(
        """async names => {
          const found = {};
          const walk = (value, path) => {
            if (Array.isArray(value)) // the words of a language for one thing: one or more
              return [`${path.join(".")} ${value.length && value.every(each => each.trim()) ? "" : "wrong"}`];
            if (value && typeof value === "object")
              return Object.keys(value).sort().flatMap(key => walk(value[key], [...path, key]));
            return [`${path.join(".")} ${typeof value} ${value.length ?? ""}`.replace(/string .*/, "string")];
          };
          for (const name of names) found[name] = walk((await import(`/locale/${name}.js`)).texts, []);
          return found;
        }""",
        LOCALES,
    )

    assert set(found) >= {"de", "en"}
    for name in LOCALES:
        assert found[name] == found["en"], name


def test_a_page_in_german_with_a_name_and_a_colour(opens: Any, german: Running) -> None:
    page = opens("?sample=stripes", url=german.url)
    page.wait_for_selector(".rows[aria-busy=false] .card")
    settle(page)

    assert page.title() == page.locator(".brand").inner_text() == "Möbel & Mehr"
    assert page.locator("html").get_attribute("lang") == "de"
    assert {"Schuhe", "Teppiche", "Stühle"} <= set(page.locator(".row h2").all_inner_texts())
    assert re.fullmatch(r"\d+(,\d\d)?\s€", page.locator(".card .price").first.inner_text())
    colour = "document.querySelector('.chip-add'), null).color"
    assert page.evaluate(f"getComputedStyle({colour}") == "rgb(11, 110, 79)"
    assert violations(page) == []


def test_a_file_of_own_texts(opens: Any, store: Store, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.js").write_text(
        'export const language = "en-GB";\n'
        'export const accent = "#0b6e4f";\n'
        'export const texts = { start: { choose: "Show us your room" } };\n'
        'export const names = { "Home & Garden|Decor|Rugs": "Our rugs" };\n'
    )
    with running(store, tmp_path, samples=str(samples), locale=str(tmp_path / "shop.js")) as shop:
        page = opens(url=shop.url)

        page.get_by_text("Show us your room").wait_for()
        page.get_by_role("button", name="Stripes").click()
        page.get_by_role("heading", name="Our rugs").wait_for()

        assert page.locator("html").get_attribute("lang") == "en-GB"
        brand = "getComputedStyle(document.documentElement).getPropertyValue('--brand')"
        assert page.evaluate(brand) == "#0b6e4f"


def test_what_a_full_file_of_an_earlier_version_lacks_is_in_english(
    opens: Any, store: Store, samples: Path, tmp_path: Path
) -> None:
    own = (FOLDER / "locale" / "de.js").read_text(encoding="utf-8")
    for key in ("units", "filters", "find"):
        own, count = re.subn(rf"^    {key}: .*\n", "", own, flags=re.MULTILINE)
        assert count == 1
    (tmp_path / "shop.js").write_text(own, encoding="utf-8")
    with running(store, tmp_path, samples=str(samples), locale=str(tmp_path / "shop.js")) as shop:
        page = opens("?sample=stripes", url=shop.url)
        page.wait_for_selector(".rows[aria-busy=false] .card")

        page.get_by_role("button", name="Filters", exact=True).wait_for()
        assert page.get_by_role("button", name="Ganzer Look").is_visible()
        box = page.get_by_role("searchbox")
        box.fill("bis zu 70")
        box.press("Enter")
        page.wait_for_function("() => location.search.includes('to=70')")


@pytest.mark.parametrize(
    ("locale", "accent", "reason"),
    [
        ("fr", "", "--locale 'fr': must be one of de, en, or a .js file with your texts."),
        ("gone.js", "", "--locale 'gone.js': must name an existing file."),
        ("en", "green", "--accent 'green': must be a colour such as #0b6e4f."),
        ("en", "#ffd500", "--accent '#ffd500': must have a contrast of at least 5 with white, and has 1.4."),
    ],
)
def test_a_language_or_a_colour_that_cannot_be_used(locale: str, accent: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        Settings.of({"model": "model", "catalogue": "catalogue", "locale": locale, "accent": accent})

    assert str(error.value) == reason


def test_the_contrast_of_black_with_white_is_21() -> None:
    assert contrast_with_white("#000000") == pytest.approx(21)
    assert contrast_with_white("#ffffff") == pytest.approx(1)
    assert contrast_with_white("#767676") == pytest.approx(4.54, abs=0.005)  # the darkest grey of WCAG's FAQ
