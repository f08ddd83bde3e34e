"""Complements: a linear map from the vector of a product to the query point of products that go with it.

A model folder stores the map as `complements.npz`. `training.complements` fits it, and numpy runs it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from perfectlook.model.distances import pairwise
from perfectlook.model.files import COMPLEMENTS, TRAIN_AGAIN, read_arrays, readable, write_arrays
from perfectlook.types import Float32Array, Float64Array

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Complements:
    """A linear map A f_p + b from product vectors to query points among the same vectors.

    The products nearest to the query point, by squared L2, go best with the product. The map is symmetric.

    Attributes:
        matrix: A, [d, d].
        offset: b, [d].
        weight: how much the mean distance to the other products of a look counts for each slot. The distance
            to the scene counts 1.
    """

    matrix: Float32Array
    offset: Float32Array
    weight: float

    @classmethod
    def open(cls, folder: Path | str, dimension: int) -> Self | None:
        """Read the map of a model folder; None if the model has none.

        Args:
            folder: the model folder.
            dimension: dimension of the model's product vectors.

        Raises:
            ModelError: the file cannot be read, has another format, or does not match the vectors.
        """
        path = Path(folder) / COMPLEMENTS
        if not path.exists():
            return None
        with readable(path, f"{TRAIN_AGAIN[:-1]}, or delete the file to go without complements."):
            content = read_arrays(path.read_bytes())
            if int(content["format"]) != FORMAT:
                raise ValueError(f"format {content['format']}, expected format {FORMAT}")
            matrix, offset = (content[name].astype(np.float32) for name in ("matrix", "offset"))
            if matrix.shape != (dimension, dimension) or offset.shape != (dimension,):
                raise ValueError(f"matrix of shape {matrix.shape} for vectors of {dimension} numbers")
            return cls(matrix, offset, float(content["weight"]))

    def content(self) -> bytes:
        """The content of the map's file in a model folder."""
        matrix = self.matrix.astype(np.float16)
        weight = np.float64(self.weight)
        return write_arrays(format=np.int64(FORMAT), matrix=matrix, offset=self.offset, weight=weight)

    def points(self, vectors: Float32Array) -> Float32Array:
        """The query points of products with vectors f_p, [n, d]."""
        points: Float32Array = vectors @ self.matrix.T + self.offset
        return points

    def apart(self, one: Float32Array, other: Float32Array) -> Float64Array:
        """Distances between products with vectors [n, d] and [m, d]: the mean of both directions, [n, m]."""
        a, b = one.astype(np.float64), other.astype(np.float64)
        there = pairwise(self.points(one).astype(np.float64), b, "squared_l2")
        back = pairwise(a, self.points(other).astype(np.float64), "squared_l2")
        mean: Float64Array = (there + back) / 2
        return mean
