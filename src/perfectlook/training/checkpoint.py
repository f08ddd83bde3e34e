"""Where an unfinished training stands, on disk: `train` with the same settings goes on from there."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from perfectlook.errors import TrainingError
from perfectlook.model.record import write_file

CHECKPOINT = "checkpoint.pt"


class Checkpoint:
    """The state of a training in one file, replaced in one step after every epoch.

    The file holds tensors and plain values only and is read as such: nothing in it is ever executed.

    Args:
        folder: of the model that is being trained.
        settings: everything the numbers depend on; a checkpoint of other settings is not taken up.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._path = folder / CHECKPOINT
        self._settings = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def read(self) -> dict[str, Any] | None:
        """The state that was last written, None where there is none.

        Raises:
            TrainingError: the checkpoint cannot be read, or is of a training with other settings.
        """
        if not self._path.exists():
            return None
        try:
            content = torch.load(self._path, weights_only=True)
            settings, state = content["settings"], content["state"]
        except Exception as error:  # torch raises whatever the damaged bytes lead it to
            raise TrainingError(f"{self._path}: cannot be read ({error}); delete it to start over") from error
        if settings != self._settings:
            raise TrainingError(
                f"{self._path}: is of an unfinished training with other pairs or settings; run that training "
                "again to finish it, choose another folder, or delete the file to start over"
            )
        found: dict[str, Any] = state
        return found

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state on disk."""
        content = io.BytesIO()
        torch.save({"settings": self._settings, "state": state}, content)
        write_file(self._path, content.getvalue())

    def remove(self) -> None:
        """Forget the state: the training is finished."""
        self._path.unlink(missing_ok=True)
