"""A feed as a source: where its pictures lie, and where they may not."""

from pathlib import Path

import pytest

from perfectlook.catalogue.picture_cache import PictureCache
from perfectlook.catalogue.sources import FeedSource, open_source
from perfectlook.types import Product


def source_of(folder: Path, *images: str, **options: object) -> FeedSource:
    lines = ["id,title,image_link,category", *(f"{n},T,{image},Chairs" for n, image in enumerate(images))]
    (folder / "feed.csv").write_text("\n".join(lines), encoding="utf-8")
    return FeedSource(folder / "feed.csv", PictureCache(folder / "cache"), **options)  # type: ignore[arg-type]


def test_pictures_count_from_the_feeds_folder(tmp_path: Path) -> None:
    source = source_of(tmp_path, "1.jpg", "in/2.jpg", "in/../3.jpg", str(tmp_path / "4.jpg"))
    assert [product.picture for product in source.products()] == [
        tmp_path / "1.jpg",
        tmp_path / "in" / "2.jpg",
        tmp_path / "3.jpg",
        tmp_path / "4.jpg",
    ]
    assert (source.problems, source.unavailable) == ([], frozenset())
    assert source.cache.absent([tmp_path / "1.jpg"]) == []


def test_pictures_do_not_lie_outside_unless_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    images = ["../secret.jpg", "/etc/passwd", "in/../../x.jpg", "../feed-other/x.jpg"]
    source = source_of(folder, *images)
    assert list(source.products()) == []
    assert [problem.reason for problem in source.problems] == [
        f"{image}: lies outside the feed's folder, which only --allow-outside allows" for image in images
    ]
    assert source.unavailable == {"0", "1", "2", "3"}
    assert len(list(source_of(folder, *images, allow_outside=True).products())) == 4


def test_pictures_at_urls_are_in_the_cache(tmp_path: Path) -> None:
    source = source_of(tmp_path, "https://shop.example/1.jpg", "HTTP://shop.example/2.jpg")
    pictures = [product.picture for product in source.products()]
    assert all(picture.is_relative_to(tmp_path / "cache") for picture in pictures)
    assert source.cache.absent(pictures) == pictures


@pytest.mark.parametrize("image", ["ftp://shop.example/1.jpg", "file:///etc/passwd", "//cdn.example/1.jpg"])
def test_other_schemes_are_refused(image: str, tmp_path: Path) -> None:
    source = source_of(tmp_path, image)
    assert list(source.products()) == []
    assert source.problems[0].reason == f"{image}: only http:// and https:// are fetched; correct the link"
    assert source.problems[0].where == f"{tmp_path / 'feed.csv'}, row 2"


def test_a_feed_opens_by_its_name_or_its_format(tmp_path: Path) -> None:
    source_of(tmp_path, "1.jpg")
    assert isinstance(open_source(tmp_path / "feed.csv"), FeedSource)
    (tmp_path / "feed.csv").rename(tmp_path / "feed.export")
    opened = open_source(tmp_path / "feed.export", format="csv")
    assert list(opened.products()) == [Product("0", "Chairs", tmp_path / "1.jpg", "T")]
