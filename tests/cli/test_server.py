"""`complete --server` and `similar --server` say what the same model and catalogue say on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from perfectlook.catalogue import Catalogue
from perfectlook.cli.main import main
from perfectlook.model.runtime import Model
from priced import PricedSet
from serving import Running, Store, running

if TYPE_CHECKING:
    from conftest import Shop

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases|Handbags"


@pytest.fixture(scope="module")
def catalogue(shop: "Shop", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with prices, brands and stock."""
    folder = tmp_path_factory.mktemp("served") / "catalogue"
    with pytest.MonkeyPatch.context() as patch, Catalogue.open(folder, create=True) as opened:
        patch.setenv("PERFECTLOOK_CACHE", str(folder.with_name("cache")))
        opened.sync(PricedSet(shop.source), Model.open(shop.model), workers=1)
    return folder


@pytest.fixture(scope="module")
def served(shop: "Shop", catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = Store(shop.source, shop.model, catalogue)
    with running(store, tmp_path_factory.mktemp("server"), keyed_reading=True) as found:
        yield found


@pytest.fixture
def key(served: Running) -> str:
    return served.keyed.headers["authorization"].removeprefix("Bearer ")


@pytest.fixture
def ask(served: Running, key: str):
    """Run a command that asks the server."""

    def asked(command: str, *arguments: str | Path) -> int:
        return main([command, *map(str, arguments), "--server", served.url, "--key", key])

    return asked


@pytest.fixture
def both(run, ask, capsys: pytest.CaptureFixture[str]):
    """What a command prints on standard output: asked of this machine, and of the server."""

    def asked(*arguments: str | Path) -> tuple[str, str]:
        said = []
        for way in (run, ask):
            assert way(*arguments) == 0
            said.append(capsys.readouterr().out)
        return said[0], said[1]

    return asked


def compared(local: Any, remote: Any, served: Running) -> None:
    """Compare field by field: numbers to a part in a million, pictures by their bytes."""
    if isinstance(local, dict):
        assert list(local) == list(remote)
        for name, value in local.items():
            if name == "picture":
                picture = served.keyed.get(remote[name]).content
                assert picture == Path(value).read_bytes()
                assert remote[name].startswith(f"{served.url}/v1/products/")
            else:
                compared(value, remote[name], served)
    elif isinstance(local, list):
        assert len(local) == len(remote)
        for each, other in zip(local, remote, strict=True):
            compared(each, other, served)
    elif isinstance(local, float):
        assert remote == pytest.approx(local, abs=2e-6)
    else:
        assert remote == local


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-k", "3", "--category", "Shoes", "Handbags"],
        ["--where", "price <= 50 EUR", "--include-unavailable", "-k", "99"],
        ["--spread", "0.8", "-k", "3"],
        ["--look"],
        ["--look", "--weight", "2", "--budget", "90 EUR", "-k", "1", "--category", "Shoes", "Handbags"],
        ["--look", "--lock", f"{SHOES}=LAST"],
    ],
)
def test_json_of_complete_is_the_same(arguments: list[str], both, shop: "Shop", served: Running) -> None:
    listed = json.loads((shop.source / "categories.json").read_text(encoding="utf-8"))
    last = max(id_ for id_, category in listed.items() if category == SHOES)
    named = [each.replace("LAST", last) for each in arguments]
    local, remote = both("complete", shop.photos[0], *named, "--json", "-")
    compared(json.loads(local), json.loads(remote), served)


@pytest.mark.parametrize("arguments", [[], ["--look", "--budget", "120"]])
def test_text_of_complete_is_the_same(arguments: list[str], both, shop: "Shop") -> None:
    local, remote = both("complete", *shop.photos[:2], "-k", "3", *arguments)
    assert local == remote
    assert len(local.splitlines()) > 10


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-k", "3", "--category", "Shoes", "Handbags"],
        ["-k", "2", "--category", "Apparel & Accessories", "--where", "price <= 50 EUR"],
    ],
)
def test_similar_of_a_product_is_the_same(arguments: list[str], both, shop: "Shop", served: Running) -> None:
    shoe = Store(shop.source, shop.model, Path()).product
    local, remote = (json.loads(each) for each in both("similar", shoe, *arguments, "--json", "-"))
    compared(local, remote, served)
    printed = both("similar", shoe, *arguments)
    assert printed[0] == printed[1]


@pytest.mark.parametrize("arguments", [[], ["--category", "Shoes", "Handbags"]])
def test_similar_of_a_photo_is_the_same(arguments: list[str], both, shop: "Shop", served: Running) -> None:
    picture = next((shop.source / "products").iterdir())
    local, remote = (json.loads(each) for each in both("similar", picture, *arguments, "--json", "-"))
    compared(local, remote, served)
    printed = both("similar", picture, "-k", "2", *arguments)
    assert printed[0] == printed[1]


@pytest.mark.parametrize("more", [[], ["--look"]])
def test_fields_that_no_product_has_are_named(more: list[str], both, ask, shop: "Shop", capsys) -> None:
    shoe = Store(shop.source, shop.model, Path()).product
    where = ["--where", "brnd = Acme"]
    for asked in (["complete", shop.photos[0], *more, *where], ["similar", shoe, *where]):
        local, remote = (json.loads(each) for each in both(*asked, "--json", "-"))
        assert remote["notes"] == local["notes"]
        assert ask(*asked) == 0
        said = capsys.readouterr().err
        assert said == "note: no product of the catalogue has the field 'brnd'; did you mean brand?\n"


@pytest.mark.parametrize("arguments", [["complete"], ["complete", "--look"], ["similar"]])
def test_sheets_are_the_same(arguments: list[str], run, ask, shop: "Shop", tmp_path: Path) -> None:
    command, *more = arguments
    drawn = []
    for way, name in ((run, "local.png"), (ask, "remote.png")):
        assert way(command, shop.photos[1], "-k", "2", *more, "--sheet", tmp_path / name) == 0
        with Image.open(tmp_path / name) as sheet:
            drawn.append(np.asarray(sheet, np.int16))
    assert drawn[0].shape == drawn[1].shape
    difference = np.abs(drawn[0] - drawn[1])
    assert difference.mean() < 0.5  # the server's thumbnails are JPEG once more
    assert (difference > 60).mean() < 0.001  # a picture that is missing, or another, would differ much


def test_a_bad_photo_is_skipped_and_the_others_go_on(ask, shop: "Shop", tmp_path: Path, capsys) -> None:
    bad, absent = tmp_path / "bad.jpg", tmp_path / "absent.jpg"
    bad.write_bytes(b"no picture")
    photos = [shop.photos[0], bad, absent, shop.photos[1]]
    assert ask("complete", *photos, "-k", "1", "--json", "-") == 0
    captured = capsys.readouterr()
    assert [each["photo"] for each in json.loads(captured.out)] == [str(photos[0]), str(photos[3])]
    assert f"skipped: {bad}: not a picture" in captured.err
    assert f"skipped: {absent}: cannot be read" in captured.err
    assert ask("complete", *photos, "-k", "1", "--strict") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], "--server does not give the bare ranking"),
        (["--rules", "RULES"], "--server follows its own rules"),
        (["-k", "101"], "--server names 100 products at most"),
        (["--look", "-k", "4"], "--server names 3 alternatives of a slot at most"),
        (["--where", "price <="], "column 9: expected a value"),
        (["--category", "Shows"], "did you mean Apparel & Accessories|Shoes"),
        (["--look", "--budget", "1"], "budget 1 EUR: the cheapest look"),
        (["--model", "m"], "--server answers with its own model and catalogue: leave --model out"),
        (["--model", "m", "--catalogue", "c"], "leave --model and --catalogue out"),
        (["--sheet", "a.doc"], "a.doc"),
    ],
)
def test_what_a_server_cannot_do_is_said(
    arguments: list[str], said: str, ask, shop: "Shop", tmp_path: Path, capsys
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\naction = "exclude"\nwhere = "brand = x"\n', encoding="utf-8")
    named = [str(rules) if each == "RULES" else each for each in arguments]
    assert ask("complete", shop.photos[0], *named) == 2
    assert said in capsys.readouterr().err


def test_neither_a_place_nor_a_server_is_wrong_use(shop: "Shop", served: Running, capsys) -> None:
    for arguments, said in (
        ([], "give --model and --catalogue, or --server"),
        (["--model", str(shop.model)], "give --model and --catalogue, or --server"),
        (["--key", "k"], "--key is of servers: add --server"),
        (["--server", "localhost:8000"], "localhost:8000: not the address of a server"),
        (["--server", served.url], "PERFECTLOOK_API_KEY"),
        (["--server", served.url, "--key", "wrong"], "no_key"),
    ):
        for command in ("complete", "similar"):
            assert main([command, str(shop.photos[0]), *arguments]) == 2
            assert said in capsys.readouterr().err


def test_what_is_neither_a_product_nor_a_photo(ask, served: Running, capsys) -> None:
    assert ask("similar", "nobody") == 2
    assert f"'nobody': neither a product of {served.url} nor the file of a picture" in capsys.readouterr().err


def test_a_server_that_is_not_there(shop: "Shop", capsys) -> None:
    assert main(["complete", str(shop.photos[0]), "--server", "http://127.0.0.1:9"]) == 1
    assert "127.0.0.1:9/v1/complete: cannot be reached" in capsys.readouterr().err


def test_rules_of_the_server_that_are_not_followed_are_told(
    shop: "Shop", catalogue: Path, tmp_path: Path, capsys
):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\naction = "pin"\nid = "nobody"\n', "utf-8")
    store = Store(shop.source, shop.model, catalogue)
    with running(store, tmp_path, rules=str(rules)) as served:
        assert main(["complete", str(store.photos[0]), "--server", served.url]) == 0

    assert "rule 1 (pin) is not followed: the catalogue has no product 'nobody'" in capsys.readouterr().out
