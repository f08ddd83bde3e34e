from pathlib import Path

import numpy as np
import pytest

from perfectlook.features import store as rows_module
from perfectlook.features.store import RowFile


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
    monkeypatch.setattr(rows_module, "CHUNK_BYTES", 3 * 7 * 2)
    file = RowFile(tmp_path / "rows.f16", 7)
    file.write(0, values)
    wanted = np.random.default_rng(2).permutation(50)
    np.testing.assert_array_equal(file.read(wanted), values[wanted])


def test_the_file_is_little_endian_float16_without_a_header(tmp_path: Path):
    file = RowFile(tmp_path / "rows.f16", 2)
    file.write(0, np.array([[1.0, -2.0]], np.float16))
    assert file.path.read_bytes() == bytes.fromhex("003c00c0")


def test_writing_over_rows_that_nobody_owns_replaces_them(tmp_path: Path, values):
    file = RowFile(tmp_path / "rows.f16", 7)
    file.write(0, values[:10])
    file.write(4, values[20:22])
    np.testing.assert_array_equal(file.read(np.array([3, 4, 5, 6])), values[[3, 20, 21, 6]])


def test_no_rows_of_no_file(tmp_path: Path):
    file = RowFile(tmp_path / "rows.f16", 7)
    assert file.count() == 0
    assert file.read(np.array([], np.int64)).shape == (0, 7)
