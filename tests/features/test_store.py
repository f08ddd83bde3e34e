import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfectlook.errors import FeatureError
from perfectlook.features import store as store_module
from perfectlook.features.store import (
    FORMAT,
    FeatureStore,
    RowFile,
    StoredRows,
    StoreManifest,
    ViewKey,
    open_store,
)
from perfectlook.types import Rectangle

MANIFEST = StoreManifest(
    "small-fp32-0123456789ab", "small", 32, global_dimension=3, style_dimension=2, map_channels=2
)
KEYS = [ViewKey(f"{number:064x}", crop) for number in range(6) for crop in ("", "0,0,9,9")]


def features(*numbers: int, maps: bool = True):
    """Return distinct keys, vectors and maps for the views with these numbers."""
    vectors = np.array([[n + place / 8 for place in range(5)] for n in numbers], np.float16)
    feature_maps = np.array([np.arange(98).reshape(49, 2) + n / 16 for n in numbers], np.float16)
    return [KEYS[n] for n in numbers], vectors, feature_maps if maps else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_key_is_the_hash_and_the_rectangle():
    assert ViewKey.of("ab", None) == ("ab", "")
    assert ViewKey.of("ab", Rectangle(1, 2, 30, 40)) == ("ab", "1,2,30,40")


def test_stored_features_are_read_in_the_requested_order(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0, 1, 2))
        store.append(*features(3, 4))
    with FeatureStore.open(MANIFEST, folder) as store:
        assert len(store) == 5
        found = store.read([KEYS[4], KEYS[0], KEYS[4], KEYS[2]], maps=True)
    _, vectors, maps = features(4, 0, 4, 2)
    assert {found.global_vectors.dtype, found.style_statistics.dtype, found.feature_maps.dtype} == {
        np.dtype("<f2")
    }
    np.testing.assert_array_equal(found.global_vectors, vectors[:, :3])
    np.testing.assert_array_equal(found.style_statistics, vectors[:, 3:])
    np.testing.assert_array_equal(found.feature_maps, maps)


def test_the_default_folder_is_named_after_the_identity_in_the_cache(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path))
    with open_store("tiny") as store:
        assert store.folder == tmp_path / "features" / store.manifest.identity
        assert store.manifest.identity.startswith("tiny-fp32-")
        assert store.manifest.backbone == "tiny"


def test_a_later_request_for_maps_adds_only_the_maps(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0, 1, maps=False))
        assert store.find(KEYS[:3]) == [StoredRows(0, None), StoredRows(1, None), None]
        assert store.missing(KEYS[:3], maps=True) == KEYS[:3]
        assert store.missing(KEYS[:3], maps=False) == KEYS[2:3]
        with pytest.raises(FeatureError, match="feature map"):
            store.read(KEYS[:1], maps=True)
        keys, vectors, maps = features(1, 2)
        store.append(keys, vectors + 100, maps)  # a stored vector stays as it was
        assert store.find(KEYS[:3]) == [StoredRows(0, None), StoredRows(1, 0), StoredRows(2, 1)]
        np.testing.assert_array_equal(store.read(KEYS[1:2], maps=True).global_vectors, vectors[:1, :3])
        np.testing.assert_array_equal(store.read(KEYS[1:3], maps=True).feature_maps, maps)
    assert (folder / "vectors.f16").stat().st_size == 3 * 5 * 2
    assert (folder / "maps.f16").stat().st_size == 2 * 98 * 2


def test_a_view_twice_in_a_batch_is_stored_once(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(1, 0, 1))
        assert store.find([KEYS[1], KEYS[0]]) == [StoredRows(0, 0), StoredRows(1, 1)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused(folder: Path, bad: float):
    with FeatureStore.open(MANIFEST, folder) as store:
        for place in (1, 2):
            batch = features(0, 1)
            batch[place].flat[-1] = bad
            with pytest.raises(ValueError, match="finite"):
                store.append(*batch)
        assert len(store) == 0


def test_reading_a_missing_view_names_it(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store, pytest.raises(FeatureError, match=KEYS[1].picture):
        store.read([KEYS[1]], maps=False)


def test_rows_of_a_killed_writer_are_overwritten(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0))
        for name in ("vectors.f16", "maps.f16"):
            with (folder / name).open("ab") as file:
                file.write(b"\xff" * 133)  # some rows and a part of one
        store.append(*features(1, 2))
        np.testing.assert_array_equal(store.read(KEYS[:3], maps=True).feature_maps, features(0, 1, 2)[2])
        np.testing.assert_array_equal(
            store.read(KEYS[:3], maps=True).global_vectors, features(0, 1, 2)[1][:, :3]
        )


_DIES_BEFORE_COMMIT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_store import MANIFEST, features
from perfectlook.features.store import FeatureStore

store = FeatureStore.open(MANIFEST, Path({folder!r}))
store.append(*features(0, 1))
really, calls = os.fsync, []
def fsync(descriptor):
    really(descriptor)
    calls.append(descriptor)
    if len(calls) == {at}:
        os._exit(9) if sys.platform == "win32" else os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
store.append(*features(2, 3))
"""


@pytest.mark.parametrize("at", [1, 2])
def test_a_write_without_a_commit_stores_nothing(folder: Path, at: int):
    script = _DIES_BEFORE_COMMIT.format(tests=str(Path(__file__).parent), folder=str(folder), at=at)
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode != 0
    assert (folder / "vectors.f16").stat().st_size == 4 * 5 * 2  # written, but not committed
    with FeatureStore.open(MANIFEST, folder) as store:
        assert [rows is not None for rows in store.find(KEYS[:4])] == [True, True, False, False]
        store.append(*features(4, 2))
        found = store.read([KEYS[n] for n in (0, 1, 4, 2)], maps=True)
    np.testing.assert_array_equal(found.feature_maps, features(0, 1, 4, 2)[2])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(
        st.tuples(st.lists(st.integers(0, 11), min_size=1, max_size=5), st.booleans(), st.booleans()),
        max_size=8,
    )
)
def test_any_sequence_of_batches_reads_back_like_a_dictionary(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("any") / "store"
    vectors: dict[int, np.ndarray] = {}
    maps: dict[int, np.ndarray] = {}
    store = FeatureStore.open(MANIFEST, folder)
    for numbers, with_maps, reopen in batches:
        keys, new_vectors, new_maps = features(*numbers, maps=with_maps)
        store.append(keys, new_vectors, new_maps)
        for place, number in enumerate(numbers):
            vectors.setdefault(number, new_vectors[place])
            if new_maps is not None:
                maps.setdefault(number, new_maps[place])
        if reopen:
            store.close()
            store = FeatureStore.open(MANIFEST, folder)
    assert len(store) == len(vectors)
    found = store.read([KEYS[n] for n in vectors], maps=False)
    np.testing.assert_array_equal(
        np.concatenate([found.global_vectors, found.style_statistics], axis=1),
        np.array(list(vectors.values()), np.float16).reshape(-1, 5),
    )
    found = store.read([KEYS[n] for n in maps], maps=True)
    np.testing.assert_array_equal(found.feature_maps, np.array(list(maps.values())).reshape(-1, 49, 2))
    store.close()


def _changed(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_store_of_another_backbone_is_refused_naming_both(folder: Path):
    FeatureStore.open(MANIFEST, folder).close()
    other = dataclasses.replace(MANIFEST, identity="large-bf16-ba9876543210")
    with pytest.raises(FeatureError) as caught:
        FeatureStore.open(other, folder)
    assert MANIFEST.identity in str(caught.value)
    assert other.identity in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_store_of_other_dimensions_is_refused_naming_both(folder: Path):
    FeatureStore.open(MANIFEST, folder).close()
    with pytest.raises(FeatureError, match=r"map_channels 2.*map_channels 4"):
        FeatureStore.open(dataclasses.replace(MANIFEST, map_channels=4), folder)


def test_a_store_of_another_format_is_refused_naming_both(folder: Path):
    FeatureStore.open(MANIFEST, folder).close()
    _changed(folder, format=FORMAT + 1, unheard_of=True, version="9.9.9")
    with pytest.raises(FeatureError, match=rf"format {FORMAT + 1}, .* format {FORMAT} \(.*9\.9\.9"):
        FeatureStore.open(MANIFEST, folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"identity": 5}', b"\xff\xfe", b"null"])
def test_a_damaged_manifest_is_named(folder: Path, content: bytes):
    FeatureStore.open(MANIFEST, folder).close()
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(FeatureError, match=re.escape(str(folder / "manifest.json")) + r".*damaged.*Delete"):
        FeatureStore.open(MANIFEST, folder)


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(StoreManifest)])
def test_a_manifest_with_a_wrong_value_is_damaged(folder: Path, field: str):
    FeatureStore.open(MANIFEST, folder).close()
    _changed(folder, **{field: None})
    with pytest.raises(FeatureError, match=rf"{field} is None"):
        FeatureStore.open(MANIFEST, folder)


def test_a_missing_manifest_is_damage_once_the_store_was_used(folder: Path):
    FeatureStore.open(MANIFEST, folder).close()
    (folder / "manifest.json").unlink()
    with pytest.raises(FeatureError, match=r"manifest\.json is missing"):
        FeatureStore.open(MANIFEST, folder)


@pytest.mark.parametrize("name", ["vectors.f16", "maps.f16"])
def test_an_array_shorter_than_its_index_is_damage(folder: Path, name: str):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0, 1))
    os.truncate(folder / name, (folder / name).stat().st_size - 1)
    with pytest.raises(FeatureError, match=rf"{name} has 1 rows, but index.sqlite has 2"):
        FeatureStore.open(MANIFEST, folder)


def test_an_invalid_index_is_damage(folder: Path):
    FeatureStore.open(MANIFEST, folder).close()
    (folder / "index.sqlite").write_bytes(b"not a database at all " * 200)
    with pytest.raises(FeatureError, match=r"index\.sqlite: damaged .*Delete"):
        FeatureStore.open(MANIFEST, folder)


def test_a_folder_that_cannot_be_created_is_an_error_with_a_remedy(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(FeatureError, match=r"file.*PERFECTLOOK_CACHE"):
        FeatureStore.open(MANIFEST, tmp_path / "file" / "store")


def test_two_stores_on_one_folder_see_what_the_other_committed(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as one, FeatureStore.open(MANIFEST, folder) as other:
        one.append(*features(0, 1))
        other.append(*features(1, 2))
        one.append(*features(3))
        for store in (one, other):
            found = store.read(KEYS[:4], maps=True)
            np.testing.assert_array_equal(found.feature_maps, features(0, 1, 2, 3)[2])
    assert (folder / "vectors.f16").stat().st_size == 4 * 5 * 2


_FULL = r"MiB free\).*PERFECTLOOK_CACHE"


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_while_writing_rows_loses_nothing(folder: Path, monkeypatch, at: int):
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0, 1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(FeatureError, match=re.escape(str(folder)) + ".*" + _FULL):
                store.append(*features(2, 3))
        assert len(store) == 2
        store.append(*features(3, 2))  # space again: goes on
        np.testing.assert_array_equal(store.read(KEYS[:4], maps=True).feature_maps, features(0, 1, 2, 3)[2])


def test_a_full_disk_while_writing_the_index_loses_nothing(folder: Path):
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(0, 1))
        pages = store._index.execute("PRAGMA page_count").fetchone()[0]
        store._index.execute(f"PRAGMA max_page_count = {pages}")
        many = [ViewKey(f"{number:064x}", "1,1,9,9") for number in range(2000)]
        with pytest.raises(FeatureError, match=_FULL):
            store.append(many, np.zeros((2000, 5), np.float16))
        assert len(store) == 2
    with FeatureStore.open(MANIFEST, folder) as store:
        store.append(*features(2))
        np.testing.assert_array_equal(store.read(KEYS[:3], maps=True).feature_maps, features(0, 1, 2)[2])


_FILLS_UP = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_store import KEYS, MANIFEST, features
from perfectlook.errors import FeatureError
from perfectlook.features.store import FeatureStore, ViewKey
import numpy as np

{limit}
stored = 0
with FeatureStore.open(MANIFEST, Path({folder!r})) as store:
    try:
        for number in range(100_000):
            keys = [ViewKey(f"{{number:064x}}", str(place)) for place in range(64)]
            store.append(keys, np.full((64, 5), number % 1000, np.float16), np.ones((64, 49, 2), np.float16))
            stored = number + 1
    except FeatureError as error:
        print(error, file=sys.stderr)
    assert len(store) == 64 * stored > 0
    found = store.read([ViewKey(f"{{number:064x}}", "63") for number in range(stored)], maps=True)
    assert (found.global_vectors[:, 0] == np.arange(stored) % 1000).all()
    assert (found.feature_maps == 1).all()
print(stored)
"""


def _fill_up(folder: Path, limit: str, prefix: list[str]) -> tuple[int, str]:
    script = _FILLS_UP.format(tests=str(Path(__file__).parent), folder=str(folder), limit=limit)
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows cannot")
def test_a_real_limit_on_file_size_loses_nothing(folder: Path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    stored, message = _fill_up(folder, limit, [])
    assert re.search(_FULL, message)
    with FeatureStore.open(MANIFEST, folder) as store:
        assert len(store) == 64 * stored
        store.append(*features(0, 1))
        np.testing.assert_array_equal(store.read(KEYS[:2], maps=True).feature_maps, features(0, 1)[2])


def _own_mounts() -> list[str]:
    """Return a command prefix with which this user can mount, if the system allows it."""
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        return []
    return prefix


@pytest.mark.skipif(not _own_mounts(), reason="needs user namespaces, to mount a small disk")
def test_a_real_full_disk_loses_nothing(folder: Path):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)]
    _, message = _fill_up(folder, f"import subprocess; subprocess.run({mount!r}, check=True)", _own_mounts())
    assert re.search(_FULL, message)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, 7)).astype(np.float16)


def test_rows_come_back_in_any_order_and_repeatedly(tmp_path: Path, values):
    file = RowFile(tmp_path / "rows.f16", 7)
    file.write(0, values[:20])
    file.write(20, values[20:])
    assert file.count() == 50
    wanted = np.random.default_rng(1).integers(0, 50, 200)
    np.testing.assert_array_equal(file.read(wanted), values[wanted])


def test_gathering_in_small_chunks_gives_the_same(tmp_path: Path, values, monkeypatch):
    monkeypatch.setattr(store_module, "CHUNK_BYTES", 3 * 7 * 2)
    file = RowFile(tmp_path / "rows.f16", 7)
    file.write(0, values)
    wanted = np.random.default_rng(2).permutation(50)
    np.testing.assert_array_equal(file.read(wanted), values[wanted])


def test_the_file_is_little_endian_float16_without_a_header(tmp_path: Path):
    file = RowFile(tmp_path / "rows.f16", 2)
    file.write(0, np.array([[1.0, -2.0]], np.float16))
    assert file.path.read_bytes() == bytes.fromhex("003c00c0")


def test_rows_without_a_commit_can_be_overwritten(tmp_path: Path, values):
    file = RowFile(tmp_path / "rows.f16", 7)
    file.write(0, values[:10])
    file.write(4, values[20:22])
    np.testing.assert_array_equal(file.read(np.array([3, 4, 5, 6])), values[[3, 20, 21, 6]])


def test_reading_no_rows_needs_no_file(tmp_path: Path):
    file = RowFile(tmp_path / "rows.f16", 7)
    assert file.count() == 0
    assert file.read(np.array([], np.int64)).shape == (0, 7)
