"""Many arrays of one shape at once, as a network's tiles are: in stacks, and on every core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Final

import numpy as np
from threadpoolctl import ThreadpoolController

from emulators.wires.merging import merged_matrices
from emulators.wires.values import Wires
from hil.errors import InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.types import Float64Array

__all__ = ["one_blas_thread", "port_matrices"]

STACK_CELLS: Final = 1 << 15
"""Cells of a stack: enough to spread the cost of calls over small arrays, few enough to stay in a cache."""
_LIMITING: Final = RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the linear algebra of this process to one thread while the block runs; one block at a time.

    Products of a few hundred numbers a side gain little from a second thread, and where another process wants the
    core they wait for it at every call: measured, eight times slower. Threads of our own, one array each, do not.
    """
    with _LIMITING, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Find the libraries once; whoever imports this package has loaded those of numpy and scipy."""
    return ThreadpoolController()


def port_matrices(
    g_siemens: Float64Array, wires: Wires, *, on_progress: OnProgress = ignore_progress
) -> tuple[Float64Array, Float64Array]:
    """Return what alike arrays answer to their rows, exactly: T of the column and A of the row currents.

    Args:
        g_siemens: (arrays, rows, columns), zero or positive.
        wires: Of every array, of topology ``passive2d``.
        on_progress: Told how many arrays are done.

    Returns:
        (arrays, rows, columns) T of ``I_columns = V @ T`` and (arrays, rows, rows) symmetric A of ``I_rows = V @ A``;
        the power of an array is ``V @ A @ V``.

    Raises:
        InvalidValueError: Bad conductances, or a topology that is not linear in its inputs.
    """
    if wires.topology != "passive2d" or g_siemens.ndim != 3 or not (np.isfinite(g_siemens) & (g_siemens >= 0)).all():
        raise InvalidValueError(
            "port matrices need (arrays, rows, columns) finite conductances of zero or more and passive2d wires, but "
            f"got shape {g_siemens.shape} and {wires.topology}"
        )
    arrays, rows, columns = map(int, g_siemens.shape)
    to_columns, to_rows = np.empty((arrays, rows, columns)), np.empty((arrays, rows, rows))
    size = max(1, STACK_CELLS // (rows * columns))

    def solve(start: int) -> int:
        stop = min(start + size, arrays)
        to_columns[start:stop], to_rows[start:stop] = merged_matrices(g_siemens[start:stop], wires)
        return stop

    with one_blas_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(solve, range(0, arrays, size)):
            on_progress(done, arrays)
    return to_columns, to_rows
