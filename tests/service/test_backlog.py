"""Accepted syncs outlive the server that accepted them."""

from collections.abc import Sequence
from pathlib import Path

import httpx

from perfectlook.service.jobs import Backlog
from perfectlook.service.security import new_key
from serving import Store, eventually, feed_of, served
from web import serve, stall, web


def test_what_is_kept_is_left_for_the_next_until_it_is_done(tmp_path: Path):
    first = Backlog(tmp_path)
    assert first.left() == []
    feed = first.keep("a", ".csv", content=b"id,title")
    first.keep("b", ".xml", url="https://shop.example/feed.xml")
    first.close()

    second = Backlog(tmp_path)
    one, other = second.left()
    assert (one.id, one.feed.read_bytes(), one.feed.suffix, one.url) == ("a", b"id,title", ".csv", None)
    assert (other.id, other.feed.exists(), other.url) == ("b", False, "https://shop.example/feed.xml")
    assert feed.folder == one.folder
    one.done()
    assert [each.id for each in second.left()] == ["b"]
    second.close()


def test_a_living_servers_syncs_are_its_own(tmp_path: Path):
    living, other = Backlog(tmp_path), Backlog(tmp_path)
    living.keep("a", ".csv", content=b"")
    assert other.left() == []
    living.close()
    assert [each.id for each in other.left()] == ["a"]  # whatever its slot was
    other.close()


def test_half_kept_syncs_are_forgotten_and_hopeless_ones_given_up(tmp_path: Path):
    backlog = Backlog(tmp_path)
    half = backlog.keep("half", ".csv", content=b"")
    half.folder.rename(half.folder.with_name(f".{half.folder.name}"))
    hopeless = backlog.keep("hopeless", ".csv", content=b"")
    for _ in range(3):
        hopeless.begin()
    backlog.keep("good", ".csv", content=b"").begin()
    assert [each.id for each in backlog.left()] == ["good"]
    assert len([each for each in (tmp_path / "0").iterdir() if each.is_dir()]) == 1
    backlog.close()


def test_a_server_that_is_killed_does_what_it_accepted_when_it_starts_again(own_store: Store, tmp_path: Path):
    key, line = new_key("tests")
    keys = tmp_path / "keys"
    keys.write_text(line + "\n", encoding="utf-8")
    bearer = {"Authorization": f"Bearer {key}"}
    picture = next((own_store.source / "products").iterdir()).read_bytes()
    with web() as shop:
        shop.answers["/new.jpg"] = stall  # until the first server is dead: it does none of them
        feed = feed_of([("new", shop.url("/new.jpg"))], tmp_path).read_bytes()
        flags = ("--keys", str(keys), "--allow-private", "--rate", "0")
        jobs = accepted_by_a_server_that_is_killed(own_store, tmp_path / "log-1", flags, feed, bearer)
        shop.answers["/new.jpg"] = serve(picture)
        again, url = served(own_store, tmp_path / "log-2", *flags)
        try:
            for job in jobs:
                place = f"{url}/v1/jobs/{job}"
                eventually(lambda place=place: httpx.get(place, headers=bearer).json()["state"] == "done")
            assert httpx.get(f"{url}/v1/products/new").status_code == 200
        finally:
            again.terminate()
            again.wait()
    assert not list((own_store.catalogue / "jobs").glob("*/[0-9]*-*"))


def accepted_by_a_server_that_is_killed(
    store: Store, log: Path, flags: Sequence[str], feed: bytes, bearer: dict[str, str]
) -> list[str]:
    process, url = served(store, log, *flags)
    try:
        sent = {"feed": ("feed.csv", feed)}
        answers = [
            httpx.post(f"{url}/v1/products:sync", files=sent, headers=bearer, timeout=30) for _ in range(3)
        ]
        return [each.json()["job"] for each in answers]
    finally:
        process.kill()
        process.wait()
