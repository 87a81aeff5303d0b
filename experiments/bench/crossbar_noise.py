"""Noise on crossbars beside the plain product, and whole networks beside what a stream needs, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np

from emulators.compute import NumpyCompute, Pass
from emulators.config import CrossbarConfig
from emulators.converters import Adc
from emulators.crossbar import CrossbarBackend, CrossbarSession
from emulators.operators import LinearOperator
from hil.network import Requantisation, TernaryLayer, TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import load
from hil.rng import stream
from hil.types import Int8Array, Int64Array

__all__ = ["run"]

REPEATS: Final = 15
PEER_CYCLE_NOISE: Final = 2300.0  # analog-cim-sim 68e3bdc, TNN_I + C2C, 256 x 256, 64 vectors, over a numpy product
SIZES: Final = (2312, 512, 384)
WINDOWS: Final = 2000
STEP_US: Final = 10_000
STREAM_REPEATS: Final = 5
LIMIT_PROGRAMMING_S: Final = 60.0
STREAMS: Final = (
    ("parallel inputs", {"inputs": "parallel"}, 2000.0),
    ("bit-serial inputs", {"inputs": "bit_serial"}, 300.0),
)


def _median_pair(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Return the median seconds of two functions called in turn, so that both meet the same machine."""
    spent: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    for _ in range(REPEATS):
        for function, times in zip((ours, theirs), spent, strict=True):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
    return statistics.median(spent[0]), statistics.median(spent[1])


def _row(name: str, ours: float, peer: float, peer_name: str, ratio: float, target: float) -> dict[str, Any]:
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio, "target": target}


def _fresh_noise(rows: int = 1024, columns: int = 384, batch: int = 256) -> dict[str, Any]:
    """Time fresh Gaussian noise in every cell, by moments, beside the product without noise."""
    rng = stream(1, "bench", "crossbar", "fresh")
    matrix = rng.normal(size=(rows, columns))
    x = rng.integers(-20, 21, (batch, rows)).astype(np.float64)
    operator = LinearOperator(matrix, (0.1 * matrix) ** 2, np.zeros(rows))
    bank = Adc(None).bank(np.zeros(columns), np.ones(columns), signed=True, rng=rng)
    straight, keys = np.tile([1.0, 0.0], (columns, 1)), rng.integers(2**64, size=batch, dtype=np.uint64)
    job = Pass(x, operator, None, np.zeros(batch), bank, straight, keys, 0, np.ones(batch, bool), 1.0)
    compute = NumpyCompute()
    ours, peer = _median_pair(lambda: compute.run(job, compute.sums(batch, columns)), lambda: x @ matrix)
    name = f"fresh read noise in every cell, {rows}x{columns}, batch {batch} (s)"
    return _row(name, ours, peer, "numpy float64 product without noise", peer / ours, 0.2)


def _ternary(rng: np.random.Generator, fan_in: int, channels: int, *, last: bool) -> TernaryLayer:
    shift = np.full(channels, 20, np.uint8)
    rule = Requantisation(np.full(channels, round(2**20 * 8.0 / np.sqrt(fan_in)), np.int32), shift)
    weight = rng.integers(-1, 2, (channels, fan_in), dtype=np.int8)
    return TernaryLayer(weight, np.zeros(channels, np.int32), 0.05, None if last else rule)


def _cycle_noise(side: int = 256, batch: int = 64) -> dict[str, Any]:
    """Time a ternary matrix in the peer's mapping with its cycle noise, in units of a plain product."""
    rng = stream(1, "bench", "crossbar", "cycle")
    network = TernaryNetwork("cycle", (_ternary(rng, side, side, last=True),), np.ones(side, np.float32))
    options = {"tile": f"{2 * side}x{side}", "mapping": "tnn_i", "cycle_on": "3", "cycle_off": "3"}
    session = CrossbarBackend(
        load("presets", "ideal"), CrossbarConfig.parse({**options, "adc_bits": "lossless", "inputs": "bit_serial"})
    ).program(network, seed=1)
    x = rng.integers(-1, 2, (batch, side), dtype=np.int8)
    a, b = x.astype(np.float32), np.ascontiguousarray(network.layers[0].weight.T.astype(np.float32))
    keys, t_s = rng.integers(2**64, size=batch, dtype=np.uint64), np.ones(batch)
    ours, product = _median_pair(lambda: session.engines[0].accumulate(x, keys=keys, t_s=t_s), lambda: a @ b)
    name = f"cycle noise, TNN_I, ternary {side}x{side}, batch {batch} (plain products)"
    published = "analog-cim-sim 68e3bdc, published with the same baseline"
    return _row(name, ours / product, PEER_CYCLE_NOISE, published, PEER_CYCLE_NOISE * product / ours, 100.0)


def _programmed(options: dict[str, str]) -> CrossbarSession:
    rng = stream(1, "bench", "crossbar", "network")
    pairs = list(pairwise(SIZES))
    layers = tuple(_ternary(rng, i, o, last=k == len(pairs) - 1) for k, (i, o) in enumerate(pairs))
    network = TernaryNetwork("stream", layers, np.ones(SIZES[-1], np.float32))
    config = CrossbarConfig.parse({"wires": "1", "read_noise": "off", **options})
    return CrossbarBackend(load("presets", "pcm_nandakumar2019"), config).program(network, seed=1)


def _windows_per_second(session: CrossbarSession, features: Int8Array, t_us: Int64Array) -> float:
    started = time.perf_counter()
    session.infer(features, t_us=t_us)
    return len(features) / (time.perf_counter() - started)


def _programming() -> dict[str, Any]:
    """Time writing, solving and calibrating the network of the streams, which a session does once."""
    started = time.perf_counter()
    with _programmed({}) as session:
        elapsed_s = time.perf_counter() - started
        arrays = sum(engine.tiling.arrays for engine in session.engines)
    name = f"program it: {arrays} arrays of 128x128 written, wires solved, converters calibrated (s)"
    return _row(name, elapsed_s, LIMIT_PROGRAMMING_S, "limit", LIMIT_PROGRAMMING_S / elapsed_s, 1.0)


def _stream(name: str, options: dict[str, str], target: float) -> dict[str, Any]:
    """Count windows a second through drifting cells, wires and 8-bit converters, once programmed: the best of a few.

    There is nothing of a peer to time beside it, so a moment in which the machine does something else would count
    against us alone.
    """
    rng = stream(1, "bench", "crossbar", "stream")
    active = rng.random((WINDOWS, SIZES[0])) < 0.05
    features = np.where(active, rng.integers(1, 6, active.shape), 0).astype(np.int8)
    t_us = STEP_US * np.arange(1, WINDOWS + 1, dtype=np.int64)
    with _programmed(options) as session:
        rate = max(_windows_per_second(session, features, t_us) for _ in range(STREAM_REPEATS))
    sizes = "->".join(map(str, SIZES))
    label = f"{sizes} on 128x128 tiles, wires, drift, 8-bit converters, {name} (windows/s)"
    return _row(label, rate, target, "what a stream of windows needs", rate / target, 1.0)


def _rows() -> Iterator[dict[str, Any]]:
    yield _fresh_noise()
    yield _cycle_noise()
    for name, options, target in STREAMS:
        yield _stream(name, options, target)
    yield _programming()


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return one row per figure; a ratio at or above its target is good.

    Args:
        on_progress: Called with the figures done.
    """
    total, rows = 3 + len(STREAMS), []
    for row in _rows():
        rows.append(row)
        on_progress(len(rows), total)
    return rows
