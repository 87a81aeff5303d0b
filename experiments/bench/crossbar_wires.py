"""Wires of crossbars beside badcrossbar, full rebuilds and analog-cim-sim, one thread, in one run."""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from emulators.wires import TransferOperator, Wires, transfer_matrix
from emulators.wires.gated1t1r import column_currents
from hil.errors import MissingDependencyError, VerificationError
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["run"]

WIRES: Final = Wires(r_word_line_ohm=2.0, r_bit_line_ohm=2.0)
TERMINATED: Final = Wires(r_word_line_ohm=2.0, r_bit_line_ohm=2.0, r_driver_ohm=50.0, r_sense_ohm=20.0)
COLUMN_WIRES: Final = Wires(r_bit_line_ohm=1.0, topology="gated1t1r")
SIDES = (128, 256)
REFRESHED_SIDE = 128
NOISE: Final = 0.03  # of each cell's conductance, root mean square
VECTORS: Final = 64
PEER_GATED: Final = 2500.0  # analog-cim-sim 68e3bdc, TNN_I with wires, 256 x 256, 64 vectors, over a numpy product
LIMIT_GB: Final = 2.0
LIMIT_MISSED_PERCENT: Final = 1.0
AGREEMENT: Final = 1e-9
FIGURES: Final = 9
PEAK = """
import resource, sys
import numpy as np
from emulators.wires import Wires, transfer_matrix
g = np.random.default_rng(1).uniform(1e-6, 1e-4, (512, 512))
transfer_matrix(g, Wires(2.0, 2.0, 50.0, 20.0))
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return one row per figure; a ratio at or above its target is good.

    Args:
        on_progress: Called with the figures done.

    Raises:
        MissingDependencyError: badcrossbar is not installed.
        VerificationError: Our currents and the peer's differ, so that comparing times would mean nothing.
    """
    rows: list[dict[str, Any]] = []
    for part in (_against_badcrossbar, _memory, _refresh, _gated):
        for row in part():
            rows.append(row)
            on_progress(len(rows), FIGURES)
    return rows


def _against_badcrossbar() -> Iterator[dict[str, Any]]:
    try:
        import badcrossbar
    except ImportError as error:
        raise MissingDependencyError.of("badcrossbar", extra="bench", purpose="the baseline of the wires") from error
    logging.getLogger("badcrossbar").setLevel(logging.WARNING)
    peer_name = f"badcrossbar {version('badcrossbar')}"

    def peer(g: Float64Array, v: Float64Array) -> Float64Array:
        solved = badcrossbar.compute(
            v.T, 1 / g, r_i_word_line=WIRES.r_word_line_ohm, r_i_bit_line=WIRES.r_bit_line_ohm, node_voltages=False
        )
        return np.asarray(solved.currents.output, np.float64)

    for side in SIDES:
        g, v = _array(side), _inputs(side)
        _agree(v @ transfer_matrix(g, WIRES), peer(g, v))
        ours, theirs = _median_pair(lambda: transfer_matrix(g, WIRES), lambda: peer(g, v[:1]), turns=5)  # noqa: B023
        yield _row(f"build T of {side}x{side} (s)", ours, theirs, f"{peer_name}, one vector", target=3.0)
        if side == REFRESHED_SIDE:
            t = transfer_matrix(g, WIRES)
            ours, theirs = _median_pair(lambda: v @ t, lambda: peer(g, v), turns=5, inner=50)  # noqa: B023
            name = f"apply T of {side}x{side} to {VECTORS} vectors (s)"
            yield _row(name, ours, theirs, f"{peer_name}, {VECTORS} vectors", target=1000.0)


def _memory() -> Iterator[dict[str, Any]]:
    done = subprocess.run(  # noqa: S603  (our own interpreter on our own text)
        [sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=300, check=True
    )
    peak_gb = int(done.stdout) / 2**30
    yield _row("build T of 512x512, peak memory of the process (GB)", peak_gb, LIMIT_GB, "limit", target=1.0)


def _refresh() -> Iterator[dict[str, Any]]:
    side = REFRESHED_SIDE
    rng = stream(1, "bench", "wires", "noise")
    g = np.where(rng.random((side, side)) < 0.35, 1e-4, 1e-6)
    operator = TransferOperator.of(g, TERMINATED)
    dg = NOISE * g * rng.standard_normal((VECTORS, side, side))
    v = _inputs(side)
    rebuilt = [transfer_matrix(g + each, TERMINATED) - operator.matrix for each in dg[:8]]
    missed = _share(operator.refreshed(dg[0]) - operator.matrix, rebuilt[0])
    own = _share((operator.apply_noisy(v, dg) - operator.apply(v))[:8], np.einsum("ni,nij->nj", v[:8], rebuilt))

    def rebuild() -> Float64Array:
        return transfer_matrix(g + dg[0], TERMINATED)

    ours, peer = _median_pair(lambda: operator.refreshed(dg[0]), rebuild, turns=9, inner=20)
    yield _row(f"T of {side}x{side} after fresh noise (s)", ours, peer, "full rebuild", target=100.0)
    yield _limit(f"noise signal missed by it, {100 * NOISE:g} % noise (%)", 100 * missed, LIMIT_MISSED_PERCENT)
    ours, peer = _median_pair(lambda: operator.apply_noisy(v, dg), rebuild, turns=9)
    name = f"currents of {side}x{side} with fresh noise for every vector (s a vector)"
    yield _row(name, ours / VECTORS, peer, "full rebuild", target=100.0)
    yield _limit(f"noise signal missed by it, {100 * NOISE:g} % noise (%)", 100 * own, LIMIT_MISSED_PERCENT)


def _gated(side: int = 256) -> Iterator[dict[str, Any]]:
    """Time a ternary matrix in the peer's mapping: two row lines an input, four cells a weight."""
    rng = stream(1, "bench", "wires", "gated")
    weight = rng.choice([-1, 0, 1], (side, side), p=[0.3, 0.4, 0.3])
    x = rng.choice([-1, 0, 1], (VECTORS, side), p=[0.3, 0.4, 0.3])
    plus, minus = np.where(weight > 0, 30e-6, 5e-6), np.where(weight < 0, 30e-6, 5e-6)
    g = np.ascontiguousarray(np.block([[plus, minus], [minus, plus]]))
    v = 0.2 * np.concatenate([x > 0, x < 0], axis=1)
    a, b = x.astype(np.float32), np.ascontiguousarray(weight.astype(np.float32))
    ours, product = _median_pair(lambda: column_currents(g, v, COLUMN_WIRES), lambda: a @ b, turns=15, inner=1)
    name = f"gated1t1r wires, TNN_I, ternary {side}x{side}, batch {VECTORS} (plain products)"
    published = "analog-cim-sim 68e3bdc, published with the same baseline"
    yield _row(name, ours / product, PEER_GATED, published, target=10.0)


def _array(side: int) -> Float64Array:
    return stream(1, "bench", "wires", side).uniform(1e-6, 1e-4, (side, side))


def _inputs(side: int) -> Float64Array:
    return stream(1, "bench", "wires", "inputs").uniform(0.0, 0.2, (VECTORS, side))


def _median_pair(
    ours: Callable[[], Any], theirs: Callable[[], Any], *, turns: int, inner: int = 1
) -> tuple[float, float]:
    """Return the median seconds of two functions called in turn, ours ``inner`` times a turn, on the same machine."""
    spent: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    for _ in range(turns):
        for function, times, calls in ((ours, spent[0], inner), (theirs, spent[1], 1)):
            started = time.perf_counter()
            for _ in range(calls):
                function()
            times.append((time.perf_counter() - started) / calls)
    return statistics.median(spent[0]), statistics.median(spent[1])


def _agree(ours: Float64Array, theirs: Float64Array) -> None:
    apart = float(np.abs(ours / theirs - 1).max())
    if apart > AGREEMENT:
        message = f"our currents and badcrossbar's must agree to {AGREEMENT:g}, but are {apart:.1e} apart"
        raise VerificationError(message)


def _share(approximate: Float64Array, exact: Float64Array) -> float:
    return float(np.linalg.norm(approximate - exact) / np.linalg.norm(exact))


def _row(name: str, ours: float, peer: float, peer_name: str, *, target: float) -> dict[str, Any]:
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": peer / ours, "target": target}


def _limit(name: str, ours: float, most: float) -> dict[str, Any]:
    return _row(name, ours, most, "limit", target=1.0)
