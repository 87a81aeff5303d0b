"""What the export formats share: one network has one encoding, and optional packages are explained when absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError, MissingDependencyError

if TYPE_CHECKING:
    from hil.network import TernaryLayer, TernaryNetwork
    from hil.types import Int8Array

__all__ = ["Integers", "exact_codes", "integers_of", "need", "refuse_altered"]

Integers = npt.NDArray[Any]


def refuse_altered(blob: bytes, network: TernaryNetwork, encode: Callable[[TernaryNetwork], bytes]) -> TernaryNetwork:
    """Return the network if the blob is its one encoding.

    Raises:
        FormatError: A byte differs from what ``encode`` writes for what was read.
    """
    written = encode(network)
    if written != blob:
        pairs = np.frombuffer(written[: len(blob)], np.uint8) != np.frombuffer(blob[: len(written)], np.uint8)
        where = int(np.argmax(pairs)) if pairs.any() else min(len(blob), len(written))
        raise FormatError(f"file was altered: byte {where} is not what this network is written as; export it again")
    return network


def integers_of(layer: TernaryLayer) -> dict[str, Integers]:
    """Return a layer's integers beside its weights, by name."""
    step = layer.requantisation
    return {"bias": layer.bias} | ({} if step is None else {"multiplier": step.multiplier, "shift": step.shift})


def exact_codes(values: Integers, who: str) -> Int8Array:
    """Return values as int8 codes.

    Raises:
        FormatError: A value is none of -1, 0, +1.
    """
    if not np.isin(values, (-1, 0, 1)).all():
        raise FormatError(f"{who} holds weights that are none of -1, 0, +1")
    codes: Int8Array = values.astype(np.int8)
    return codes


def need(package: str, purpose: str, *, extra: str = "export") -> Any:
    """Import an optional package.

    Args:
        package: Its import name.
        purpose: What it is needed for, as the start of a sentence.
        extra: What installs it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        raise MissingDependencyError.of(package.split(".", maxsplit=1)[0], extra=extra, purpose=purpose) from error
