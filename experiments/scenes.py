"""Emulated samples to learn from, by name: what the camera model sees of things that move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from experiments.datasets import LabelledRecordings
from hil.errors import ConfigError, UnknownNameError
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream

__all__ = ["KINDS", "emulate"]

Emulation: TypeAlias = Callable[[int, int, bool, OnProgress], LabelledRecordings]


def _digits(count: int, seed: int, held_out: bool, on_progress: OnProgress) -> LabelledRecordings:  # noqa: FBT001
    """Show scikit-learn's handwritten digits; those held out are of other people than those learned from."""
    from emulators.scenes.digits import GEOMETRY, HELD_OUT_FROM, handwriting, recording

    images, labels = handwriting()
    pool = stream(seed, "emulated digits", int(held_out)).permutation(
        range(HELD_OUT_FROM, len(images)) if held_out else HELD_OUT_FROM
    )
    if count > len(pool):
        raise ConfigError(f"there are {len(pool)} handwritten digits to emulate, but {count} were asked for")
    samples = []
    for done, index in enumerate(pool[:count].tolist(), start=1):
        own_seed = int(stream(seed, "emulated digits", index).integers(2**31))
        samples.append(recording(images[index], seed=own_seed))
        on_progress(done, count)
    return LabelledRecordings(tuple(samples), tuple(str(labels[i]) for i in pool[:count]), GEOMETRY)


KINDS: Mapping[str, Emulation] = MappingProxyType({"digits": _digits})


def emulate(
    kind: str, count: int, *, seed: int, held_out: bool = False, on_progress: OnProgress = ignore_progress
) -> LabelledRecordings:
    """Return emulated samples with their labels.

    Args:
        kind: One of ``KINDS``.
        count: How many.
        seed: Decides which, their style, the camera and its noise.
        held_out: Draw from what is never learned from.
        on_progress: Called with the samples done and their number.

    Raises:
        UnknownNameError: The kind is unknown.
        ConfigError: There are fewer than ``count``.
    """
    if kind not in KINDS:
        raise UnknownNameError.of("kind of emulated samples", kind, list(KINDS))
    return KINDS[kind](count, seed, held_out, on_progress)
