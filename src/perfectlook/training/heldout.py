"""How the chosen settings did on held-out scenes, scene by scene: what two trainings are compared by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from perfectlook.errors import ModelError
from perfectlook.metrics import Interval, bootstrap_means, interval, paired_difference
from perfectlook.model.record import write_file
from perfectlook.types import Float64Array

HELD_OUT = "held_out.json"


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Shares of pairs whose scenes were not trained on.

    Attributes:
        scenes: of each pair.
        shares: of the candidates farther than the true product, [pairs].
    """

    scenes: Sequence[str]
    shares: Float64Array

    @property
    def accuracy(self) -> Interval | None:
        """Binary accuracy with its interval over scenes; None over no pair."""
        if not len(self.shares):
            return None
        return interval(self.shares, bootstrap_means({"share": self.shares}, self.scenes)["share"])

    def lead_over(self, other: "HeldOut") -> Interval | None:
        """How much higher this accuracy is, paired over scenes; None where the pairs are not the same."""
        own, theirs = self._by_scene(), other._by_scene()
        if {scene: len(each) for scene, each in own.items()} != {s: len(each) for s, each in theirs.items()}:
            return None
        scenes = [scene for scene in sorted(own) for _ in own[scene]]
        first, second = (
            np.asarray([share for scene in sorted(found) for share in found[scene]], np.float64)
            for found in (own, theirs)
        )
        return paired_difference(first, second, scenes) if scenes else None

    def write(self, folder: Path) -> None:
        """Write `held_out.json` into a model folder."""
        write_file(folder / HELD_OUT, (json.dumps(self._by_scene(), indent=0) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What `write` wrote; None where there is none.

        Raises:
            ModelError: the file cannot be read.
        """
        path = folder / HELD_OUT
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            pairs = [(scene, float(share)) for scene, shares in content.items() for share in shares]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ModelError(f"{path}: cannot be read ({error}); train the model again") from error
        return cls([scene for scene, _ in pairs], np.asarray([share for _, share in pairs], np.float64))

    def _by_scene(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for scene, share in zip(self.scenes, self.shares.tolist(), strict=True):
            found.setdefault(scene, []).append(share)
        return found
