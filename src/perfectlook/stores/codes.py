"""A block's vectors a second time, a byte for each value: what a search reads first.

A search of many products is bound by the memory it reads. A quarter of it is enough to rule out nearly all of
them, and how far off the bytes may be is known, so that nothing near is missed: on the catalogues here
thirty to three hundred of 38,111 products were left to be measured.
"""

import threading
from typing import NamedTuple

import numpy as np
import simsimd
from numpy.typing import NDArray

from perfectlook.types import Float32Array

MOST_TOGETHER = 3
"""More queries than that are cheaper by one matrix product in float32."""

LEAST_VALUES = 2**20
"""Fewer are soon read anyway: 4 MB in float32."""

_ROWS = 4096
_LARGEST_CODE = 127
_LEAST_STEP = np.float32(2.0**-120)
_ROUNDING = 2.0**-21


class Coded(NamedTuple):
    """Vectors as codes [n, d] times steps [n]; no vector is further than `left_out` from its own."""

    codes: NDArray[np.int8]
    steps: Float32Array
    left_out: float


class Codes:
    """The codes of an array of vectors that is filled from its start; made when first asked for.

    Blocks that share the array share them. Codes never change; those of new vectors are added behind.

    Args:
        vectors: [capacity, d]; of the rows asked for, all have their values.
        known: codes of the first vectors that were made for an array which this one replaces.
    """

    def __init__(self, vectors: Float32Array, known: "Codes | None" = None) -> None:
        self._vectors = vectors
        self._known = known
        self._coded: Coded | None = None
        self._size = 0
        self._adding = threading.Lock()

    def of(self, size: int) -> Coded:
        """The codes of the first `size` vectors."""
        with self._adding:
            if self._coded is None:
                self._begin()
            assert self._coded is not None
            for start in range(self._size, size, _ROWS):
                self._add(start, min(start + _ROWS, size))
            codes, steps, left_out = self._coded
            return Coded(codes[:size], steps[:size], left_out)

    def _begin(self) -> None:
        capacity, dimension = self._vectors.shape
        self._coded = Coded(np.empty((capacity, dimension), np.int8), np.empty(capacity, np.float32), 0.0)
        if self._known is not None and self._known._coded is not None:
            size, known = self._known._size, self._known._coded
            self._coded.codes[:size] = known.codes[:size]
            self._coded.steps[:size] = known.steps[:size]
            self._coded, self._size = self._coded._replace(left_out=known.left_out), size
        self._known = None

    def _add(self, start: int, end: int) -> None:
        assert self._coded is not None
        codes, steps, left_out = encoded(self._vectors[start:end])
        self._coded.codes[start:end] = codes
        self._coded.steps[start:end] = steps
        self._coded = self._coded._replace(left_out=max(left_out, self._coded.left_out))
        self._size = end


def are_worth_it(vectors: Float32Array, queries: int) -> bool:
    """Whether reading codes first is faster, for so many queries that are asked of [n, d] vectors at once."""
    return vectors.size >= LEAST_VALUES and queries <= MOST_TOGETHER


def encoded(vectors: Float32Array) -> Coded:
    """Encode vectors [n, d]: the largest value of each becomes ±127, the others the nearest steps of it."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    steps = np.maximum(largest / np.float32(_LARGEST_CODE), _LEAST_STEP)
    codes = np.rint(vectors / steps[:, None])
    rest = vectors - codes * steps[:, None]
    lengths = np.sqrt(np.einsum("ij,ij->i", rest, rest, dtype=np.float64))
    rounding = _ROUNDING * np.sqrt(vectors.shape[1]) * largest.astype(np.float64)
    return Coded(codes.astype(np.int8), steps, float((lengths + rounding).max(initial=0.0)))


def rough_products(
    query: Float32Array, coded: Coded, longest: float, out: Float32Array
) -> tuple[Float32Array, float]:
    """Multiply a query [d] with vectors no longer than `longest`, as far as the codes of both say.

    Returns q̂·x̂ [n], written into `out` [1, n], and how far it may be from q·x at most (Cauchy-Schwarz):
    |q·x - q̂·x̂| ≤ ‖q - q̂‖ ‖x‖ + ‖q̂‖ ‖x - x̂‖.
    """
    codes, steps, left_out = encoded(query[None])
    simsimd.cdist(codes, coded.codes, "dot", out=out, out_dtype="float32")
    [products] = np.multiply(out, coded.steps * steps, out=out)
    length = float(np.linalg.norm(query.astype(np.float64))) + left_out
    return products, left_out * longest + length * coded.left_out
