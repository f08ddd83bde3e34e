"""Complements: a linear map from the vector of a product to the query point of products that go with it.

A model folder stores the map as `complements.npz`. `training.complements` fits it, and numpy runs it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from perfectlook.model.files import COMPLEMENTS, TRAIN_AGAIN, read_format, readable, write_arrays
from perfectlook.types import Float32Array, Float64Array

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Complements:
    """A linear map A (f_p - m) from product vectors to query points among the same vectors.

    The products nearest to the query point, by squared L2, go best with the product.

    Attributes:
        matrix: A, [d, d], symmetric.
        mean: m, the mean vector of products, [d].
        weight: how much the mean distance to the other products of a look counts for each slot. The distance
            to the scene counts 1.
    """

    matrix: Float32Array
    mean: Float32Array
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
            content = read_format(path, FORMAT)
            matrix, mean = (content[name].astype(np.float32) for name in ("matrix", "mean"))
            if matrix.shape != (dimension, dimension) or mean.shape != (dimension,):
                raise ValueError(f"matrix of shape {matrix.shape} for vectors of {dimension} numbers")
            return cls(matrix, mean, float(content["weight"]))

    def content(self) -> bytes:
        """The content of the map's file in a model folder."""
        matrix = self.matrix.astype(np.float16)
        weight = np.float64(self.weight)
        return write_arrays(format=np.int64(FORMAT), matrix=matrix, mean=self.mean, weight=weight)

    def points(self, vectors: Float32Array) -> Float32Array:
        """The query points of products with vectors f_p, [n, d]."""
        points: Float32Array = np.asarray((vectors - self.mean) @ self.matrix, np.float32)
        return points

    def apart(self, one: Float32Array, other: Float32Array) -> Float64Array:
        """How far products with vectors [n, d] and [m, d] are from going together, [n, m]; lower is better.

        This is -2 (f_p - m)ᵀ A (f_q - m): the squared distance to a query point, without the lengths of the
        three vectors. It is the same in both directions. The average of all products is 0.
        """
        mean, matrix = self.mean.astype(np.float64), self.matrix.astype(np.float64)
        apart: Float64Array = (
            -2 * (one.astype(np.float64) - mean) @ matrix @ (other.astype(np.float64) - mean).T
        )
        return apart

    def least_apart(self, longest: float) -> float:
        """A lower bound of `apart` for vectors of at most this length less the mean."""
        return -2 * float(np.linalg.norm(self.matrix.astype(np.float64), 2)) * longest**2
