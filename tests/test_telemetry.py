"""The package sends no telemetry, and leaves no files for it."""

import os
import subprocess
import sys
from pathlib import Path

USE = """
from PIL import Image
from perfectlook.backbones import open_backbone
from perfectlook.model.runtime import Model

model = Model.open("showroom")
backbone = open_backbone(model.backbone)
seen = backbone.extract(backbone.prepare(Image.new("RGB", (300, 300)))[None])
model.embed_scene(seen).query_point(model.categories[0])
"""


def test_opening_a_model_leaves_nothing_in_an_empty_home(tmp_path: Path):
    unset = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")  # in which onnxruntime is silent by itself
    quiet = {"HOME": str(tmp_path), "PERFECTLOOK_CACHE": str(tmp_path / "cache")}
    environment = {name: value for name, value in os.environ.items() if name not in unset} | quiet
    subprocess.run([sys.executable, "-c", USE], env=environment, check=True, timeout=120)
    left = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "cache")]
    assert left == []
