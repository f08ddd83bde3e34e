"""Several sets are trained on as one."""

import shutil
from pathlib import Path

import drawn
from perfectlook.training.data import load_sets


def test_scenes_of_the_same_id_in_two_sets_are_both_known(tmp_path: Path) -> None:
    drawn.drawn_set(tmp_path / "one", scenes=6)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    joined = load_sets([tmp_path / "one", tmp_path / "two"], "tiny", workers=1)
    ids = joined.scene_ids()
    assert len(ids) == len(joined.scene_views)
    assert ids == 2 * ids[: len(ids) // 2]
