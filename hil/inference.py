"""Programs a backend and runs many windows through it in pieces, so that whoever waits sees how far it is.

Noise belongs to the cell and the stream's clock, never to the call, so the cut changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from hil.blame import blamed_on
from hil.errors import InvalidValueError, LinkError
from hil.network import TernaryNetwork
from hil.ports import Backend, Session
from hil.progress import OnProgress, ignore_progress
from hil.types import FeatureBatch, Inference, LayerTrace, Telemetry

__all__ = ["infer", "merge_telemetry", "programmed"]

WINDOWS_PER_CALL = 256
SHARES = ("_rate", "_share", "_mean", "_ratio", "_per_inference")
LARGEST = ("_max", "_mm2")


@contextmanager
def programmed(
    backend: Backend,
    network: TernaryNetwork,
    *,
    seed: int,
    name: str | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[Session]:
    """Put a network on a backend, hand out the session and close it; whatever breaks in there names the target.

    Args:
        backend: The substrate.
        network: What to program.
        seed: Of everything random in it.
        name: What to call it in errors; its own name when not given.
        on_progress: Called while it is programmed, if it takes long.

    Raises:
        TargetFailedError: The backend or its session raised what nobody foresaw.
        HilError: What they raise on purpose.
    """
    name = backend.name if name is None else name
    with ExitStack() as stack:
        stack.enter_context(blamed_on(name, "closing"))
        with blamed_on(name, "programming"):
            session = stack.enter_context(backend.program(network, seed=seed, on_progress=on_progress))
        with blamed_on(name, "inferring"):
            yield session


def infer(
    session: Session,
    network: TernaryNetwork,
    features: FeatureBatch,
    *,
    trace: bool = False,
    name: str = "the target",
    on_progress: OnProgress = ignore_progress,
) -> Inference:
    """Return the answer to every window, asked for in batches; each window is inferred at its end.

    Args:
        session: The programmed substrate.
        network: What was programmed; answers are checked against its sizes.
        features: The windows, at least one.
        trace: Whether to return what each layer computed; a target that cannot say is taken as it is.
        name: What to call the target in errors.
        on_progress: Called with the windows done and their total.

    Raises:
        InvalidValueError: There are no windows, or they do not fit the network.
        LinkError: The answer has another shape than the question asks for, or is not finite.
    """
    if not len(features) or features.features.shape[1] != network.d_in:
        message = f"network {network.name!r} takes windows of {network.d_in} values, but got {features.features.shape}"
        raise InvalidValueError(message)
    parts, sizes = [], []
    for start in range(0, len(features), WINDOWS_PER_CALL):
        window = slice(start, start + WINDOWS_PER_CALL)
        part = session.infer(features.features[window], t_us=features.t_end_us[window], trace=trace)
        _check(part, network, n=len(features.features[window]), name=name)
        parts.append(part)
        sizes.append(len(part.outputs))
        on_progress(sum(sizes), len(features))
    return Inference(
        outputs=np.concatenate([part.outputs for part in parts]),
        telemetry=merge_telemetry([part.telemetry for part in parts], sizes),
        layers=_join([part.layers for part in parts]),
    )


def _check(answer: Inference, network: TernaryNetwork, *, n: int, name: str) -> None:
    if answer.outputs.shape != (n, network.d_out):
        raise LinkError(f"{n} windows have outputs {(n, network.d_out)}, but {name} gave {answer.outputs.shape}")
    if not np.isfinite(answer.outputs).all():
        wrong = np.count_nonzero(~np.isfinite(answer.outputs))
        raise LinkError(f"outputs must be finite, but {name} gave {wrong} that are not")
    shapes = [layer.activation.shape for layer in answer.layers]
    expected = [(n, layer.d_out) for layer in network.layers]
    if shapes and (shapes != expected or [layer.accumulator.shape for layer in answer.layers] != expected):
        raise LinkError(f"the layers of {n} windows have shapes {expected}, but {name} traced {shapes}")


def _join(parts: Sequence[tuple[LayerTrace, ...]]) -> tuple[LayerTrace, ...]:
    return tuple(
        LayerTrace(
            np.concatenate([layer.accumulator for layer in layers]),
            np.concatenate([layer.activation for layer in layers]),
        )
        for layers in zip(*parts, strict=True)
    )


def merge_telemetry(parts: Sequence[Telemetry], sizes: Sequence[int]) -> Telemetry:
    """Return what all parts of a batch cost together.

    Time and energy add up. Counters ending in ``_rate``, ``_share``, ``_mean``, ``_ratio`` or ``_per_inference`` are
    averaged over the windows, ``_max``, ``_min`` and a size in ``_mm2`` keep the extreme, ``_total`` counts since
    programming and keeps its latest value, and all others add up. A counter that some parts lack is merged of the rest.

    Args:
        parts: One per call, from one session.
        sizes: Windows in each.
    """
    first = parts[0]
    energies = [part.energy_joule for part in parts if part.energy_joule is not None]
    names = dict.fromkeys(name for part in parts for name in part.counters)
    return Telemetry(
        time_source=first.time_source,
        time=sum(part.time for part in parts),
        energy_source=first.energy_source,
        energy_joule=sum(energies) if energies else None,
        counters={name: _counter(name, parts, sizes) for name in names},
        provenance=first.provenance,
    )


def _counter(name: str, parts: Sequence[Telemetry], sizes: Sequence[int]) -> float:
    counted = [(part.counters[name], n) for part, n in zip(parts, sizes, strict=True) if name in part.counters]
    values = [value for value, _ in counted]
    if name.endswith(SHARES):
        return float(np.average(values, weights=[n for _, n in counted]))
    if name.endswith("_total"):
        return values[-1]
    if name.endswith(LARGEST):
        return max(values)
    return min(values) if name.endswith("_min") else sum(values)
