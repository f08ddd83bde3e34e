"""Complements: a linear map from the vector of a product to the query point of products that go with it.

A model folder stores the map as `complements.npz`. `training.complements` fits it, and numpy runs it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from perfectlook.model.files import COMPLEMENTS, TRAIN_AGAIN, ArrayFile
from perfectlook.types import Float32Array, Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Complements(ArrayFile):
    """A linear map A (f_p - m) from product vectors to query points among the same vectors.

    The products nearest to the query point, by squared L2, go best with the product.

    Attributes:
        matrix: A, [d, d], symmetric.
        mean: m, the mean vector of products, [d].
        weight: how much the mean distance to the other products of a look counts for each slot. The distance
            to the scene counts 1.
    """

    FILE: ClassVar[str] = COMPLEMENTS
    REMEDY: ClassVar[str] = f"{TRAIN_AGAIN[:-1]}, or delete the file to go without complements."
    matrix: Float32Array
    mean: Float32Array
    weight: float

    @classmethod
    def of_model(cls, folder: Path, dimension: int) -> Self | None:
        """Read the complements of a model with vectors of a dimension; None if it has none.

        Raises:
            ModelError: the file cannot be read, or is of vectors of another dimension.
        """
        found = cls.open(folder)
        if found is not None:
            found.check_width(dimension, len(found.mean), "numbers of a product vector")
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The expected shapes of arrays, by name."""
        return {"matrix": (len(self.mean),) * 2, "mean": (self.mean.size,)}

    def content(self) -> bytes:
        """The content of the file, with a matrix of half precision."""
        return ArrayFile.content(replace(self, matrix=self.matrix.astype(np.float16)))

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
