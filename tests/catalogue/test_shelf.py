"""Fetched pictures lie on a shelf: fetched once, asked for again only to verify, never half there."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from perfectlook.catalogue.picture_cache import GIVEN_UP_AFTER, LEDGER, UNFINISHED, Shelf
from perfectlook.errors import CatalogueError
from perfectlook.fetching import FetchLimits
from perfectlook.images import encode_jpeg
from web import Web, fail, serve, with_etag

LIMITS = FetchLimits(allow_private=True, seconds=5, tries=2, first_pause=0.01, connections=4)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "pictures", LIMITS)


def picture(colour: str) -> bytes:
    return encode_jpeg(Image.new("RGB", (20, 10), colour))


def test_a_url_alone_decides_where_its_picture_lies(tmp_path: Path) -> None:
    shelf = Shelf.of(tmp_path / "catalogue")
    place = shelf.place("https://shop.example/a/b.JPG?w=100")
    assert place == Shelf.of(str(tmp_path / "catalogue")).place("https://shop.example/a/b.JPG?w=100")
    assert place.is_relative_to(tmp_path / "catalogue" / "pictures")
    assert place.suffix == ".jpg"
    assert shelf.place("https://shop.example/a/b.JPG?w=200") != place
    assert shelf.place("https://shop.example/a.php").suffix == ""
    assert not (tmp_path / "catalogue").exists()


def test_a_catalogue_without_a_folder_has_its_shelf_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path))
    first, second = Shelf.of("qdrant+http://one:6333/a"), Shelf.of("qdrant+http://one:6333/b")
    assert first.folder.parent == second.folder.parent == tmp_path / "pictures"
    assert first.folder != second.folder


def test_what_is_there_is_not_fetched_again(server: Web, shelf: Shelf) -> None:
    server.answers["/a.jpg"] = serve(picture("red"))
    place = shelf.place(server.url("/a.jpg"))
    assert shelf.absent([place]) == [place]
    told: list[tuple[int, int, int]] = []
    assert shelf.fetch([place], progress=lambda *state: told.append(state)) == {}
    assert place.read_bytes() == picture("red")
    assert told == [(1, 1, 0)]
    assert shelf.fetch([place]) == {}
    assert shelf.absent([place]) == []
    assert len(server.asked) == 1


def test_to_verify_servers_are_asked_whether_it_has_changed(server: Web, shelf: Shelf) -> None:
    server.answers["/a.jpg"] = with_etag(picture("red"), '"1"')
    place = shelf.place(server.url("/a.jpg"))
    shelf.fetch([place])
    shelf.fetch([place], verify=True)
    assert server.asked[1][1]["if-none-match"] == '"1"'
    server.answers["/a.jpg"] = with_etag(picture("blue"), '"2"')
    shelf.fetch([place], verify=True)
    assert place.read_bytes() == picture("blue")
    shelf.fetch([place], verify=True)
    assert server.asked[3][1]["if-none-match"] == '"2"'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fail(404), "answers 404 Not Found"),
        (fail(500), "answers 500 Internal Server Error, tried 2 times"),
        (serve(b"<html>sorry</html>"), "not a picture of a known format"),
        (serve(picture("red")[:-200]), "truncated or damaged"),
    ],
)
def test_what_cannot_be_had_is_named_and_what_is_there_stays(
    server: Web, shelf: Shelf, answer: object, reason: str
) -> None:
    server.answers["/a.jpg"], server.answers["/b.jpg"] = answer, serve(picture("red"))  # type: ignore[assignment]
    places = [shelf.place(server.url(path)) for path in ("/a.jpg", "/b.jpg")]
    reasons = shelf.fetch(places)
    assert list(reasons) == places[:1]
    assert reasons[places[0]].startswith(f"{server.url('/a.jpg')}: ")
    assert reason in reasons[places[0]]
    assert not places[0].exists()
    server.answers["/b.jpg"] = answer  # type: ignore[assignment]
    assert places[1] in shelf.fetch(places, verify=True)
    assert places[1].read_bytes() == picture("red")


def test_private_addresses_are_refused_unless_allowed(server: Web, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    place = shelf.place(server.url("/a.jpg"))
    assert "--allow-private allows it" in shelf.fetch([place])[place]


def test_a_server_that_is_down_is_not_asked_for_ever(server: Web, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, replace(LIMITS, connections=1, tries=1))
    for number in range(40):
        server.answers[f"/{number}.jpg"] = fail(503)
    reasons = shelf.fetch([shelf.place(server.url(f"/{number}.jpg")) for number in range(40)])
    assert len(reasons) == 40
    assert len(server.asked) == GIVEN_UP_AFTER
    host = server.url("").removeprefix("http://")
    assert sum(f"{host} does not answer; run again" in reason for reason in reasons.values()) == 32


def test_many_are_fetched_at_once_and_no_more_than_allowed(server: Web, shelf: Shelf) -> None:
    import threading

    at_once, most, lock = 0, 0, threading.Lock()

    def answer(handler) -> None:  # type: ignore[no-untyped-def]
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        handler.server.ended.wait(0.05)
        with lock:
            at_once -= 1
        handler.reply(200, picture("red"))

    for number in range(20):
        server.answers[f"/{number}.jpg"] = answer
    assert shelf.fetch([shelf.place(server.url(f"/{number}.jpg")) for number in range(20)]) == {}
    assert 2 <= most <= 4


def test_only_pictures_without_a_url_are_dropped(server: Web, shelf: Shelf, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = server.answers["/b.jpg"] = serve(picture("red"))
    old, new = shelf.place(server.url("/a.jpg")), shelf.place(server.url("/b.jpg"))
    shelf.fetch([old, new])
    later = Shelf(shelf.folder)
    later.place(server.url("/b.jpg"))
    elsewhere = tmp_path / "local" / "x" / "c.jpg"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(b"")
    later.drop([old, new, elsewhere, shelf.folder / LEDGER, old])
    assert (old.exists(), new.exists(), elsewhere.exists(), (shelf.folder / LEDGER).exists()) == (
        False,
        True,
        True,
        True,
    )


def test_a_damaged_ledger_is_begun_anew(server: Web, shelf: Shelf) -> None:
    server.answers["/a.jpg"] = with_etag(picture("red"), '"1"')
    place = shelf.place(server.url("/a.jpg"))
    shelf.fetch([place])
    (shelf.folder / LEDGER).write_bytes(b"no database, but long enough to look like a damaged one" * 20)
    assert shelf.fetch([place], verify=True) == {}
    assert "if-none-match" not in server.asked[1][1]


def test_what_a_killed_run_left_behind_is_cleared_away(server: Web, shelf: Shelf) -> None:
    server.answers["/a.jpg"] = serve(picture("red"))
    left, fresh = shelf.folder / UNFINISHED / "123-1", shelf.folder / UNFINISHED / "123-2"
    left.parent.mkdir(parents=True)
    for file in (left, fresh):
        file.write_bytes(b"half a pict")
    os.utime(left, (1, 1))
    shelf.fetch([shelf.place(server.url("/a.jpg"))])
    assert list(left.parent.iterdir()) == [fresh]


def test_a_folder_that_cannot_be_written_is_said(server: Web, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file", encoding="utf-8")
    shelf = Shelf(tmp_path / "pictures", LIMITS)
    with pytest.raises(CatalogueError, match="fetched pictures cannot be kept there"):
        shelf.fetch([shelf.place(server.url("/a.jpg"))])
