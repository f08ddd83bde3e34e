"""The reference has every command, flag, call, backbone, store, setting and variable."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from cyclopts import App
from fastapi import FastAPI

import perfectlook
from perfectlook import errors
from perfectlook.backbones import describe_backbones
from perfectlook.cli.main import build_app
from perfectlook.data.fetch import PUBLIC_SETS
from perfectlook.feeds.columns import FIELDS
from perfectlook.feeds.readers import FORMATS
from perfectlook.model.config import ModelConfig
from perfectlook.service.app import ROUTES
from perfectlook.service.settings import PREFIX, Settings, flag_of
from perfectlook.stores import STORES
from perfectlook.stores.milvus_connection import MilvusSettings
from perfectlook.training.baselines.registry import BASELINES
from perfectlook.training.config import TrainingConfig
from printed import DOCS, docs_page


def written(name: str) -> str:
    return docs_page(name).read_text(encoding="utf-8")


def leaves(app: App, name: str = "perfectlook") -> dict[str, App]:
    found = {}
    for child in app:
        if not child.startswith("-"):
            found |= leaves(app[child], f"{name} {child}")
    return found or {name: app}


@pytest.mark.parametrize(("name", "command"), leaves(build_app()).items())
def test_every_command_and_flag(name: str, command: App):
    _, found, section = written("commands.md").partition(f"# {name}\n")
    assert found
    section = section.split("\n## ")[0].split("\n### ")[0]
    shown = [argument.name for argument in command.assemble_argument_collection() if argument.show]
    assert all(re.search(rf"`{re.escape(each)}[` ]", section) for each in shown), shown


def test_every_call():
    app = FastAPI()
    for router in ROUTES:
        app.include_router(router)
    calls = {(method.upper(), path) for path, found in app.openapi()["paths"].items() for method in found}
    assert len(calls) >= 15
    begun = written("api.md")
    for method, path in calls:
        assert f"\n## {method} {path}\n" in written("calls.md")
        assert path.removesuffix("/picture") in begun, path


def test_every_backbone():
    for backbone in describe_backbones():
        assert f"`{backbone.name}`" in written("backbones.md")


def test_every_store():
    for scheme in STORES:
        assert (f"`{scheme}://" if scheme else "`FOLDER`") in written("stores.md")


def test_every_setting_of_the_service_with_flag_variable_and_key():
    page = written("settings.md")
    for name in Settings.model_fields:
        for said in (flag_of(name), PREFIX + name.upper(), name):
            assert f"`{said}`" in page


@pytest.mark.parametrize("kind", [ModelConfig, TrainingConfig])
def test_every_setting_of_a_training(kind: type):
    page = written("settings.md")
    for each in fields(kind):
        assert each.name == "model" or f"| `{each.name}` |" in page


def test_every_setting_of_milvus():
    for name in MilvusSettings.model_fields:
        assert f"`{name}`" in written("milvus.md")


def test_every_variable_of_the_environment():
    source = "".join(file.read_text(encoding="utf-8") for file in Path(perfectlook.__path__[0]).rglob("*.py"))
    for name in set(re.findall(r"PERFECTLOOK_[A-Z_]*[A-Z]", source)):
        assert f"`{name}`" in written("settings.md")


def test_every_baseline_public_set_and_field_and_format_of_a_feed():
    for name in BASELINES:
        assert f"`{name}`" in written("baselines.md")
    for name in PUBLIC_SETS:
        assert f"`{name}`" in written("data.md")
        assert f"## {name}\n" in written("data-cards.md")
    for name in (*FIELDS, *FORMATS):
        assert f"`{name}`" in written("feeds.md")


def test_every_word_of_filters():
    page = written("filters.md")
    for word in ("and", "or", "not", "in", "has", "under", "<", ">", "<=", ">=", "=", "!="):
        assert f"`{word}`" in page or f" {word} " in page, word


def test_every_kind_of_error_is_made_into_the_reference():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(kinds) > 10
    page = (DOCS / "reference" / "python" / "errors.md").read_text(encoding="utf-8")
    assert all(f"\n### {each.__name__}\n" in page and each.__doc__ for each in kinds)


def test_every_public_part_of_the_package_is_in_the_python_reference():
    text = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference" / "python").glob("*.md"))
    named = set(re.findall(r"^<!-- begin: python perfectlook\.(\w+)", text, re.MULTILINE))
    inner = {
        "__main__",
        "cli",
        "colours",
        "features",
        "images",
        "picture_structure",
        "progress",
        "retry",
        "service",
        "texts",
    }
    parts = {
        each.stem
        for each in Path(perfectlook.__path__[0]).iterdir()
        if each.suffix == ".py" or (each / "__init__.py").exists()
    }
    assert parts - inner - {"__init__", "__pycache__", "py"} == named
