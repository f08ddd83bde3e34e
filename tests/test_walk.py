"""A `complete` runs code in the files that CONTRIBUTING names, and in no others."""

import re
import shutil
import sys
from pathlib import Path
from types import FrameType

import perfectlook
from perfectlook.recommender import Recommender

ROOT = Path(perfectlook.__file__).parent
MOST = 25
BEFORE = Path(__file__).parent / "compatibility" / "before"


def test_where_a_photo_goes(pytestconfig, tmp_path: Path) -> None:
    catalogue = shutil.copytree(BEFORE / "catalogue", tmp_path / "catalogue")
    photo = next(BEFORE.glob("scene.*")).read_bytes()
    passed: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(ROOT):
            passed.add(file.relative_to(ROOT).as_posix())

    with Recommender.open(catalogue, model=BEFORE / "model") as recommender:
        recommender.complete(photo, k=3)
        sys.setprofile(note)
        try:
            recommender.complete(photo, k=3)
        finally:
            sys.setprofile(None)
    text = (pytestconfig.rootpath / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Where a photo goes")[1].split("\n## ")[0]
    named = {file for file in re.findall(r"`([\w/]+\.py)`", section) if (ROOT / file).is_file()}
    of_this_backbone = {"backbones/tiny.py" if file == "backbones/engines.py" else file for file in named}
    assert passed == of_this_backbone
    assert len(passed) <= MOST
