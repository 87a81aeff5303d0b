"""Where does noise help? Read noise as samples, as dither, and bit-streams in place of numbers, each against its rival.

Three questions, each answered beside the deterministic network that needs no noise:

``samples``
    Averaging the answers of several noisy reads gives a confidence. Is it better calibrated, and does it know better
    what to leave out, than the confidence of one exact answer? Both get one temperature, fitted on other recordings.
``dither``
    A coarse converter loses what lies between its steps. Does read noise, averaged over reads, bring it back?
``streams``
    Inputs as random bits need only binary drivers. How many reads until the answers are as good as those of eight
    exact binary passes, one per bit?

Run as a program it prints the tables: ``python -m experiments.noise_as_feature DATASET``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from experiments.datasets import class_indices, features_of, load_dataset
from experiments.evaluation import classes_of, split_of
from experiments.scoring import outputs_of
from experiments.uncertainty import (
    confidences,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    selective_accuracy,
)
from hil.errors import InvalidValueError
from hil.inference import infer
from hil.network import TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import load_network, open_target
from hil.rng import stream
from hil.sep.vectors import unit64
from hil.types import FeatureBatch, Float32Array, Int8Array, Int64Array
from quant.retuning import exact_accumulators

__all__ = ["Config", "Row", "bit_streams", "run", "table"]


@dataclass(frozen=True, slots=True)
class Config:
    """What is compared.

    Attributes:
        dataset: Recordings; half of those held out fit the temperature, the other half are scored.
        network: Name or path.
        noise: Deviation of one read as a share of the on conductance, for ``samples``.
        reads: How many reads are averaged.
        adc_bits: Resolutions for ``dither``.
        dither: Deviations of one read for ``dither``.
        lengths: Bits of a stream for ``streams``.
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
    windows: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to answer, and how good its answers are.

    Attributes:
        question: ``samples``, ``dither`` or ``streams``.
        what: The way, in words.
        reads: Reads of the array, or bits of the stream, per answer.
        accuracy: Share of right answers.
        calibration_error: Expected calibration error.
        log_loss: Negative log-likelihood of the right class.
        kept_90: Accuracy of the most confident nine tenths.
        fidelity: Mean cosine of the averaged embedding to the exact one.
    """

    question: str
    what: str
    reads: int
    accuracy: float
    calibration_error: float
    log_loss: float
    kept_90: float
    fidelity: float


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """One network with windows to calibrate and to score on."""

    network: TernaryNetwork
    features: Int8Array
    labels: Int64Array
    exact: Float32Array
    seed: int

    def row(self, question: str, what: str, samples: Float32Array, reads: int) -> Row:
        """Score (reads, n, d_out) outputs; even windows fit the temperature, odd ones are scored."""
        captions = self.network.captions
        if captions is None:
            raise InvalidValueError(f"network {self.network.name!r} has no captions to be scored against")
        cosines = unit64(samples) @ captions.vectors.T.astype(np.float64)
        temperature = fit_temperature(cosines[:, ::2], self.labels[::2])
        probabilities = confidences(cosines[:, 1::2], temperature).mean(axis=0)
        labels, chosen = self.labels[1::2], probabilities.argmax(axis=1)
        confidence, correct = probabilities.max(axis=1), chosen == labels
        return Row(
            question,
            what,
            reads,
            float(correct.mean()),
            expected_calibration_error(confidence, correct),
            negative_log_likelihood(probabilities, labels),
            selective_accuracy(confidence, correct, coverage=0.9),
            self.fidelity(samples),
        )

    def fidelity(self, samples: Float32Array) -> float:
        """Return the mean cosine of the averaged samples to the exact outputs."""
        return float((unit64(samples.mean(axis=0, dtype=np.float64)) * unit64(self.exact)).sum(axis=1).mean())

    def read(self, target: str, reads: int) -> Float32Array:
        """Return (reads, n, d_out) outputs of one array, read again and again; its cells stay as they were written."""
        length_us = self.network.features.window_us if self.network.features else 1
        n = len(self.features)
        passes = []
        with open_target(target).program(self.network, seed=self.seed) as session:
            for k in range(reads):
                starts_us = (np.arange(n, dtype=np.int64) + k * n) * length_us
                batch = FeatureBatch(self.features, starts_us, starts_us + length_us, np.zeros(n, np.int64))
                passes.append(infer(session, self.network, batch).outputs)
        return np.stack(passes)


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Row, ...]:
    """Return every way to answer, the deterministic ones first."""
    bench = _bench(config)
    rows = [bench.row("samples", "exact software", bench.exact[None], 1)]
    total = len(config.noise) + len(config.adc_bits) * len(config.dither) + len(config.lengths)
    for deviation in config.noise:
        outputs = bench.read(_target(deviation, "adc_bits=lossless"), max(config.reads))
        rows += [bench.row("samples", f"read noise {deviation:g}", outputs[:k], k) for k in config.reads]
        on_progress(len(rows), total)
    for bits in config.adc_bits:
        for deviation in config.dither:
            count = max(config.reads) if deviation else 1
            outputs = bench.read(_target(deviation, f"adc_bits={bits}"), count)
            rows.append(bench.row("dither", f"{bits}-bit converter, read noise {deviation:g}", outputs, count))
            on_progress(len(rows), total)
    rows.append(bench.row("streams", "eight exact binary passes", bench.exact[None], 8))
    for length in config.lengths:
        outputs = bit_streams(bench.network, bench.features, length, rng=stream(config.seed, "streams", length))
        rows.append(bench.row("streams", "random bits", outputs[None], length))
    return tuple(rows)


def _bench(config: Config) -> _Bench:
    network = load_network(config.network)
    if network.features is None:
        raise InvalidValueError(f"network {network.name!r} does not say how events become its input")
    recordings = load_dataset(Path(config.dataset))
    held = recordings.part(split_of(network, recordings)[1][: config.windows])
    features = features_of(held, network.features)
    labels = class_indices(held.labels, classes_of(network))
    exact = outputs_of(network, features, backend=open_target("ternary"), seed=config.seed)
    return _Bench(network, features, labels, exact, config.seed)


def _target(deviation: float, options: str) -> str:
    cycle = 100.0 * deviation  # microsiemens, of the ideal preset's on level
    noise = f"cycle_on={cycle:g}&cycle_off={cycle:g}&" if deviation else ""
    return f"crossbar:ideal?{noise}{options}&column_fit=off&energy=off"


def bit_streams(network: TernaryNetwork, features: Int8Array, length: int, *, rng: np.random.Generator) -> Float32Array:
    """Return (n, d_out) outputs when the first layer's inputs are streams of random bits.

    An input x of at most A is a one with probability x / A in each of ``length`` reads; the counts of all reads,
    times A / length, stand in for the sum. The layers after it are exact. Inputs are counts, so none is negative.

    Args:
        network: First layer dense.
        features: (n, d_in) int8, not negative.
        length: Bits of a stream.
        rng: Source of the bits.
    """
    largest = max(int(features.max(initial=1)), 1)
    ones = rng.binomial(length, np.maximum(features, 0) / largest)
    first, *rest = network.layers
    if first.patches is not None:
        raise InvalidValueError("bit-streams need a dense first layer, but it is a convolution")
    sums = (ones @ first.weight.T.astype(np.float64))[:, None, :] * (largest / length)
    biased = np.rint(sums).astype(np.int32) + first.bias
    if first.requantisation is None:
        return network.embed(first.fold(biased))
    hidden = first.fold(first.requantisation.apply(biased))
    behind = TernaryNetwork(network.name, tuple(rest), network.output_scale)
    return network.embed(exact_accumulators(behind, hidden)[-1] + np.repeat(rest[-1].bias, rest[-1].positions))


def table(rows: tuple[Row, ...]) -> str:
    """Return the rows as Markdown."""
    head = "| question | way | reads | accuracy | calibration error | log loss | best 90 % | cosine to exact |"
    lines = [
        f"| {row.question} | {row.what} | {row.reads} | {row.accuracy:.1%} | {row.calibration_error:.3f} | "
        f"{row.log_loss:.3f} | {row.kept_90:.1%} | {row.fidelity:.4f} |"
        for row in rows
    ]
    return "\n".join([head, "| --- | --- " + "| ---: " * 6 + "|", *lines])


if __name__ == "__main__":
    click.echo(table(run(Config(sys.argv[1]))))
