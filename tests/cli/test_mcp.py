"""The tools for assistants, called by the client of the protocol's own SDK."""

import asyncio
import json
import shutil
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from perfectlook.cli.mcp import assistant
from perfectlook.recommender import Recommender, Rules, SlotTable
from seeing import write_presence
from serving import Store, small_store

mcp = pytest.importorskip("mcp")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("store"))


def answered(asked: Coroutine[Any, Any, Any]) -> Any:
    """Return a result from a loop of its own: the browser of other tests keeps one in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


def call(
    store: Store, tool: str, *, rules: Rules | None = None, slots: SlotTable | None = None, **arguments: Any
) -> Any:
    """Return a tool's answer, or the text of its error."""

    async def ask() -> Any:
        with Recommender.open(store.catalogue, store.model) as recommender:
            async with mcp.Client(assistant(recommender, rules, slots)) as client:
                result = await client.call_tool(tool, arguments)
        text = result.content[0].text
        return text if result.is_error else json.loads(text)

    return answered(ask())


def test_the_four_tools_are_described(store: Store):
    async def ask() -> Any:
        with Recommender.open(store.catalogue, store.model) as recommender:
            async with mcp.Client(assistant(recommender)) as client:
                return (await client.list_tools()).tools

    tools = {each.name: each for each in answered(ask())}
    assert set(tools) == {"complete", "similar", "look", "categories"}
    assert all(each.description for each in tools.values())
    assert {"photo", "product", "k", "where"} < set(tools["complete"].input_schema["properties"])


def test_a_photo_and_a_product_get_the_answers_of_the_recommender(store: Store):
    photo = str(store.photos[0])
    with Recommender.open(store.catalogue, store.model) as recommender:
        expected = recommender.complete(photo, k=2, limit=8)
        alike = recommender.similar(store.product, k=3)
        wanted = recommender.complete(product=store.product, k=2, limit=8)
        counts = recommender.catalogue.categories()
    for answer, found in (
        (expected, call(store, "complete", photo=photo, k=2)),
        (wanted, call(store, "complete", product=store.product, k=2)),
        (alike, call(store, "similar", product=store.product, k=3)),
    ):
        assert [
            (each["category"], [one["id"] for one in each["products"]]) for each in found["categories"]
        ] == [(each.category, [one.id for one in each.products]) for each in answer.categories]
    assert call(store, "categories") == counts


def test_a_look_has_one_product_for_each_category(store: Store):
    found = call(store, "look", photo=str(store.photos[0]))
    names = [each["category"] for each in found["products"]]
    assert len(names) == len(set(names)) > 1
    assert {each["quantity"] for each in found["products"]} == {1}


def test_the_shops_rules_and_slots_hold(store: Store, tmp_path: Path):
    photo = str(store.photos[0])
    usual = call(store, "look", photo=photo)["products"]
    first = usual[0]
    rule = f"[[rule]]\naction = 'exclude'\nwhere = 'id = {first['id']}'\n"
    (tmp_path / "rules.toml").write_text(rule)
    (tmp_path / "slots.toml").write_text(f'[[quantity]]\ncategory = "{usual[1]["category"]}"\ncount = 4\n')
    rules, slots = Rules.read(tmp_path / "rules.toml"), SlotTable.read(tmp_path / "slots.toml")

    found = call(store, "look", rules=rules, slots=slots, photo=photo)["products"]
    assert {each["category"]: each["quantity"] for each in found}[usual[1]["category"]] == 4
    asked = {"photo": photo, "categories": [first["category"]], "k": 100}
    for tool in ("look", "complete"):
        answer = call(store, tool, rules=rules, **(asked if tool == "complete" else {"photo": photo}))
        assert first["id"] not in json.dumps(answer)
    alike = call(store, "similar", product=usual[1]["id"], k=100, rules=rules)
    assert first["id"] not in json.dumps(alike)


def test_products_that_the_photo_shows_are_listed(store: Store, tmp_path: Path):
    seeing = store._replace(model=shutil.copytree(store.model, tmp_path / "model"))
    photo = str(store.photos[0])
    category = call(store, "complete", photo=photo)["categories"][0]["category"]
    write_presence(seeing.model, category)
    found = call(seeing, "complete", photo=photo, k=2)
    with Recommender.open(seeing.catalogue, seeing.model) as recommender:
        expected = [each.id for each in recommender.complete(photo, k=2, limit=8).in_scene]
    assert [each["id"] for each in found["in_scene"]] == expected != []


def test_the_command_reads_the_rules_and_the_slots(store: Store, tmp_path: Path, capsys: Any):
    from perfectlook.cli.main import main

    command = ["mcp", "--model", str(store.model), "--catalogue", str(store.catalogue)]
    for flag in ("--rules", "--slots"):
        assert main([*command, flag, str(tmp_path / "gone.toml")]) == 2
        assert "gone.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "Give a photo or the id of a product"),
        ({"product": "nothing"}, "not in"),
        ({"photo": "/no/such/photo.jpg"}, "no such file"),
        ({"photo": "http://127.0.0.1/photo.jpg"}, "not on the public internet"),
    ],
)
def test_errors_tell_the_assistant_what_to_do(store: Store, arguments: dict[str, Any], problem: str):
    assert problem in call(store, "complete", **arguments)


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from perfectlook.cli import output
    from perfectlook.cli.main import main

    monkeypatch.setattr(output, "find_spec", lambda _: None)
    assert main(["mcp", "--model", str(tmp_path), "--catalogue", str(tmp_path)]) == 1
