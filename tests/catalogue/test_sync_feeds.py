"""A sync with a feed reads only what may have changed, and fetches only what is new."""

import gzip
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from memory_store import MemoryStore
from perfectlook.catalogue import Catalogue, Record, SyncReport
from perfectlook.errors import (
    CatalogueError,
    CatalogueInUseError,
    FeedError,
    FetchError,
    PerfectLookError,
    UsageError,
)
from perfectlook.feeds import Feed, PictureCache
from perfectlook.fetching import FetchLimits
from perfectlook.files import cache_folder
from perfectlook.stores import Point
from toy_model import BAGS, SHOES, ToyModel
from web import Answer, Web, fail, serve, web, with_etag

MODEL, OTHER = ToyModel(), ToyModel(seed=1)
LIMITS = FetchLimits(allow_private=True, seconds=5, tries=1)


class Shop:
    """A feed of eight products with pictures next to it or on a server, and its catalogue."""

    def __init__(self, folder: Path, server: Web | None) -> None:
        self.folder = folder / "shop"
        self.catalogue_folder = folder / "catalogue"
        self.server = server
        drawn = drawn_set(folder / "drawn", scenes=1, products_per_category=4)
        listed = json.loads((drawn / "categories.json").read_text(encoding="utf-8"))
        shutil.copytree(drawn / "products", self.folder)
        self.rows = [
            {
                "id": id_[:4],
                "title": f"title {n}",
                "category": category,
                "image_link": self.image(f"{id_}.jpg"),
            }
            for n, (id_, category) in enumerate(sorted(listed.items()))
        ]

    def image(self, name: str) -> str:
        """Return the path of the picture with this name."""
        if self.server is None:
            return name
        self.server.answers[f"/{name}"] = with_etag((self.folder / name).read_bytes(), '"1"')
        return self.server.url(f"/{name}")

    def picture(self, place: int) -> Path:
        return self.folder / self.rows[place]["image_link"].rpartition("/")[2]

    def sync(self, model: ToyModel = MODEL, **options: object) -> SyncReport:
        feed = self.folder / "feed.jsonl"
        feed.write_text("\n".join(json.dumps(row) for row in self.rows), encoding="utf-8")
        source = Feed(feed, PictureCache.of(self.catalogue_folder, LIMITS))
        with Catalogue.open(self.catalogue_folder, create=True) as catalogue:
            return catalogue.sync(source, model, workers=1, **options)  # type: ignore[arg-type]

    def points(self) -> dict[str, Point]:
        with Catalogue.open(self.catalogue_folder) as catalogue:
            return {point.id: point for batch in catalogue.store.scroll() for point in batch}

    def fetched(self) -> list[Path]:
        return sorted((self.catalogue_folder / "pictures").glob("*/*.jpg"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, None)


@pytest.fixture
def online(tmp_path: Path) -> Iterator[Shop]:
    with web() as server:
        yield Shop(tmp_path, server)


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.deleted, report.unchanged, report.embedded


def rewritten_unnoticed(picture: Path, other: Path) -> None:
    """Replace a picture by another one with the same size and modification time."""
    status = picture.stat()
    content = other.read_bytes()
    smaller, larger = sorted((len(content), status.st_size))
    picture.write_bytes(content + b"\0" * (larger - smaller) if len(content) < status.st_size else content)
    os.truncate(picture, status.st_size)
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_second_sync_does_nothing(shop: Shop) -> None:
    assert counts(shop.sync()) == (8, 0, 0, 0, 8)
    before = shop.points()
    report = shop.sync()
    assert counts(report) == (0, 0, 0, 8, 0)
    assert report.changes.changed == {}
    assert {id_: point.payload for id_, point in shop.points().items()} == {
        id_: point.payload for id_, point in before.items()
    }


def test_the_report_lists_what_changed_in_each_product(shop: Shop) -> None:
    shop.sync()
    ids = [row["id"] for row in shop.rows]
    shop.rows[0]["title"] = "another"
    shop.rows[1]["price"] = "49 EUR"
    shop.rows[2]["category"] = BAGS if shop.rows[2]["category"] == SHOES else SHOES
    shutil.copy(shop.picture(4), shop.picture(3))
    shop.rows.append({**shop.rows.pop(5), "id": "new"})
    report = shop.sync()
    assert counts(report) == (1, 4, 1, 3, 3)
    assert report.changes.added == ["new"]
    assert report.changes.deleted == [ids[5]]
    assert report.changes.changed == {
        ids[0]: ["record"],
        ids[1]: ["record"],
        ids[2]: ["category"],
        ids[3]: ["picture"],
    }
    assert shop.points()[ids[1]].payload["fields"] == {"price": "49.00 EUR"}


def test_empty_rows_prevent_no_deletion(shop: Shop) -> None:
    shop.sync()
    shop.rows[3:5] = [{}, {"id": "", "title": " "}]
    report = shop.sync()
    assert (counts(report), report.is_whole, report.failed) == ((0, 0, 2, 6, 0), True, [])


def test_a_short_feed_deletes_no_more_than_ten_products_or_a_share(shop: Shop) -> None:
    one = shop.rows[0]
    shop.rows += [{**one, "id": f"more {n}"} for n in range(8)]
    shop.sync()
    shop.rows = shop.rows[:5]
    with pytest.raises(CatalogueError, match=r"lacks 11 of the 16 .*pass --max-delete 69%\."):
        shop.sync()
    assert len(shop.points()) == 16
    foreseen = shop.sync(dry_run=True)
    assert foreseen.deleted == 11
    assert foreseen.refused.endswith("to delete them, pass --max-delete 69%.")
    assert shop.sync(dry_run=True, max_delete=0.69).refused == ""
    assert shop.sync(max_delete=0.69).deleted == 11
    shop.rows = shop.rows[:1]
    assert shop.sync().deleted == 4


def test_a_picture_of_the_same_size_and_time_is_read_only_with_verify(shop: Shop) -> None:
    shutil.copy(shop.picture(1), shop.folder / "other.jpg")
    shop.sync()
    rewritten_unnoticed(shop.picture(0), shop.folder / "other.jpg")
    assert counts(shop.sync()) == (0, 0, 0, 8, 0)
    report = shop.sync(verify=True)
    assert counts(report) == (0, 1, 0, 7, 1)
    assert report.changes.changed == {shop.rows[0]["id"]: ["picture"]}


def test_a_new_modification_time_alone_is_not_a_change(shop: Shop) -> None:
    shop.sync()
    os.utime(shop.picture(0), ns=(1, 10**18))
    assert counts(shop.sync()) == (0, 0, 0, 8, 0)
    record = Record.from_payload("", shop.points()[shop.rows[0]["id"]].payload)
    assert record.stamp.startswith(f"c{shop.picture(0).stat().st_size}-{10**18}-")


def test_catalogues_without_stamps_get_stamps(shop: Shop) -> None:
    shop.sync()
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        payloads = {id_: dict(point.payload) for id_, point in shop.points().items()}
        for payload in payloads.values():
            del payload["stamp"]
        catalogue.store.set_payloads(payloads)
    assert counts(shop.sync()) == (0, 0, 0, 8, 0)
    assert all(point.payload["stamp"] for point in shop.points().values())


def test_problems_of_rows_are_reported_every_time(shop: Shop) -> None:
    shop.rows[0]["price"] = "cheap"
    assert counts(shop.sync()) == (8, 0, 0, 0, 8)
    report = shop.sync()
    assert counts(report) == (0, 0, 0, 8, 0)
    assert "price is left out" in report.failed[0].reason


def test_the_first_row_of_an_id_is_used(shop: Shop) -> None:
    for _ in range(2):
        shop.rows.append({**shop.rows[0], "title": "again"})
        report = shop.sync()
        assert report.failed[0].where == f"{shop.folder / 'feed.jsonl'}, line 9"
        assert shop.points()[shop.rows[0]["id"]].payload["title"] == "title 0"


def test_a_feed_can_move_with_its_pictures(shop: Shop) -> None:
    shop.sync()
    shop.folder = shop.folder.rename(shop.folder.with_name("moved"))
    report = shop.sync()
    assert (counts(report), set(map(tuple, report.changes.changed.values()))) == (
        (0, 8, 0, 0, 0),
        {("record",)},
    )
    assert all("moved" in str(point.payload["picture"]) for point in shop.points().values())


def test_malformed_rows_keep_their_products(shop: Shop) -> None:
    shop.sync()
    del shop.rows[0]["category"]
    shop.rows[1]["image_link"] = ""
    report = shop.sync()
    assert counts(report) == (0, 0, 0, 8, 0)
    assert (report.kept, report.is_whole) == (2, True)
    assert [problem.where for problem in report.failed] == [
        f"{shop.folder / 'feed.jsonl'}, line {line}" for line in (1, 2)
    ]


def test_a_row_without_an_id_deletes_nothing(shop: Shop) -> None:
    shop.sync()
    shop.rows[0]["id"] = ""
    del shop.rows[1]
    report = shop.sync()
    assert (counts(report), report.is_whole, report.kept) == ((0, 0, 0, 8, 0), False, 2)


def test_a_feed_that_cannot_be_read_changes_nothing(shop: Shop) -> None:
    shop.sync()
    before = shop.points().keys()
    (shop.folder / "feed.csv").write_bytes(b"id,title,image_link,category\n9,caf\xe9,9.jpg,A\n")
    with (
        Catalogue.open(shop.catalogue_folder) as catalogue,
        pytest.raises(FeedError, match="line 2: byte 6"),
    ):
        catalogue.sync(shop.folder / "feed.csv", MODEL)
    assert shop.points().keys() == before


def test_pictures_are_fetched_once(online: Shop) -> None:
    assert online.server is not None
    assert counts(online.sync()) == (8, 0, 0, 0, 8)
    assert len(online.server.asked) == 8
    shown = {Path(str(point.payload["picture"])) for point in online.points().values()}
    assert shown == set(online.fetched())
    assert counts(online.sync()) == (0, 0, 0, 8, 0)
    online.rows[0]["title"] = "another"
    assert counts(online.sync()) == (0, 1, 0, 7, 0)
    assert counts(online.sync(OTHER)) == (0, 0, 0, 8, 8)
    assert len(online.server.asked) == 8


def test_a_new_link_is_fetched_and_the_old_picture_is_removed(online: Shop) -> None:
    assert online.server is not None
    online.sync()
    shutil.copy(online.folder / online.picture(1).name, online.folder / "other.jpg")
    online.rows[0]["image_link"] = online.image("other.jpg")
    gone = online.rows.pop()
    before = online.fetched()
    assert counts(online.sync()) == (0, 1, 1, 6, 1)
    assert online.server.paths[8:] == ["/other.jpg"]
    assert len(online.fetched()) == 7
    assert len(set(before) - set(online.fetched())) == 2
    online.rows.append(gone)
    online.sync()
    assert len(online.server.asked) == 10


def test_a_shared_picture_stays_until_its_last_product_is_deleted(online: Shop) -> None:
    online.rows[1]["image_link"] = online.rows[0]["image_link"]
    online.sync()
    assert len(online.fetched()) == 7
    del online.rows[0]
    online.sync()
    assert len(online.fetched()) == 7


def test_verify_asks_the_servers(online: Shop) -> None:
    assert online.server is not None
    online.sync()
    assert counts(online.sync(verify=True)) == (0, 0, 0, 8, 0)
    assert [headers.get("if-none-match") for _, headers in online.server.asked[8:]] == ['"1"'] * 8
    name = online.picture(0).name
    online.server.answers[f"/{name}"] = with_etag(online.picture(1).read_bytes(), '"2"')
    report = online.sync(verify=True)
    assert report.changes.changed == {online.rows[0]["id"]: ["picture"]}
    online.server.answers[f"/{name}"] = fail(404)
    report = online.sync(verify=True)
    assert (counts(report), report.kept) == ((0, 0, 0, 8, 0), 1)
    assert "answered 404 Not Found" in report.failed[0].reason


def test_a_failed_fetch_is_reported_and_repeated_by_the_next_sync(online: Shop) -> None:
    assert online.server is not None
    name = online.picture(0).name
    online.server.answers[f"/{name}"] = fail(500)
    report = online.sync()
    assert counts(report) == (7, 0, 0, 0, 7)
    assert [problem.item for problem in report.failed] == [online.rows[0]["id"]]
    online.server.answers[f"/{name}"] = serve(online.picture(0).read_bytes())
    assert counts(online.sync()) == (1, 0, 0, 7, 1)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files except those that SQLite makes for readers."""
    files = (
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    )
    return {str(path): path.read_bytes() for path in files}


def test_a_dry_run_reports_and_changes_nothing(online: Shop) -> None:
    assert online.server is not None
    first = online.sync(dry_run=True)
    assert (counts(first), first.switched, first.dry_run) == ((8, 0, 0, 0, 8), True, True)
    online.sync()
    online.rows[0]["title"] = "another"
    shutil.copy(online.picture(2), online.folder / "other.jpg")
    online.rows[1]["image_link"] = online.image("other.jpg")
    gone = online.rows.pop()["id"]
    before, points, asked = contents(online.catalogue_folder), online.points(), len(online.server.asked)
    report = online.sync(dry_run=True)
    assert counts(report) == (0, 2, 1, 5, 1)
    assert report.changes.changed == {
        online.rows[0]["id"]: ["record"],
        online.rows[1]["id"]: ["picture", "record"],
    }
    assert report.changes.deleted == [gone]
    assert counts(online.sync(OTHER, dry_run=True)) == (0, 2, 1, 5, 7)
    assert counts(online.sync(recentre=True, dry_run=True)) == (0, 2, 1, 5, 7)
    assert contents(online.catalogue_folder) == before
    assert {id_: point.payload for id_, point in online.points().items()} == {
        id_: point.payload for id_, point in points.items()
    }
    assert len(online.server.asked) == asked
    done = online.sync()
    assert (counts(done), done.changes) == (counts(report), report.changes)


def test_recentring_moves_centres_and_vectors_in_one_step(shop: Shop) -> None:
    rest = [shop.rows.pop() for _ in range(3)]
    shop.sync()
    shop.rows += rest
    shop.sync()
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        frozen = catalogue.generation()
    before = shop.points()
    report = shop.sync(recentre=True)
    assert (counts(report), report.switched) == ((0, 0, 0, 8, 8), True)
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        moved = catalogue.generation()
        assert catalogue.store.collections().keys() == {frozen.collection, moved.collection}
        assert moved.collection != frozen.collection
        with Catalogue(MemoryStore()) as whole:  # as if the first sync had all products
            whole.sync(shop.folder / "feed.jsonl", MODEL)
            expected = whole.generation()
            for point in next(whole.store.scroll()):
                np.testing.assert_allclose(shop.points()[point.id].vector, point.vector, atol=1e-6)
    for category in (SHOES, BAGS):
        np.testing.assert_allclose(moved.centres[category], expected.centres[category], atol=1e-6)
    assert any(not np.allclose(moved.centres[name], frozen.centres[name]) for name in (SHOES, BAGS))
    assert {id_: point.payload for id_, point in shop.points().items()} == {
        id_: point.payload for id_, point in before.items()
    }


def test_a_plain_sync_drops_an_interrupted_recentring(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.sync()
    with monkeypatch.context() as patch:
        patch.setattr("perfectlook.catalogue.sync._finish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shop.sync(recentre=True)
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        assert len(catalogue.store.collections()) == 2
        assert catalogue.count() == 8
    assert counts(shop.sync()) == (0, 0, 0, 8, 0)
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        assert len(catalogue.store.collections()) == 1


def test_a_second_sync_waits_for_the_first_or_names_it(shop: Shop) -> None:
    shop.sync()
    with Catalogue.open(shop.catalogue_folder) as other:
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with other.store.hold("catalogue sync, the nightly sync"):
                held.set()
                done.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        for wait in (0.0, 0.3):
            with pytest.raises(CatalogueInUseError, match="the nightly sync"):
                shop.sync(wait=wait)
        threading.Timer(0.3, done.set).start()
        assert counts(shop.sync(wait=10)) == (0, 0, 0, 8, 0)
        thread.join()


def test_records_of_another_program_give_an_error(shop: Shop) -> None:
    shop.sync()
    with Catalogue.open(shop.catalogue_folder) as catalogue:
        catalogue.store.set_payloads({shop.rows[0]["id"]: {"title": "x"}})
    with pytest.raises(CatalogueError, match=r"no hashes in its record \(another program has written it"):
        shop.sync()


class ShopOnTheWeb:
    """A feed of four products at a URL, with its pictures next to it."""

    def __init__(self, server: Web, folder: Path) -> None:
        self.server = server
        drawn = drawn_set(folder / "drawn", scenes=1, products_per_category=2)
        for picture in (drawn / "products").iterdir():
            server.answers[f"/feeds/{picture.name}"] = serve(picture.read_bytes())
        listed = json.loads((drawn / "categories.json").read_text(encoding="utf-8"))
        self.rows = [f'{id_},"{category}",{id_}.jpg' for id_, category in listed.items()]
        self.url = server.url("/feeds/shop.csv?key=1")
        self.catalogue = folder / "catalogue"
        self.offer()

    def offer(self, **headers: str) -> None:
        content = "\n".join(["id,category,image_link", *self.rows]).encode()
        self.server.answers["/feeds/shop.csv?key=1"] = serve(content, **headers)

    def sync(self, **options: object) -> SyncReport:
        options = {"allow_private": True, "workers": 1, **options}
        with Catalogue.open(self.catalogue, create=True) as catalogue:
            return catalogue.sync(self.url, MODEL, **options)  # type: ignore[arg-type]


@pytest.fixture
def on_the_web(server: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShopOnTheWeb:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return ShopOnTheWeb(server, tmp_path)


def test_a_feed_at_a_url_is_a_source(on_the_web: ShopOnTheWeb, tmp_path: Path) -> None:
    shop = on_the_web
    assert counts(shop.sync()) == (4, 0, 0, 0, 4)
    asked = len(shop.server.asked)
    assert counts(shop.sync()) == (0, 0, 0, 4, 0)
    assert shop.server.paths[asked:] == ["/feeds/shop.csv?key=1"]  # only the feed is fetched again
    del shop.rows[0]
    shop.rows.append("new,Furniture|Chairs,")
    shop.offer()
    report = shop.sync()
    assert counts(report) == (0, 0, 1, 3, 0)
    assert [problem.where for problem in report.failed] == [f"{shop.url}, line 5"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_unchanged_feed_is_not_sent_again(on_the_web: ShopOnTheWeb, tmp_path: Path) -> None:
    shop = on_the_web
    path = "/feeds/shop.csv?key=1"
    body = "\n".join(["id,category,image_link", *shop.rows]).encode()
    shop.server.answers[path] = with_etag(gzip.compress(body), '"1"')
    assert counts(shop.sync()) == (4, 0, 0, 0, 4)
    assert counts(shop.sync()) == (0, 0, 0, 4, 0)
    asked = [
        {name.lower(): value for name, value in headers.items()}
        for at, headers in shop.server.asked
        if at == path
    ]
    assert [headers.get("if-none-match") for headers in asked] == [None, '"1"']
    shop.server.answers[path] = with_etag(b"\n".join(body.splitlines()[:-1]), '"2"')
    assert counts(shop.sync()) == (0, 0, 1, 3, 0)
    kept = cache_folder() / "feeds"
    (file,) = (each for each in kept.iterdir() if each.suffix != ".json")
    file.unlink()  # without the file, its validators are not used
    assert counts(shop.sync()) == (0, 0, 0, 3, 0)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_pictures_of_a_fetched_feed_are_never_files_of_this_machine(on_the_web: ShopOnTheWeb) -> None:
    shop, secret = on_the_web, on_the_web.catalogue.parent / "drawn" / "products"
    (picture, *_) = secret.iterdir()
    shop.rows = [*shop.rows[:1], f"a,Chairs,{picture}", f"b,Chairs,file://{picture}", "c,Chairs,x:/../d.jpg"]
    shop.offer()
    report = shop.sync(allow_outside=True)
    assert report.added == 1
    assert sorted(problem.item for problem in report.failed) == ["a", "b", "c"]


def test_the_media_type_or_the_option_gives_the_format_of_a_fetched_feed(on_the_web: ShopOnTheWeb) -> None:
    shop = on_the_web
    shop.url = shop.server.url("/export")
    shop.server.answers["/export"] = shop.server.answers["/feeds/shop.csv?key=1"]
    assert shop.sync(dry_run=True).added == 4  # by its content
    assert shop.sync(format="csv", dry_run=True).added == 4
    shop.offer(content_type="text/csv; charset=utf-8")
    shop.server.answers["/export"] = shop.server.answers["/feeds/shop.csv?key=1"]
    assert shop.sync(dry_run=True).added == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fail(404), r"/shop\.csv\?key=1: answered 404 Not Found\. Correct the link"),
        (serve(b"nothing\n1\n"), r"/shop\.csv\?key=1: no column 'id' \(it has nothing\)\. Name the column"),
        (serve(b"id\ncaf\xe9"), r"/shop\.csv\?key=1, line 2: byte 4 .* Save the file as UTF-8"),
    ],
)
def test_a_fetched_feed_that_cannot_be_read_changes_nothing(
    on_the_web: ShopOnTheWeb, answer: Answer, reason: str, tmp_path: Path
) -> None:
    shop = on_the_web
    shop.sync()
    shop.server.answers["/feeds/shop.csv?key=1"] = answer
    with pytest.raises(PerfectLookError, match=reason):
        shop.sync()
    with Catalogue.open(shop.catalogue) as catalogue:
        assert catalogue.count() == 4
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_feed_at_a_private_address_is_rejected_unless_allowed(on_the_web: ShopOnTheWeb) -> None:
    with pytest.raises(FetchError, match=r"not on the public internet.*Pass --allow-private"):
        on_the_web.sync(allow_private=False)


@pytest.mark.parametrize("url", ["ftp://shop.example/feed.csv", "file:///etc/passwd", "http://[/feed.csv"])
def test_only_http_urls_are_fetched(url: str, tmp_path: Path) -> None:
    with (
        Catalogue.open(tmp_path / "catalogue", create=True) as catalogue,
        pytest.raises(UsageError, match=r"expected http:// or https://, got|not a URL"),
    ):
        catalogue.sync(url, MODEL)  # type: ignore[arg-type]
