"""What every emulated session checks at its door, so that no substrate reads windows differently."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType

import numpy as np

from hil.errors import InvalidValueError
from hil.network import TernaryNetwork
from hil.types import Int8Array, Int64Array

__all__ = ["check_windows", "provenance"]


def check_windows(features: Int8Array, t_us: Int64Array, *, d_in: int) -> None:
    """Refuse windows that a network cannot take.

    Args:
        features: (n, d_in) int8.
        t_us: (n,) int64, never decreasing.
        d_in: Length of the network's input.

    Raises:
        InvalidValueError: Wrong dtype, shape or order.
    """
    if features.dtype != np.int8 or features.ndim != 2 or features.shape[1] != d_in:
        message = f"features must be (n, {d_in}) int8, but are {features.shape} {features.dtype}"
        raise InvalidValueError(message)
    if t_us.shape != (len(features),) or t_us.dtype != np.int64:
        message = f"t_us must be ({len(features)},) int64, one time per window, but is {t_us.shape} {t_us.dtype}"
        raise InvalidValueError(message)
    if (np.diff(t_us) < 0).any():
        message = "t_us must never decrease, but a window lies before the one in front of it"
        raise InvalidValueError(message)


def provenance(network: TernaryNetwork, *, substrate: str, **more: str) -> Mapping[str, str]:
    """Return what a telemetry says about who answered."""
    return MappingProxyType(
        {
            "substrate": substrate,
            "kind": "emulator",
            "version": version("neuromorphic-hil"),
            "network_sha256": network.digest,
            **more,
        }
    )
