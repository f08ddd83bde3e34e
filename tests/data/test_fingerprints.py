import hashlib
import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from drawn import drawn_set
from perfectlook import colours
from perfectlook.data import fingerprints as module
from perfectlook.data.fingerprints import Fingerprint, fingerprints, forget, groups_within, hashes_of, within
from perfectlook.errors import FeatureError
from perfectlook.images import dhash, open_picture
from perfectlook.types import ByteArray


def picture(path: Path, width: int = 40, height: int = 30, *, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_fingerprint_has_hash_size_and_difference_hash(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 40, 30)
    found, failed = fingerprints([path])
    assert not failed
    assert found == {
        path: Fingerprint(
            hashlib.sha256(path.read_bytes()).hexdigest(),
            40,
            30,
            dhash(open_picture(path)).tobytes(),
            colours.write(colours.swatches(open_picture(path), product=True)),
        )
    }
    assert len(found[path].dhash) == 32


def test_the_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    found, _ = fingerprints([path])
    assert (found[path].width, found[path].height) == (30, 40)


def test_unreadable_pictures_are_reported_with_the_reason(tmp_path: Path) -> None:
    good = picture(tmp_path / "good.png")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    text = tmp_path / "text.jpg"
    text.write_text("hello")
    missing = tmp_path / "missing.jpg"
    found, failed = fingerprints([empty, good, text, missing])
    assert list(found) == [good]
    assert failed.keys() == {empty, text, missing}
    assert failed[empty].startswith("empty (0 bytes)")
    assert failed[text].startswith("not a picture")
    assert failed[missing].startswith("no such file")


def test_a_picture_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, bad = picture(tmp_path / "a.png"), tmp_path / "bad.png"
    bad.touch()
    opened: list[Path] = []

    def counted(source: Path) -> Image.Image:
        opened.append(source)
        return open_picture(source)

    monkeypatch.setattr(module, "open_picture", counted)
    cache = tmp_path / "cache" / "prints.sqlite"
    first, _ = fingerprints([path, path, bad], cache=cache, workers=1)
    assert opened == [path, bad]
    again, failed = fingerprints([path, bad], cache=cache, workers=1)
    assert again == first
    assert failed.keys() == {bad}
    assert opened == [path, bad, bad]  # failures are tried again


def test_a_changed_picture_is_read_again(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", seed=1)
    before, _ = fingerprints([path])
    times = path.stat()
    picture(path, seed=2)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    after, _ = fingerprints([path])
    assert before[path].sha256 != after[path].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_batches_cover_all_pictures_and_report_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    paths = [picture(tmp_path / f"{seed}.png", seed=seed) for seed in range(4)]
    bad = tmp_path / "bad.png"
    bad.touch()
    told: list[tuple[int, int, int]] = []
    found, failed = fingerprints(
        [*paths[:1], bad, *paths[1:]], progress=lambda *state: told.append(state), workers=2
    )
    assert list(found) == paths
    assert list(failed) == [bad]
    assert told == [(2, 5, 1), (4, 5, 1), (5, 5, 1)]


def test_an_interrupted_run_keeps_its_fingerprints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    paths = [picture(tmp_path / f"{seed}.png", seed=seed) for seed in range(4)]
    cache = tmp_path / "prints.sqlite"

    def stop(done: int, total: int, failed: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fingerprints(paths, cache=cache, progress=stop)
    with closing(sqlite3.connect(cache)) as store:
        assert store.execute("SELECT count(*) FROM fingerprints_2").fetchone() == (2,)
    assert list(fingerprints(paths, cache=cache)[0]) == paths


def test_a_damaged_cache_is_replaced(tmp_path: Path) -> None:
    path, cache = picture(tmp_path / "a.png"), tmp_path / "prints.sqlite"
    cache.write_bytes(b"this is no database" * 100)
    assert fingerprints([path], cache=cache)[0].keys() == {path}
    assert fingerprints([path], cache=cache)[0].keys() == {path}


@pytest.mark.parametrize("work", ["look up", "keep", "forget"])
def test_a_cache_with_damage_found_later_is_replaced(work: str, tmp_path: Path) -> None:
    path, cache = picture(tmp_path / "a.png"), tmp_path / "prints.sqlite"
    expected, _ = fingerprints([path], cache=cache)
    content = bytearray(cache.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # the first page stays valid
    cache.write_bytes(content)
    if work == "forget":
        forget([path], cache=cache)
    other = picture(tmp_path / "b.png", seed=1)
    wanted = [other] if work == "keep" else [path]
    assert list(fingerprints(wanted, cache=cache)[0]) == wanted
    assert fingerprints([path], cache=cache)[0] == expected


def test_a_forgotten_picture_is_read_again(tmp_path: Path) -> None:
    one, other = picture(tmp_path / "a.bmp", seed=1), picture(tmp_path / "b.bmp", seed=2)
    before, _ = fingerprints([one, other])
    times = one.stat()
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time
    assert fingerprints([one])[0][one] == before[one]
    forget([one])
    assert fingerprints([one])[0][one] == before[other]


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "prints.sqlite"
    with pytest.raises(FeatureError, match="PERFECTLOOK_CACHE") as raised:
        fingerprints([picture(tmp_path / "a.png")], cache=cache)
    assert str(cache) in str(raised.value)


def test_errors_of_the_caller_are_raised_unchanged(tmp_path: Path) -> None:
    def broken(done: int, total: int, failed: int) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        fingerprints([picture(tmp_path / "a.png")], progress=broken)


def flipped(row: ByteArray, bits: list[int]) -> ByteArray:
    unpacked = np.unpackbits(row)
    unpacked[bits] ^= 1
    return np.packbits(unpacked)


def test_within_counts_differing_bits() -> None:
    zero = np.zeros(32, dtype=np.uint8)
    hashes = np.stack([zero, flipped(zero, [0, 100, 255]), ~zero, flipped(zero, [7])])
    assert within(hashes, 0) == []
    assert within(hashes, 1) == [(0, 3)]
    assert within(hashes, 3) == [(0, 1), (0, 3)]
    assert within(hashes, 4) == [(0, 1), (0, 3), (1, 3)]
    assert within(hashes, 256) == list(itertools.combinations(range(4), 2))


def brute_force(hashes: ByteArray, bits: int) -> list[tuple[int, int]]:
    rows = [int.from_bytes(row.tobytes()) for row in hashes]
    pairs = itertools.combinations(range(len(rows)), 2)
    return [(i, j) for i, j in pairs if (rows[i] ^ rows[j]).bit_count() <= bits]


@given(
    arrays(np.uint8, st.tuples(st.integers(0, 12), st.just(32)), elements=st.sampled_from([0, 1, 3, 255])),
    st.integers(0, 256),
)
def test_within_finds_what_brute_force_finds(hashes: ByteArray, bits: int) -> None:
    assert within(hashes, bits) == brute_force(hashes, bits)


def test_within_finds_pairs_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    seeds = random.integers(0, 256, (12, 32), dtype=np.uint8)
    hashes = np.stack(
        [flipped(seeds[random.integers(12)], list(random.choice(256, 6, replace=False))) for _ in range(150)]
    )
    monkeypatch.setattr(module, "BLOCK", 16)
    found = within(hashes, 10)
    assert found == brute_force(hashes, 10)
    assert len(found) > 50


def test_groups_are_chains_of_near_rows() -> None:
    zero = np.zeros(32, dtype=np.uint8)
    hashes = np.stack(
        [
            ~zero,
            zero,
            flipped(zero, list(range(10))),  # 10 bits from the one before
            flipped(zero, list(range(20))),  # 10 bits further, 20 from the first
            flipped(zero, list(range(100, 150))),
            ~zero,
        ]
    )
    assert groups_within(hashes, 10) == [[0, 5], [1, 2, 3]]
    assert groups_within(hashes, 9) == [[0, 5]]


def test_no_hashes_give_no_groups() -> None:
    assert groups_within(hashes_of([]), 10) == []


def test_one_picture_under_very_many_ids_is_one_group() -> None:
    same = np.zeros((50_000, 32), dtype=np.uint8)  # over a thousand million pairs
    assert groups_within(same, 10) == [list(range(50_000))]


@settings(max_examples=50)
@given(
    arrays(np.uint8, st.tuples(st.integers(0, 10), st.just(32)), elements=st.sampled_from([0, 1, 3])),
    st.integers(0, 40),
)
def test_every_near_pair_shares_a_group(hashes: ByteArray, bits: int) -> None:
    groups = groups_within(hashes, bits)
    group_of = {row: number for number, group in enumerate(groups) for row in group}
    assert all(len(group) > 1 for group in groups)
    for i, j in brute_force(hashes, bits):
        assert group_of[i] == group_of[j]


def test_drawn_scenes_have_no_twins(tmp_path: Path) -> None:
    drawn = drawn_set(tmp_path, scenes=40, products_per_category=4)
    found, failed = fingerprints((drawn / "scenes").iterdir())
    assert len(found) == 40
    assert not failed
    assert within(hashes_of(list(found.values())), 10) == []
