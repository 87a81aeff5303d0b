"""Packed ternary products beside float32: time and bytes touched (weights, inputs, sums), one thread, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from hil.errors import MissingDependencyError
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from quant.packed_matrix import PackedMatrix

__all__ = ["run"]

SHAPES = ((4096, 4096), (2048, 2048), (1024, 1024), (512, 2312), (384, 1024), (384, 512))
TARGETS = {(4096, 4096): (4.0, 15.0)}
"""Least ratios of time and of bytes; ggml's TQ2_0, in C, was measured at 8 times torch on another machine."""
REPEATS = 41


def _median_pair(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Return the median seconds of two functions called in turn, so that both meet the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    for _ in range(REPEATS):
        for function, spent in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            function()
            spent.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _rows(rows: int, columns: int) -> list[dict[str, Any]]:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError.of("torch", extra="train", purpose="the float32 baseline") from error

    rng = stream(1, "bench", "packed", rows, columns)
    codes = rng.integers(-1, 2, (rows, columns)).astype(np.int8)
    x = rng.integers(-128, 128, (1, columns)).astype(np.int8)
    packed, weight, vector = PackedMatrix.pack(codes), torch.from_numpy(codes).float(), torch.from_numpy(x[0]).float()
    product = packed.rows_times(x)
    if not np.array_equal(product[0], codes.astype(np.int64) @ x[0].astype(np.int64)):
        raise AssertionError("packed product is not exact")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = _median_pair(lambda: packed.rows_times(x), lambda: weight @ vector)
    torch.set_num_threads(threads)
    touched = float(packed.nbytes + x.nbytes + product.nbytes), 4.0 * (codes.size + columns + rows)
    peers = f"torch {torch.__version__} float32", "float32"
    name = f"{rows}x{columns} ternary matrix times int8 vector"
    targets = TARGETS.get((rows, columns), (None, None))
    return [
        {
            "name": f"{name}, {what}",
            "ours": ours,
            "peer": theirs,
            "peer_name": peer,
            "ratio": theirs / ours,
            "target": target,
        }
        for what, (ours, theirs), peer, target in zip(
            ("time (s)", "bytes touched"), (seconds, touched), peers, targets, strict=True
        )
    ]


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return one row per figure: name, ours, peer, peer_name, ratio (peer / ours), target."""
    found = []
    for done, shape in enumerate(SHAPES):
        on_progress(done, len(SHAPES))
        found += _rows(*shape)
    on_progress(len(SHAPES), len(SHAPES))
    return found
