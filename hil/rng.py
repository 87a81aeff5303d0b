"""Every consumer of randomness owns a stream, so adding one never changes the numbers another draws."""

from __future__ import annotations

import hashlib

import numpy as np

from hil.errors import InvalidValueError

__all__ = ["stream"]


def stream(seed: int, *who: str | int) -> np.random.Generator:
    """Return the generator that belongs to one consumer under one seed.

    The name is hashed with SHA-256 into the entropy of a ``numpy.random.SeedSequence`` (O'Neill, 2014),
    so streams of different consumers are independent and the same on every platform.

    Args:
        seed: The experiment's seed, zero or positive.
        who: The consumer's path, for example ``("crossbar", "layer", 0, "read")``.

    Returns:
        A fresh PCG64 generator; equal arguments give equal streams.

    Raises:
        InvalidValueError: The seed is negative.

    Example:
        >>> bool(stream(1, "crossbar", 0).integers(100) == stream(1, "crossbar", 0).integers(100))
        True
    """
    if seed < 0:
        raise InvalidValueError(f"a seed must be zero or positive, but is {seed}")
    name = "\x1f".join(f"{type(part).__name__}:{part}" for part in who).encode()
    words = np.frombuffer(hashlib.sha256(name).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words.tolist()])))
