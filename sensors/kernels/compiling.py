"""One way to compile a kernel, so that every kernel is cached on disk and lets other threads run."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["compiled"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function of arrays and numbers with numba, keeping its type.

    A multiplication and an addition may become one instruction with one rounding; nothing else of IEEE 754 is given up.
    """
    made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})(function)
    return cast("Callable[Arguments, Result]", made)
