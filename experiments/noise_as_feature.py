"""Where does noise help? Read noise as samples, as dither, and bit-streams in place of numbers, each against its rival.

Three questions, each answered beside the deterministic network that needs no noise:

``samples``
    Averaging the answers of several noisy reads gives a confidence. Is it better calibrated, and does it know better
    what to leave out, than the confidence of one exact answer?
``dither``
    A coarse converter loses what lies between its steps. Does read noise, averaged over reads, bring it back?
``streams``
    Inputs as random bits need only binary drivers. How many reads until the answers are as good as those of eight
    exact binary passes, one per bit?

Every way gets one temperature, fitted on other recordings as they are, and is scored on recordings as
they are and on the same ones with most events lost: a sensor that sees worse than the one it was calibrated with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.datasets import class_indices, features_of, load_dataset
from experiments.evaluation import classes_of, split_of
from experiments.scoring import outputs_of
from experiments.uncertainty import (
    bootstrap_deviation,
    confidences,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    selective_accuracy,
)
from hil.errors import InvalidValueError
from hil.inference import infer, programmed
from hil.network import CaptionSet, TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import load_network, open_target
from hil.rng import stream
from hil.sep.vectors import unit64
from hil.types import FeatureBatch, Float32Array, Float64Array, Int8Array, Int64Array
from quant.retuning import exact_accumulators

__all__ = ["COVERAGES", "Config", "Row", "bit_streams", "plot", "run", "table"]

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the answers that are kept, the most confident ones."""
FOLDS = 5
"""Each fifth of the recordings has the temperature of the others; with halves, one had no error to learn of."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is compared.

    Attributes:
        dataset: Recordings; those the network held out are scored.
        network: Name or path.
        noise: Deviation of one read as a share of the on conductance, for ``samples``.
        reads: How many reads are averaged.
        adc_bits: Resolutions for ``dither``.
        dither: Deviations of one read for ``dither``.
        lengths: Bits of a stream for ``streams``.
        kept_events: Shares of the events that reach the network; recordings as they are, 1, are always scored.
        windows: Most windows to score.
        seed: Of every random number.
    """

    dataset: str
    network: str = "digits"
    noise: tuple[float, ...] = (0.1, 0.3, 0.5)
    reads: tuple[int, ...] = (1, 4, 16)
    adc_bits: tuple[int, ...] = (3, 4, 5)
    dither: tuple[float, ...] = (0.0, 0.05, 0.2)
    lengths: tuple[int, ...] = (8, 32, 128, 512)
    kept_events: tuple[float, ...] = (0.3,)
    windows: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if not all(0.0 < kept <= 1.0 for kept in self.kept_events):
            raise InvalidValueError(f"kept_events are shares above 0 and up to 1, but are {self.kept_events}")
        if min((*self.reads, *self.lengths), default=0) < 1 or not self.reads:
            raise InvalidValueError(f"reads and lengths must be at least 1, but are {self.reads} and {self.lengths}")
        if self.windows < 2 * FOLDS:
            raise InvalidValueError(f"windows must be at least {2 * FOLDS} to fit on some and score others")


@dataclass(frozen=True, slots=True)
class Row:
    """One way to answer, and how good its answers are.

    Attributes:
        question: ``samples``, ``dither`` or ``streams``.
        what: The way, in words.
        level: Deviation of a read, or bits of the converter; 0 where there is none.
        reads: Reads of the array, or bits of the stream, per answer.
        kept_events: Share of the events that reached the network.
        accuracy: Share of right answers.
        calibration_error: Expected calibration error.
        calibration_deviation: Its standard deviation over windows drawn again (bootstrap).
        log_loss: Negative log-likelihood of the right class.
        kept_accuracy: Accuracy of the most confident shares ``COVERAGES``.
        fidelity: Mean cosine of the averaged embedding to the exact one of the same events.
    """

    question: str
    what: str
    level: float
    reads: int
    kept_events: float
    accuracy: float
    calibration_error: float
    calibration_deviation: float
    log_loss: float
    kept_accuracy: tuple[float, ...]
    fidelity: float


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to answer: how features become (reads, n, d_out) outputs, and what to call it."""

    question: str
    what: str
    level: float
    reads: int
    answer: Callable[[Int8Array], Float32Array]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """One network with windows to score on, by the share of their events that is left."""

    network: TernaryNetwork
    captions: CaptionSet
    features: dict[float, Int8Array]
    labels: Int64Array
    seed: int

    def rows(self, way: _Way) -> Iterator[Row]:
        """Score a way on every share of the events."""
        outputs = {kept: way.answer(features) for kept, features in self.features.items()}
        whole = self._cosines(outputs[1.0])
        for kept, samples in outputs.items():
            probabilities = _calibrated(self._cosines(samples), whole, self.labels)
            chosen = probabilities.argmax(axis=1)
            confidence, correct = probabilities.max(axis=1), chosen == self.labels
            rng = stream(self.seed, "bootstrap", way.what, way.reads)
            yield Row(
                question=way.question,
                what=way.what,
                level=way.level,
                reads=way.reads,
                kept_events=kept,
                accuracy=float(correct.mean()),
                calibration_error=expected_calibration_error(confidence, correct),
                calibration_deviation=bootstrap_deviation(expected_calibration_error, confidence, correct, rng=rng),
                log_loss=negative_log_likelihood(probabilities, self.labels),
                kept_accuracy=tuple(selective_accuracy(confidence, correct, coverage=share) for share in COVERAGES),
                fidelity=self._fidelity(samples, self.exact(self.features[kept])[0]),
            )

    def exact(self, features: Int8Array) -> Float32Array:
        """Return the (1, n, d_out) outputs of exact software."""
        return outputs_of(self.network, features, backend=open_target("ternary"), seed=self.seed)[None]

    def read(self, target: str, reads: int, features: Int8Array) -> Float32Array:
        """Return (reads, n, d_out) outputs of one array, read again and again; its cells stay as they were written."""
        length_us = self.network.features.window_us if self.network.features else 1
        n = len(features)
        passes = []
        with programmed(open_target(target), self.network, seed=self.seed, name=target) as session:
            for k in range(reads):
                starts_us = (np.arange(n, dtype=np.int64) + k * n) * length_us
                batch = FeatureBatch(features, starts_us, starts_us + length_us, np.zeros(n, np.int64))
                passes.append(infer(session, self.network, batch).outputs)
        return np.stack(passes)

    def _cosines(self, samples: Float32Array) -> Float64Array:
        return unit64(samples) @ self.captions.vectors.T.astype(np.float64)

    @staticmethod
    def _fidelity(samples: Float32Array, exact: Float32Array) -> float:
        return float((unit64(samples.mean(axis=0, dtype=np.float64)) * unit64(exact)).sum(axis=1).mean())


def _calibrated(cosines: Float64Array, whole: Float64Array, labels: Int64Array) -> Float64Array:
    """Return (n, classes) probabilities averaged over reads, each window's at a temperature that never saw it."""
    probabilities = np.empty(cosines.shape[1:])
    fold = np.arange(len(labels)) % FOLDS
    for k in range(FOLDS):
        temperature = fit_temperature(whole[:, fold != k], labels[fold != k])
        probabilities[fold == k] = confidences(cosines[:, fold == k], temperature).mean(axis=0)
    return probabilities


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Row, ...]:
    """Return every way to answer, the deterministic ones first."""
    bench = _bench(config)
    ways = list(_ways(config, bench))
    rows: list[Row] = []
    on_progress(0, len(ways))
    for done, way in enumerate(ways, start=1):
        rows += bench.rows(way)
        on_progress(done, len(ways))
    return tuple(rows)


def _bench(config: Config) -> _Bench:
    network = load_network(config.network)
    if network.features is None or network.captions is None:
        raise InvalidValueError(f"network {network.name!r} lacks features or captions, so it cannot be scored")
    recordings = load_dataset(Path(config.dataset))
    held = recordings.part(split_of(network, recordings)[1][: config.windows])
    whole = features_of(held, network.features)
    features = {kept: _thinned(whole, kept, config.seed) for kept in config.kept_events}
    labels = class_indices(held.labels, classes_of(network))
    return _Bench(network, network.captions, {1.0: whole} | features, labels, config.seed)


def _thinned(features: Int8Array, kept: float, seed: int) -> Int8Array:
    if kept == 1.0:
        return features
    return stream(seed, "thinned", f"{kept:g}").binomial(np.maximum(features, 0), kept).astype(np.int8)


def _ways(config: Config, bench: _Bench) -> Iterator[_Way]:
    yield _Way("samples", "exact software", 0.0, 1, bench.exact)
    for deviation in config.noise:
        for reads in config.reads:
            target = _target(deviation, "adc_bits=lossless")
            what = f"read noise {deviation:g}"
            yield _Way("samples", what, deviation, reads, lambda x, t=target, k=reads: bench.read(t, k, x))  # type: ignore[misc]
    for bits in config.adc_bits:
        for deviation in config.dither:
            reads = max(config.reads) if deviation else 1
            target = _target(deviation, f"adc_bits={bits}")
            what = f"{bits}-bit converter, read noise {deviation:g}"
            yield _Way("dither", what, bits, reads, lambda x, t=target, k=reads: bench.read(t, k, x))  # type: ignore[misc]
    yield _Way("streams", "eight exact binary passes", 0.0, 8, bench.exact)
    for length in config.lengths:
        yield _Way("streams", "random bits", 0.0, length, lambda x, n=length: _streamed(bench, x, n)[None])  # type: ignore[misc]


def _streamed(bench: _Bench, features: Int8Array, length: int) -> Float32Array:
    return bit_streams(bench.network, features, length, rng=stream(bench.seed, "streams", length))


def _target(deviation: float, options: str) -> str:
    cycle = 100.0 * deviation  # microsiemens, of the ideal preset's on level
    noise = f"cycle_on={cycle:g}&cycle_off={cycle:g}&" if deviation else ""
    return f"crossbar:ideal?{noise}{options}&column_fit=off&energy=off"


def bit_streams(network: TernaryNetwork, features: Int8Array, length: int, *, rng: np.random.Generator) -> Float32Array:
    """Return (n, d_out) outputs when the first layer's inputs are streams of random bits.

    An input x of at most A is a one with probability x / A in each of ``length`` reads; the counts of all reads,
    times A / length, stand in for the sum; a convolution meets the same stream at every position. The layers after it
    are exact. Inputs are counts, so none is negative.

    Args:
        network: What to run.
        features: (n, d_in) int8, not negative.
        length: Bits of a stream.
        rng: Source of the bits.
    """
    largest = max(int(features.max(initial=1)), 1)
    ones = rng.binomial(length, np.maximum(features, 0) / largest)
    first, *rest = network.layers
    counts: Any = ones
    sums = first.unfold(counts) @ first.weight.T.astype(np.float64) * (largest / length)
    biased = np.rint(sums).astype(np.int32) + first.bias
    if first.requantisation is None:
        return network.embed(first.fold(biased))
    hidden = first.fold(first.requantisation.apply(biased))
    behind = TernaryNetwork(network.name, tuple(rest), network.output_scale)
    return network.embed(exact_accumulators(behind, hidden)[-1] + np.repeat(rest[-1].bias, rest[-1].positions))


def table(rows: tuple[Row, ...]) -> str:
    """Return the rows as Markdown, one table per share of the events."""
    parts = []
    for kept in dict.fromkeys(row.kept_events for row in rows):
        head = "| question | way | reads | accuracy | calibration error | log loss | best 70 % | cosine to exact |"
        lines = [
            f"| {row.question} | {row.what} | {row.reads} | {row.accuracy:.1%} | {row.calibration_error:.3f} +- "
            f"{row.calibration_deviation:.3f} | {row.log_loss:.3f} | {row.kept_accuracy[COVERAGES.index(0.7)]:.1%} | "
            f"{row.fidelity:.4f} |"
            for row in rows
            if row.kept_events == kept
        ]
        parts.append("\n".join([f"{kept:.0%} of the events", "", head, "| --- | --- " + "| ---: " * 6 + "|", *lines]))
    return "\n\n".join(parts)


def plot(rows: tuple[Row, ...], path: Path) -> None:
    """Draw calibration against reads, accuracy against coverage, dither against bits, streams against length."""
    from experiments.noise_figure import draw

    draw(rows, path)
