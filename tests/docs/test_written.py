"""The files that the documentation shows are valid: TOML, JSON, filters, a unit, a container."""

import json
import re
import shlex
import tomllib

import pytest

from perfectlook.cli.main import build_app
from perfectlook.recommender import Rules
from perfectlook.service.server import KEEP_ALIVE
from perfectlook.service.settings import PREFIX, Settings
from perfectlook.stores.filters import parse_filter
from perfectlook.training.config import TrainingConfig, read_config
from printed import PAGES, ROOT, Block, blocks, docs_page

BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_toml_is_valid_for_its_purpose(block: Block, tmp_path):
    file = tmp_path / "file.toml"
    file.write_text(block.text, encoding="utf-8")
    if "[[rule]]" in block.text:
        assert Rules.read(file)
    elif "[model]" in block.text or "[training]" in block.text:
        assert TrainingConfig().replaced(read_config(file))
    else:
        assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "json"], ids=str)
def test_json_is_json(block: Block):
    assert json.loads(block.text)


def shown(name: str, beginning: str) -> str:
    """The text of the only block of a page that starts with `beginning`."""
    (found,) = (block.text for block in blocks(docs_page(name)) if block.text.startswith(beginning))
    return found


@pytest.mark.parametrize("line", shown("filters.md", "price >= 20").splitlines())
def test_filters_are_filters(line: str):
    assert parse_filter(line)


def test_the_unit_starts_what_can_be_started():
    (command,) = re.findall(r"^ExecStart=\S+/perfectlook (.*)$", shown("deploy.md", "[Unit]"), re.MULTILINE)
    assert build_app().parse_args(shlex.split(command), exit_on_error=False, print_error=False)


def test_the_container_installs_what_there_is_and_sets_what_is_read():
    text = shown("deploy.md", "FROM ")
    (extras,) = re.findall(r"pip install \S+ '?/src\[([a-z,]+)\]", text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(known["optional-dependencies"])
    read = {PREFIX + name.upper() for name in Settings.model_fields} | {"PERFECTLOOK_CACHE"}
    assert set(re.findall(r"PERFECTLOOK_\w+", text)) <= read
    (check,) = re.findall(r'^HEALTHCHECK CMD python -c "(.*)"$', text, re.MULTILINE)
    compile(check, "HEALTHCHECK", "exec")
    (start,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    assert build_app().parse_args(json.loads(start)[1:], exit_on_error=False, print_error=False)


def test_the_container_can_sync():
    sync = re.search(
        r"--entrypoint perfectlook perfectlook (.*)", docs_page("deploy.md").read_text(encoding="utf-8")
    )
    assert sync
    assert build_app().parse_args(shlex.split(sync[1]), exit_on_error=False, print_error=False)


def test_the_configuration_of_nginx_fits_the_settings_of_the_service():
    text, settings = shown("nginx.md", "upstream "), Settings()
    assert text.count("{") == text.count("}")
    assert f"server {settings.host}:{settings.port};" in text
    (idle,) = re.findall(r"keepalive_timeout (\d+)s;", text)
    assert int(idle) < KEEP_ALIVE
    (largest,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(largest) * 2**20 > settings.max_upload
