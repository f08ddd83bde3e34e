import dataclasses
import hashlib
import os
import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import worker_starts
from perfectlook import backbones
from perfectlook.backbones import FeatureBatch, open_backbone
from perfectlook.data.fingerprints import fingerprints
from perfectlook.errors import BackboneError, FeatureError
from perfectlook.features import extraction
from perfectlook.features.extraction import (
    ExtractionReport,
    Task,
    features_of,
    open_extractor,
    to_float16,
)
from perfectlook.features.store import FeatureStore, StoreManifest, ViewKey, open_store
from perfectlook.images import open_picture
from perfectlook.types import Rectangle, View


@pytest.fixture
def many_workers(monkeypatch):
    """Start worker processes even for a few pictures."""
    monkeypatch.setattr(extraction, "VIEWS_WORTH_A_WORKER", 1)
    monkeypatch.setattr(extraction, "VIEWS_PER_TASK", 3)


def key(view: View) -> ViewKey:
    content = view.picture.read_bytes() if view.picture.is_file() else b""
    return ViewKey.of(hashlib.sha256(content).hexdigest(), view.crop)


def extract(views, backbone: str, store: FeatureStore | None = None, **options) -> ExtractionReport:
    """Extract views with the current hashes of their files, by default into the store of the backbone."""
    with open_store(backbone) if store is None else nullcontext(store) as opened:
        return extraction.extract({view: key(view) for view in views}, backbone, opened, **options)


def stored(views: list[View], store: FeatureStore, *, maps: bool = True) -> list[bytes]:
    """Return every stored value of these views."""
    found = store.read([key(view) for view in views], maps=maps)
    parts = [found.global_vectors, found.style_statistics, *([found.feature_maps] if maps else [])]
    return [part.tobytes() for part in parts]


def direct(views: list[View]) -> list[bytes]:
    """Return the same values, computed by a plain loop."""
    backbone = open_backbone("tiny")
    rows = [
        backbone.extract(backbone.prepare(open_picture(view.picture, crop=view.crop, fit=28))[None])
        for view in views
    ]
    return [np.concatenate(part).astype(np.float16).tobytes() for part in zip(*rows, strict=True)]


def test_features_equal_a_plain_loop_and_are_extracted_once(draw):
    views = [View(picture) for picture in draw(20)]
    with open_store("tiny") as store:
        report = extract(views, "tiny", store, maps=True)
        assert (report.extracted, report.skipped, report.failures) == (20, 0, {})
        assert stored(views, store) == direct(views)
    report = extract(views[:5], "tiny", maps=True)  # the default store is the same one
    assert (report.extracted, report.skipped) == (0, 5)


def test_workers_give_the_same_features_as_one_process(draw, many_workers):
    crops = [None, Rectangle(0, 0, 60, 20), Rectangle(10, 10, 50, 40), Rectangle(5, 5, 20, 20)]
    views = [View(picture, crop) for picture in draw(9) for crop in crops]
    with open_store("tiny") as store:
        report = extract(views, "tiny", store, maps=True, workers=2)
        assert (report.extracted, report.failures) == (36, {})
        assert stored(views, store) == direct(views)


def test_one_picture_under_two_names_is_one_row(draw, tmp_path: Path):
    (picture,) = draw(1)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(picture.read_bytes())
    with open_store("tiny") as store:
        extract([View(picture), View(picture), View(copy)], "tiny", store, maps=False)
        assert len(store) == 1


def test_pictures_whose_features_are_stored_are_not_read_again(draw):
    views = [View(picture) for picture in draw(3)]
    keys = {view: key(view) for view in views}
    with open_store("tiny") as store:
        extraction.extract(keys, "tiny", store, maps=False)
        for view in views:
            view.picture.unlink()
        assert extraction.extract(keys, "tiny", store, maps=False).skipped == 3


def test_maps_can_be_added_later(draw):
    views = [View(picture) for picture in draw(4)]
    with open_store("tiny") as store:
        extract(views, "tiny", store, maps=False)
        assert extract(views, "tiny", store, maps=False).skipped == 4
        assert extract(views[:2], "tiny", store, maps=True).extracted == 2
        assert extract(views, "tiny", store, maps=True).skipped == 2
        assert len(store) == 4
        assert stored(views, store) == direct(views)


def spoil(picture: Path, how: str) -> None:
    content = picture.read_bytes()
    picture.unlink()
    if how == "empty":
        picture.touch()
    elif how == "truncated":
        picture.write_bytes(content[: len(content) // 2])
    elif how == "text":
        picture.write_text("<html>404 not found</html>")
    elif how == "folder":
        picture.mkdir()


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_pictures_are_reported_and_the_others_continue(draw, many_workers, workers: int):
    pictures = draw(20)
    bad = dict(zip(pictures[3:20:4], ["empty", "truncated", "text", "missing", "folder"], strict=True))
    for picture, how in bad.items():
        spoil(picture, how)
    told: list[tuple[int, int, int]] = []
    views = [View(picture) for picture in pictures]
    with open_store("tiny") as store:
        report = extract(
            views, "tiny", store, maps=True, workers=workers, progress=lambda *state: told.append(state)
        )
        good = [view for view in views if view.picture not in bad]
        assert stored(good, store) == direct(good)
    assert report.extracted == 15
    assert {view.picture for view in report.failures} == set(bad)
    words = {
        "empty": "empty",
        "truncated": "truncated",
        "text": "format",
        "missing": "cannot be read",
        "folder": "cannot be read",
    }
    for picture, how in bad.items():
        assert words[how] in report.failures[View(picture)]
    assert told[0] == (0, 20, 0)
    assert told[-1] == (20, 20, 5)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_a_picture_that_kills_its_worker_is_reported_and_the_others_continue(draw, many_workers, monkeypatch):
    monkeypatch.setattr(extraction, "open_extractor", worker_starts.deadly_extractor)
    pictures = draw(12)
    deadly = pictures[4].rename(pictures[4].with_name("deadly.jpg"))
    pictures[4] = deadly
    views = [View(picture) for picture in pictures]
    with open_store("tiny") as store:
        report = extract(views, "tiny", store, maps=True, workers=2)
        others = [view for view in views if view.picture != deadly]
        assert stored(others, store) == direct(others)
    assert report.extracted == 11
    ((view, reason),) = report.failures.items()
    assert view.picture == deadly
    assert "died" in reason


def test_killed_workers_are_replaced(draw, many_workers):
    views = [View(picture) for picture in draw(60)]
    killed: list[int | None] = []
    others = set(psutil.Process().children())  # a browser, and what decodes for servers of other tests

    def kill_one(done: int, total: int, failed: int) -> None:
        if done > 20 * len(killed) and len(killed) < 2:
            found = set(psutil.Process().children()) - others
            worker = next(each for each in found if each.pid not in killed)
            worker.kill()
            killed.append(worker.pid)

    with open_store("tiny") as store:
        report = extract(views, "tiny", store, maps=True, workers=2, progress=kill_one)
        assert len(killed) == 2
        assert (report.extracted, report.failures) == (60, {})
        assert stored(views, store) == direct(views)


def test_extraction_stops_if_every_worker_dies(draw, many_workers, monkeypatch):
    monkeypatch.setattr(extraction, "open_extractor", worker_starts.deadly_extractor)
    monkeypatch.setattr(extraction, "DEATHS_IN_A_ROW", 2)
    pictures = draw(9)
    deadly = [picture.rename(picture.with_name(f"deadly{picture.name}")) for picture in pictures[3:]]
    views = [View(picture) for picture in (*pictures[:3], *deadly)]
    with open_store("tiny") as store:
        with pytest.raises(FeatureError, match="3 workers in a row died"):
            extract(views, "tiny", store, maps=True, workers=2)
        assert stored(views[:3], store) == direct(views[:3])  # extracted features are kept


def test_a_full_disk_ends_the_run_and_keeps_stored_features(draw, monkeypatch):
    monkeypatch.setattr(extraction, "VIEWS_PER_COMMIT", 8)
    views = [View(picture) for picture in draw(32)]
    with open_store("tiny") as store:
        extract(views[:8], "tiny", store, maps=True)
        pages = store._index.execute("PRAGMA page_count").fetchone()[0]
        store._index.execute(f"PRAGMA max_page_count = {pages}")
        many = [View(view.picture, Rectangle(n, 0, n + 9, 9)) for view in views for n in range(4)]
        with pytest.raises(FeatureError, match="PERFECTLOOK_CACHE"):
            extract(many, "tiny", store, maps=True)
        assert stored(views[:8], store) == direct(views[:8])
    assert extract(many, "tiny", maps=True).failures == {}


@pytest.mark.parametrize("workers", [None, 2])
def test_an_unknown_backbone_is_refused_before_a_picture_is_read(workers: int | None, tmp_path: Path):
    absent = [View(tmp_path / f"{number}.jpg") for number in range(64)]
    with open_store("tiny") as store, pytest.raises(BackboneError, match="gigantic"):
        extract(absent, "gigantic", store, maps=False, workers=workers)


def test_a_gpu_uses_one_worker(monkeypatch):
    monkeypatch.setattr(backbones, "cuda_is_available", lambda: True)
    monkeypatch.setattr(extraction, "worker_count", lambda: 8)
    assert extraction._worker_count("efficientnet-lite2") == 1
    assert extraction._worker_count("efficientnet-lite2:bf16") == 8  # always OpenVINO's


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_of_another_backbone_is_refused(draw, many_workers, tmp_path: Path, workers: int):
    views = [View(picture) for picture in draw(9)]
    other = dataclasses.replace(StoreManifest.of(open_backbone("tiny")), identity="other-fp32-0123456789ab")
    with FeatureStore.open(other, tmp_path / "other") as store:
        with pytest.raises(FeatureError, match=r"tiny-fp32.*other-fp32"):
            extract(views, "tiny", store, maps=True, workers=workers)
        assert len(store) == 0


def test_a_replaced_picture_of_the_same_size_and_time_fails_once(
    tmp_path: Path,
):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (40, 30), "red").save(path)
    times = path.stat()
    fingerprints([path])
    Image.new("RGB", (40, 30), "blue").save(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run() -> ExtractionReport:
        found, _ = fingerprints([path])
        with open_store("tiny") as store:
            keys = {View(path): ViewKey.of(found[path].sha256, None)}
            return extraction.extract(keys, "tiny", store, maps=False)

    (reason,) = run().failures.values()
    assert "changed" in reason
    assert run().extracted == 1


def test_an_empty_extraction_works():
    told: list[tuple[int, int, int]] = []
    report = extract([], "tiny", maps=True, progress=lambda *state: told.append(state))
    assert (report.extracted, report.skipped, report.failures, told) == (0, 0, {}, [(0, 0, 0)])


def test_the_parent_process_keeps_few_features_in_memory(draw, many_workers, monkeypatch):
    monkeypatch.setattr(extraction, "VIEWS_PER_COMMIT", 10)
    appended: list[int] = []
    append = FeatureStore.append

    def count(self, keys, *arrays):
        appended.append(len(keys))
        append(self, keys, *arrays)

    monkeypatch.setattr(FeatureStore, "append", count)
    views = [View(picture) for picture in draw(40)]
    extract(views, "tiny", maps=True, workers=2)
    assert sum(appended) == 40
    assert max(appended) < 10 + extraction.VIEWS_PER_TASK


def test_memory_does_not_grow_with_the_number_of_pictures(draw):
    few = [View(picture) for picture in draw(16, size=(400, 400), folder="few")]
    many = [View(picture) for picture in draw(48, size=(400, 400), folder="many")]
    extract(few[:1], "tiny", maps=True)  # import and cache everything once
    peaks = []
    for views in (few, many):
        tracemalloc.start()
        try:
            extract(views, "tiny", maps=True, workers=1)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


TINY = open_backbone("tiny").identity


def task(picture: Path, crop: Rectangle | None = None) -> Task:
    return View(picture, crop), ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), crop)


class Spoilt:
    """The tiny backbone with changed features for one picture, by its position in the run."""

    def __init__(self, spoil) -> None:
        self._backbone = open_backbone("tiny")
        self._spoil = spoil
        self.description, self.identity = self._backbone.description, "spoilt"

    def prepare(self, picture):
        return self._backbone.prepare(picture)

    def extract(self, batch) -> FeatureBatch:
        features = self._backbone.extract(batch)
        self._spoil(batch, features)
        return features


def test_rows_are_the_features_of_each_view(draw):
    pictures = draw(3, size=(200, 120))
    crop = Rectangle(20, 10, 120, 90)
    extracted = open_extractor("tiny", TINY, maps=True)(
        [task(pictures[0]), task(pictures[0], crop), task(pictures[1])]
    )
    assert not extracted.failures
    backbone = open_backbone("tiny")
    wanted = [(pictures[0], None), (pictures[0], crop), (pictures[1], None)]
    for row, (picture, rectangle) in zip(extracted.rows, wanted, strict=True):
        assert row.key == ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), rectangle)
        seen = backbone.prepare(open_picture(picture, crop=rectangle, fit=28))
        direct = backbone.extract(seen[None])
        vector = np.concatenate([direct.global_vectors[0], direct.style_statistics[0]])
        np.testing.assert_array_equal(row.vector, vector.astype(np.float16))
        np.testing.assert_array_equal(row.map, direct.feature_maps[0].astype(np.float16))


def test_maps_are_left_out_unless_requested(draw):
    (picture,) = draw(1)
    extracted = open_extractor("tiny", TINY, maps=False)([task(picture)])
    assert extracted.rows[0].map is None


def test_features_do_not_depend_on_the_rest_of_the_batch(draw):
    pictures = draw(5)
    extractor = open_extractor("tiny", TINY, maps=True)
    together = extractor([task(picture) for picture in pictures]).rows
    for picture, row in zip(pictures, together, strict=True):
        alone = extractor([task(picture)]).rows[0]
        assert (alone.key, alone.vector.tobytes(), alone.map.tobytes()) == (
            row.key, row.vector.tobytes(), row.map.tobytes()
        )  # fmt: skip


def test_a_crop_outside_its_picture_fails_alone(draw):
    (picture,) = draw(1, size=(60, 40))
    outside = Rectangle(0, 0, 61, 40)
    extracted = open_extractor("tiny", TINY, maps=False)([task(picture, outside), task(picture)])
    assert [row.key.crop for row in extracted.rows] == [""]
    ((view, reason),) = extracted.failures.items()
    assert view == View(picture, outside)
    assert "not inside" in reason
    assert str(picture) not in reason  # the report adds the path


def test_a_file_that_changed_after_hashing_is_a_failure(draw):
    one, other = draw(2)
    stale = task(one)
    one.write_bytes(other.read_bytes())
    extracted = open_extractor("tiny", TINY, maps=False)([stale])
    assert not extracted.rows
    assert "changed" in extracted.failures[stale[0]]


@pytest.mark.parametrize("field", FeatureBatch._fields)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_a_failure(draw, field: str, value: float):
    def spoil(batch, features):
        if len(batch) > 1:
            getattr(features, field)[1].flat[-1] = value

    pictures = draw(3)
    extracted = features_of(Spoilt(spoil), [task(picture) for picture in pictures], maps=True)
    assert [view.picture for view in extracted.failures] == [pictures[1]]
    assert "finite" in extracted.failures[View(pictures[1])]
    assert len(extracted.rows) == 2


def test_a_backbone_that_fails_on_one_picture_fails_on_no_other(draw):
    pictures = draw(4)
    culprit = open_backbone("tiny").prepare(open_picture(pictures[2], fit=28))

    def spoil(batch, features):
        if any((each == culprit).all() for each in batch):
            raise RuntimeError("of bad shape")

    extracted = features_of(Spoilt(spoil), [task(picture) for picture in pictures], maps=True)
    assert [view.picture for view in extracted.failures] == [pictures[2]]
    assert "of bad shape" in extracted.failures[View(pictures[2])]
    assert len(extracted.rows) == 3


def test_values_beyond_float16_are_clipped():
    values = np.array([1e6, -1e6, 65504, 65519.99, 65520, 1e-9, 0.1], np.float32)
    expected = np.array([65504, -65504, 65504, 65504, 65504, 0, 0.1], np.float16)
    np.testing.assert_array_equal(to_float16(values), expected)
