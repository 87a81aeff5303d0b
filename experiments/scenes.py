"""Emulated samples to learn from, by name: what the camera model sees of things that move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from experiments.datasets import LabelledRecordings
from hil.errors import ConfigError, UnknownNameError
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import EventBatch, Geometry

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


def _gestures(count: int, seed: int, held_out: bool, on_progress: OnProgress) -> LabelledRecordings:  # noqa: FBT001
    """Show people who gesture, a new person each time."""
    from emulators.scenes import gestures

    return _drawn(gestures.LABELS, gestures.recording, gestures.GEOMETRY, count, (seed, held_out), on_progress)


def _shapes(count: int, seed: int, held_out: bool, on_progress: OnProgress) -> LabelledRecordings:  # noqa: FBT001
    """Show shapes that drift and turn, of another size, light and path each time."""
    from emulators.scenes import shapes

    return _drawn(shapes.LABELS, shapes.recording, shapes.GEOMETRY, count, (seed, held_out), on_progress)


def _drawn(
    classes: tuple[str, ...],
    record: Callable[..., EventBatch],
    geometry: Geometry,
    count: int,
    which: tuple[int, bool],
    on_progress: OnProgress,
) -> LabelledRecordings:
    """Return equally many recordings of each class, every one with a seed of its own."""
    seed, held_out = which
    labels = tuple(classes[i % len(classes)] for i in range(count))
    samples = []
    for i, label in enumerate(labels):
        own_seed = int(stream(seed, "emulated", int(held_out), i).integers(2**31))
        samples.append(record(label, seed=own_seed))
        on_progress(i + 1, count)
    return LabelledRecordings(tuple(samples), labels, geometry)


KINDS: Mapping[str, Emulation] = MappingProxyType({"digits": _digits, "gestures": _gestures, "shapes": _shapes})


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
