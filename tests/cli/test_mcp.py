"""The tools for assistants, called by the client of the protocol's own SDK."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from perfectlook.cli.mcp import assistant
from perfectlook.recommender import Recommender
from serving import Store, small_store

mcp = pytest.importorskip("mcp")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("store"))


def call(store: Store, tool: str, **arguments: Any) -> Any:
    """Return a tool's answer, or the text of its error."""

    async def ask() -> Any:
        with Recommender.open(store.catalogue, store.model) as recommender:
            async with mcp.Client(assistant(recommender)) as client:
                result = await client.call_tool(tool, arguments)
        text = result.content[0].text
        return text if result.is_error else json.loads(text)

    return asyncio.run(ask())


def test_the_four_tools_are_described(store: Store):
    async def ask() -> Any:
        with Recommender.open(store.catalogue, store.model) as recommender:
            async with mcp.Client(assistant(recommender)) as client:
                return (await client.list_tools()).tools

    tools = {each.name: each for each in asyncio.run(ask())}
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
