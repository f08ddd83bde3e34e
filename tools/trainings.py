"""A training of `results.py`: its settings, its folder, and whether it is done."""

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

import psutil

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
class Recipe:
    """A model to train: a variant of the default (`baseline` is None) or a baseline."""

    name: str
    baseline: str | None
    settings: Settings

    @property
    def model(self) -> ModelConfig:
        """Return the configuration of the model.

        Raises:
            UsageError: a setting is unknown, of the wrong type or out of range.
        """
        if self.baseline is None:
            return TrainingConfig().replaced(self.settings, source=f"variant '{self.name}'").model
        return baseline(self.baseline).config(self.settings, name=self.name).model


@dataclass(frozen=True, slots=True)
class Training:
    """A recipe on a set, and the folder of the model; settings and log are next to it."""

    recipe: Recipe
    dataset: Path
    folder: Path

    @property
    def about(self) -> dict[str, Any]:
        """Everything that the model depends on, except the code."""
        files = (self.dataset / name for name in ("pairs.jsonl", "categories.json"))
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
        settings = json.loads(json.dumps(dict(self.recipe.settings)))
        return {
            "baseline": self.recipe.baseline,
            "settings": settings,
            "set": digest.hexdigest(),
            "backbone": identity_of_backbone(self.recipe.model.backbone),
            "library": __version__,
        }

    @property
    def done(self) -> dict[str, Any] | None:
        """The record of a finished training with the same settings, or None."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._beside(".done.json").read_text(encoding="utf-8"))
            if found["about"] == self.about and (self.folder / "config.json").is_file():
                return found
        return None

    def run(self, threads: int, *, fresh: bool = False) -> str:
        """Train in a separate process; return the time it took, in words.

        Args:
            threads: threads of the process.
            fresh: delete the results of an earlier run, finished or not.

        Raises:
            TrainingError: the training failed; the message has the end of the log.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._beside(".done.json").unlink(missing_ok=True)
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        resumed = (self.folder / CHECKPOINT).exists()
        config, log = self._beside(".toml"), self._beside(".log")
        config.write_text(to_toml(self.recipe.settings), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "perfectlook",
            *train_command(self.recipe, self.dataset, self.folder),
        ]
        command += ["--config", str(config)]
        started = time.monotonic()
        with log.open("w", encoding="utf-8") as output:
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            with psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment) as process:
                cpu = 0.0
                while process.poll() is None:
                    with contextlib.suppress(psutil.Error):
                        cpu = sum(process.cpu_times()[:4])
                    time.sleep(0.1)
                code = process.returncode
        seconds = time.monotonic() - started
        if code:
            last = "\n  ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
            raise TrainingError(
                f"{self.label}: training failed (exit code {code}). Read {log}, which ends with:\n  {last}"
            )
        done = {"about": self.about, "seconds": seconds, "cpu_seconds": cpu, "resumed": resumed}
        self._beside(".done.json").write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
        return self.took

    @property
    def took(self) -> str:
        """The time a finished training took, in words; after a stop, that of the last part."""
        done = self.done
        if done is None:
            return "–"
        return spoken(done["seconds"]) + (" (resumed)" if done["resumed"] else "")

    @property
    def label(self) -> str:
        """Set and model, for messages."""
        return f"{self.dataset.name}/{self.recipe.name}"

    def _beside(self, suffix: str) -> Path:
        return self.folder.with_name(self.folder.name + suffix)


def to_toml(settings: Settings) -> str:
    """Return settings as a TOML file; text, numbers and booleans are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def train_command(recipe: Recipe, dataset: Path, folder: Path) -> list[str]:
    """Return the arguments of `perfectlook`, without the settings."""
    command = ["train", str(dataset), "--out", str(folder)]
    return command if recipe.baseline is None else [*command, "--baseline", recipe.baseline]


@cache
def identity_of_backbone(name: str) -> str:
    """Return the identity of a backbone: features of another identity do not fit its models."""
    return open_backbone(name).identity
