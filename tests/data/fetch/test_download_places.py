"""Where files are asked for."""

import json
from hashlib import sha1
from pathlib import Path

import pytest

from perfectlook.data.fetch import PUBLIC_SETS
from perfectlook.data.fetch.download import (
    LISTING,
    Blob,
    FetchPolicy,
    FolderPlace,
    WebPlace,
    blob_sha,
    place_of,
    read_listing,
)
from perfectlook.errors import DatasetError, FetchError, UsageError

HELLO = "ce013625030ba8dba906f756967f9e9ca394464a"  # `echo hello | git hash-object --stdin`


def test_a_files_hash_is_that_of_git():
    assert blob_sha(b"hello\n") == HELLO == sha1(b"blob 6\0hello\n", usedforsecurity=False).hexdigest()


def test_the_longest_root_decides_and_names_are_quoted():
    place = WebPlace(
        {"": "https://a.test/x/", "p/": "https://b.test/", LISTING: "https://c.test/?q"}, FetchPolicy()
    )
    assert place.address("a.json") == "https://a.test/x/a.json"
    assert place.address("p/a b#1?.jpg") == "https://b.test/p/a%20b%231%3F.jpg"
    assert place.address(LISTING) == "https://c.test/?q"
    place.close()


def test_a_folder_lists_what_is_in_it(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.txt").write_bytes(b"hello\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("")
    listing = tmp_path / "listing"
    listing.write_bytes(FolderPlace(tmp_path).read(LISTING))
    assert read_listing(listing) == {"a/b/x.txt": Blob(6, HELLO)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not a list of files"),
        ("[]", "not a list of files"),
        ('{"message": "API rate limit exceeded"}', "not a list of files"),
        ('{"tree": [{"path": "a", "size": 1}]}', "not a list of files"),
        ('{"tree": [], "truncated": true}', "truncated the list"),
    ],
)
def test_other_content_than_a_list_is_an_error(tmp_path: Path, text: str, reason: str):
    (tmp_path / "tree.json").write_text(text)
    with pytest.raises(DatasetError, match=reason):
        read_listing(tmp_path / "tree.json")


def test_folders_and_links_in_a_listing_are_left_out(tmp_path: Path):
    entries = [
        {"path": "images", "type": "tree", "sha": "1"},
        {"path": "images/a.jpg", "type": "blob", "size": 7, "sha": "2"},
        {"path": "sub", "type": "commit", "sha": "3"},
    ]
    (tmp_path / "tree.json").write_text(json.dumps({"tree": entries}))
    assert read_listing(tmp_path / "tree.json") == {"images/a.jpg": Blob(7, "2")}


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("nowhere", "no such folder"),
        ("ftp://a.test/", "Name a folder, or an http"),
        ("http:///x", "Name a folder, or an http"),
        ("http://a.test/?q=1", "without \\? and #"),
    ],
)
def test_an_invalid_mirror_is_a_usage_error(mirror: str, reason: str):
    with pytest.raises(UsageError, match=reason):
        place_of(mirror, {}, FetchPolicy())


def test_a_missing_file_of_a_folder_is_a_404(tmp_path: Path):
    with pytest.raises(FetchError, match=r"no such file\. Check the mirror") as raised:
        FolderPlace(tmp_path).read("a.jpg")
    assert raised.value.status == 404
    with pytest.raises(FetchError, match="cannot be read"):
        FolderPlace(tmp_path).read(".")


def test_every_source_has_urls_and_terms():
    for name, source in PUBLIC_SETS.items():
        assert source.name == name
        assert "" in source.roots
        assert all(url.startswith("https://") for url in source.roots.values())
        assert all((source.licence, source.terms.endswith("."), source.size, source.home))


@pytest.mark.parametrize(
    ("mirror", "allowed"), [("http://127.0.0.1:9/m", True), ("http://93.184.215.14/m/", False)]
)
def test_only_a_mirror_on_a_private_address_may_lead_to_one(mirror: str, allowed: bool):
    place = place_of(mirror, {}, FetchPolicy())
    assert isinstance(place, WebPlace)
    assert place.address("a/b.json") == f"{mirror.rstrip('/')}/a/b.json"
    assert place._fetcher._limits.allow_private is allowed
    place.close()
