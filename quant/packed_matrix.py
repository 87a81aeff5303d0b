"""A ternary matrix in two bits a weight that multiplies int8 vectors exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Int8Array, Int32Array

__all__ = ["PackedMatrix"]

ROW_MULTIPLE = 128
"""Columns are padded with zeros to this, so that a quarter of a row is whole registers of 32 bytes of four codes."""


@dataclass(frozen=True, slots=True, eq=False)
class PackedMatrix:
    """Planar two-bit codes; see ``quant.kernels`` for the layout.

    Attributes:
        packed: (rows, padded columns / 4) uint8.
        columns: Columns before padding.
    """

    packed: npt.NDArray[np.uint8]
    columns: int

    @classmethod
    def pack(cls, codes: Int8Array) -> PackedMatrix:
        """Pack (rows, columns) codes -1, 0, +1.

        Raises:
            InvalidValueError: A code is something else.
        """
        if codes.ndim != 2 or not np.isin(codes, (-1, 0, 1)).all():
            raise InvalidValueError(f"codes must be a matrix of -1, 0, +1, but got shape {codes.shape}")
        padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % ROW_MULTIPLE)))
        planes = (padded + 1).astype(np.uint8).reshape(len(codes), 4, -1)
        shifted = planes << np.array([0, 2, 4, 6], np.uint8)[:, None]
        return cls(np.ascontiguousarray(np.bitwise_or.reduce(shifted, axis=1)), codes.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes that one product reads of the matrix."""
        return int(self.packed.nbytes)

    def unpack(self) -> Int8Array:
        """Return the (rows, columns) codes."""
        planes = self.packed[:, None, :] >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
        codes: Int8Array = (planes.reshape(len(self.packed), -1)[:, : self.columns]).astype(np.int8) - 1
        return codes

    def __matmul__(self, vectors: Int8Array) -> Int32Array:
        """Return (rows,) or (rows, n) int32 products with a (columns,) or (columns, n) int8 array."""
        return self.rows_times(np.atleast_2d(vectors.T)).T.reshape(len(self.packed), *vectors.shape[1:])

    def rows_times(self, vectors: Int8Array) -> Int32Array:
        """Return (n, rows) int32 products of (n, columns) int8 vectors, one vector a row.

        Raises:
            InvalidValueError: The vectors have another length or type.
        """
        if vectors.dtype != np.int8 or vectors.ndim != 2 or vectors.shape[1] != self.columns:
            raise InvalidValueError(f"expected (n, {self.columns}) int8, but got {vectors.shape} {vectors.dtype}")
        inputs = np.zeros((len(vectors), 4 * self.packed.shape[1]), np.int8)
        inputs[:, : self.columns] = vectors
        out = np.empty((len(vectors), len(self.packed)), np.int32)
        _kernel()(self.packed, inputs, out)
        return out


def _kernel() -> Any:
    from quant.kernels import HAS_AVX2, product_portable, product_vector

    return product_vector if HAS_AVX2 else product_portable
