"""Whether a board agrees with the exact reference in every integer, and with itself from one day to the next."""

from __future__ import annotations

import numpy as np

from hil.compare import Divergence
from hil.compare.layers import first_divergence
from hil.errors import VerificationError
from hil.network import TernaryNetwork
from hil.ports import Session
from hil.registry import open_target
from hil.types import Inference, Int8Array, Int64Array

__all__ = ["divergence_from_reference", "reference_inference", "repeats_exactly"]


def reference_inference(network: TernaryNetwork, features: Int8Array, *, t_us: Int64Array) -> Inference:
    """Return what the integer contract makes of (n, d_in) features, layer by layer."""
    with open_target("ternary").program(network, seed=0) as session:
        return session.infer(features, t_us=t_us, trace=True)


def divergence_from_reference(
    network: TernaryNetwork, features: Int8Array, answer: Inference, *, t_us: Int64Array
) -> Divergence | None:
    """Return where a traced answer first departs from the integer contract, or None.

    Raises:
        VerificationError: Nothing was traced, and a verification that compares nothing proves nothing.
    """
    if not len(features) or len(answer.layers) != len(network.layers):
        message = (
            f"a verification compares every layer of at least one window, but got {len(features)} windows and "
            f"{len(answer.layers)} of {len(network.layers)} layers"
        )
        raise VerificationError(message)
    return first_divergence(reference_inference(network, features, t_us=t_us), answer, network)


def repeats_exactly(session: Session, features: Int8Array, *, t_us: Int64Array, times: int = 3) -> bool:
    """Infer the same windows several times and say whether the answer was always the same."""
    first, *others = (session.infer(features, t_us=t_us).outputs for _ in range(times))
    return all(np.array_equal(first, other) for other in others)
