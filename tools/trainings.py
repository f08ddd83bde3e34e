"""One training of many: what is trained, where it lies, whether it is done. `results.py` runs them."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from perfectlook import __version__
from perfectlook.backbones import open_backbone
from perfectlook.errors import TrainingError
from perfectlook.model.config import ModelConfig
from perfectlook.training.baselines.registry import baseline
from perfectlook.training.checkpoint import CHECKPOINT
from perfectlook.training.config import TrainingConfig
from units import spoken

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entrant:
    """One model to train on a set: a variant (baseline is None) or a baseline."""

    name: str
    baseline: str | None
    settings: Settings

    @property
    def model(self) -> ModelConfig:
        """The shape of its model.

        Raises:
            UsageError: a setting is unknown, of the wrong type or out of range.
        """
        if self.baseline is None:
            return TrainingConfig().replaced(self.settings, source=f"variant '{self.name}'").model
        return baseline(self.baseline).config(self.settings, name=self.name).model


@dataclass(frozen=True, slots=True)
class Training:
    """One entrant on one set: where its model, its settings and its log are."""

    entrant: Entrant
    dataset: Path
    folder: Path

    @property
    def about(self) -> dict[str, Any]:
        """All that the model depends on, as far as it is not the code."""
        files = (self.dataset / name for name in ("pairs.jsonl", "categories.json"))
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
        settings = json.loads(json.dumps(dict(self.entrant.settings)))
        return {
            "baseline": self.entrant.baseline,
            "settings": settings,
            "set": digest.hexdigest(),
            "backbone": identity_of_backbone(self.entrant.model.backbone),
            "library": __version__,
        }

    @property
    def done(self) -> dict[str, Any] | None:
        """What a finished training with the same settings left; None where there is none."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._beside(".done.json").read_text(encoding="utf-8"))
            if found["about"] == self.about and (self.folder / "config.json").is_file():
                return found
        return None

    def run(self, threads: int, *, fresh: bool = False) -> str:
        """Train, in a process of its own; returns how long it took, in words.

        Args:
            threads: of the process.
            fresh: forget what an earlier run left, finished or not.

        Raises:
            TrainingError: it failed; the end of its log is told.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._beside(".done.json").unlink(missing_ok=True)
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        resumed = (self.folder / CHECKPOINT).exists()
        config, log = self._beside(".toml"), self._beside(".log")
        config.write_text(to_toml(self.entrant.settings), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "perfectlook",
            *train_command(self.entrant, self.dataset, self.folder),
        ]
        command += ["--config", str(config)]
        started = time.monotonic()
        with log.open("w", encoding="utf-8") as output:
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            code = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
            ).returncode
        seconds = time.monotonic() - started
        if code:
            last = "\n  ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
            raise TrainingError(f"{self.label}: training failed with code {code}; {log} ends with:\n  {last}")
        done = {"about": self.about, "seconds": seconds, "resumed": resumed}
        self._beside(".done.json").write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
        return self.took

    @property
    def took(self) -> str:
        """How long a finished training took, in words; of one that was stopped, its last part."""
        done = self.done
        if done is None:
            return "–"
        return spoken(done["seconds"]) + (" (resumed)" if done["resumed"] else "")

    @property
    def label(self) -> str:
        """Set and name."""
        return f"{self.dataset.name}/{self.entrant.name}"

    def _beside(self, suffix: str) -> Path:
        return self.folder.with_name(self.folder.name + suffix)


def to_toml(settings: Settings) -> str:
    """Settings as a TOML file: text, numbers, true and false are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def train_command(entrant: Entrant, dataset: Path, folder: Path) -> list[str]:
    """The arguments of `perfectlook`, without the settings."""
    command = ["train", str(dataset), "--out", str(folder)]
    return command if entrant.baseline is None else [*command, "--baseline", entrant.baseline]


@cache
def identity_of_backbone(name: str) -> str:
    """What identifies a backbone's features: models of another are refused."""
    return open_backbone(name).identity
