"""The cache of fetched pictures: each is fetched once, written whole, and verified on request."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from perfectlook.errors import CatalogueError
from perfectlook.feeds.pictures import GIVEN_UP_AFTER, LEDGER, PictureCache
from perfectlook.fetching import FetchLimits
from perfectlook.images import encode_jpeg
from web import Web, fail, serve, with_etag

LIMITS = FetchLimits(allow_private=True, seconds=5, tries=2, first_pause=0.01, connections=4)


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "pictures", LIMITS)


def place_of(cache: PictureCache, url: str) -> Path:
    return Path(cache.locate(url))


def picture(colour: str) -> bytes:
    return encode_jpeg(Image.new("RGB", (20, 10), colour))


def test_the_url_decides_the_path_of_a_picture(tmp_path: Path) -> None:
    cache = PictureCache.of(tmp_path / "catalogue")
    place = place_of(cache, "https://shop.example/a/b.JPG?w=100")
    assert place == place_of(
        PictureCache.of(str(tmp_path / "catalogue")), "https://shop.example/a/b.JPG?w=100"
    )
    assert place.is_relative_to(tmp_path / "catalogue" / "pictures")
    assert place.suffix == ".jpg"
    assert place_of(cache, "https://shop.example/a/b.JPG?w=200") != place
    assert place_of(cache, "https://shop.example/a.php").suffix == ""
    assert not (tmp_path / "catalogue").exists()


def test_a_catalogue_on_a_server_keeps_its_pictures_in_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path))
    first, second = (PictureCache.of(f"milvus+http://one:19530/{name}") for name in "ab")
    assert first.folder.parent == second.folder.parent == tmp_path / "pictures"
    assert first.folder != second.folder


def test_a_cached_picture_is_not_fetched_again(server: Web, cache: PictureCache) -> None:
    server.answers["/a.jpg"] = serve(picture("red"))
    place = place_of(cache, server.url("/a.jpg"))
    assert cache.absent([place]) == [place]
    told: list[tuple[int, int, int]] = []
    assert cache.fetch([place], progress=lambda *state: told.append(state)) == {}
    assert place.read_bytes() == picture("red")
    assert told == [(1, 1, 0)]
    assert cache.fetch([place]) == {}
    assert cache.absent([place]) == []
    assert len(server.asked) == 1


def test_verify_asks_servers_for_changes(server: Web, cache: PictureCache) -> None:
    server.answers["/a.jpg"] = with_etag(picture("red"), '"1"')
    place = place_of(cache, server.url("/a.jpg"))
    cache.fetch([place])
    cache.fetch([place], verify=True)
    assert server.asked[1][1]["if-none-match"] == '"1"'
    server.answers["/a.jpg"] = with_etag(picture("blue"), '"2"')
    cache.fetch([place], verify=True)
    assert place.read_bytes() == picture("blue")
    cache.fetch([place], verify=True)
    assert server.asked[3][1]["if-none-match"] == '"2"'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fail(404), "answered 404 Not Found"),
        (fail(500), "answered 500 Internal Server Error after 2 tries"),
        (serve(b"<html>sorry</html>"), "not a picture of a known format"),
        (serve(picture("red")[:-200]), "truncated or damaged"),
    ],
)
def test_failures_are_reported_and_cached_pictures_kept(
    server: Web, cache: PictureCache, answer: object, reason: str
) -> None:
    server.answers["/a.jpg"], server.answers["/b.jpg"] = answer, serve(picture("red"))  # type: ignore[assignment]
    places = [place_of(cache, server.url(path)) for path in ("/a.jpg", "/b.jpg")]
    reasons = cache.fetch(places)
    assert list(reasons) == places[:1]
    assert reasons[places[0]].startswith(f"{server.url('/a.jpg')}: ")
    assert reason in reasons[places[0]]
    assert not places[0].exists()
    server.answers["/b.jpg"] = answer  # type: ignore[assignment]
    assert places[1] in cache.fetch(places, verify=True)
    assert places[1].read_bytes() == picture("red")


def test_private_addresses_are_refused_unless_allowed(server: Web, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    place = place_of(cache, server.url("/a.jpg"))
    assert "Pass --allow-private" in cache.fetch([place])[place]


def test_a_failing_server_is_given_up(server: Web, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, replace(LIMITS, connections=1, tries=1))
    for number in range(40):
        server.answers[f"/{number}.jpg"] = fail(503)
    reasons = cache.fetch([place_of(cache, server.url(f"/{number}.jpg")) for number in range(40)])
    assert len(reasons) == 40
    assert len(server.asked) == GIVEN_UP_AFTER
    host = server.url("").removeprefix("http://")
    assert sum(f"{host} does not respond. Run the same" in reason for reason in reasons.values()) == 32


def test_pictures_are_fetched_in_parallel_up_to_the_limit(server: Web, cache: PictureCache) -> None:
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
    assert cache.fetch([place_of(cache, server.url(f"/{number}.jpg")) for number in range(20)]) == {}
    assert 2 <= most <= 4


def test_only_pictures_without_a_url_are_dropped(server: Web, cache: PictureCache, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = server.answers["/b.jpg"] = serve(picture("red"))
    old, new = place_of(cache, server.url("/a.jpg")), place_of(cache, server.url("/b.jpg"))
    cache.fetch([old, new])
    later = PictureCache(cache.folder)
    later.locate(server.url("/b.jpg"))
    elsewhere = tmp_path / "local" / "x" / "c.jpg"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(b"")
    later.drop([old, new, elsewhere, cache.folder / LEDGER, old])
    assert (old.exists(), new.exists(), elsewhere.exists(), (cache.folder / LEDGER).exists()) == (
        False,
        True,
        True,
        True,
    )


def test_a_damaged_ledger_is_replaced(server: Web, cache: PictureCache) -> None:
    server.answers["/a.jpg"] = with_etag(picture("red"), '"1"')
    place = place_of(cache, server.url("/a.jpg"))
    cache.fetch([place])
    (cache.folder / LEDGER).write_bytes(b"no database, but long enough to look like a damaged one" * 20)
    assert cache.fetch([place], verify=True) == {}
    assert "if-none-match" not in server.asked[1][1]


def test_unfinished_files_of_a_killed_run_are_removed(server: Web, cache: PictureCache) -> None:
    server.answers["/a.jpg"] = serve(picture("red"))
    left, fresh = (cache.folder / "of no picture" / f".123-{n}.part" for n in (1, 2))
    left.parent.mkdir(parents=True)
    for file in (left, fresh):
        file.write_bytes(b"half a pict")
    os.utime(left, (1, 1))
    cache.fetch([place_of(cache, server.url("/a.jpg"))])
    assert list(left.parent.iterdir()) == [fresh]


def test_a_folder_that_cannot_be_written_is_an_error(server: Web, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file", encoding="utf-8")
    cache = PictureCache(tmp_path / "pictures", LIMITS)
    with pytest.raises(CatalogueError, match="pictures: cannot be written"):
        cache.fetch([place_of(cache, server.url("/a.jpg"))])


def test_only_pictures_of_the_cache_are_dropped(tmp_path: Path) -> None:
    database = tmp_path / "catalogue.sqlite"
    database.write_text("")
    cache = PictureCache.of(tmp_path)
    made = Path(cache.locate("https://shop.example/1.jpg"))
    made.parent.mkdir(parents=True)
    other = made.parent / "other.jpg"
    for file in (made, other):
        file.write_text("")
    later = PictureCache.of(tmp_path)  # it knows no URLs
    later.drop([cache.folder / ".." / "catalogue.sqlite", other, made])
    assert database.exists()
    assert other.exists()
    assert not made.exists()
