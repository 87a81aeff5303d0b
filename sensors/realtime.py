"""Runs a network on a target while a recording goes on, and scores what the target's slowness costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.errors import InvalidValueError
from hil.inference import infer, programmed
from hil.latency import Answers, LatencyScore, follow, score
from hil.network import TernaryNetwork
from hil.ports import Backend, EventSource
from hil.progress import OnProgress, ignore_progress
from hil.replay import Pace, Replay, VirtualClock, WallClock
from hil.types import FeatureBatch, Float32Array
from sensors.features import FeatureEncoder, encode
from sensors.windows import TimeWindows, Window

__all__ = ["NEWEST", "TimedRun", "run_in_time"]

NEWEST = Pace(policy="drop-oldest", capacity=1)


@dataclass(frozen=True, slots=True, eq=False)
class TimedRun:
    """What became of a target that answered while a recording went on.

    Attributes:
        score: What its lateness cost.
        replay: With its account and how late windows were handed out.
        events_left_out: Events at the end of the recording that the network's rule for partial windows leaves out;
            neither the reference nor the target saw them.
    """

    score: LatencyScore
    replay: Replay[Window]
    events_left_out: int


def run_in_time(
    source: EventSource,
    network: TernaryNetwork,
    backend: Backend,
    *,
    reference: Backend,
    seed: int,
    pace: Pace = NEWEST,
    service_us: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> TimedRun:
    """Let a target answer window after window and judge it against exact software without delay.

    Args:
        source: Can be iterated twice: once for the reference, once for the target.
        network: The encoder.
        backend: The target.
        reference: What it is judged against.
        seed: Of the target's devices.
        pace: The default hands out the newest window only and forgets those in between.
        service_us: How long the target takes per window, for a run on a virtual clock that is the same every time;
            None measures real time.
        on_progress: Called with the windows answered and their total.

    Raises:
        InvalidValueError: The network does not say how events become its input, or the stream has no window.
    """
    spec = network.features
    if spec is None:
        message = f"network {network.name!r} does not say how events become its input; give one that does"
        raise InvalidValueError(message)
    features = encode(source, spec)
    expected = _reference(features, network, reference)
    if not len(expected.about_us):
        message = "the recording has no events, so there is nothing to answer"
        raise InvalidValueError(message)
    windows = TimeWindows(source, spec.window_us, last=spec.last_window, empty="skip")
    clock = WallClock() if service_us is None else VirtualClock()
    replay = Replay(windows, pace, clock=clock)
    encoder = FeatureEncoder(spec, source.geometry)
    with programmed(backend, network, seed=seed) as session:
        first_us = expected.about_us[:1]
        session.infer(np.zeros((1, network.d_in), np.int8), t_us=first_us)  # so that what loads once makes nothing late

        def answer(window: Window) -> Float32Array:
            row, _ = encoder.encode(window)
            inference = session.infer(row[None], t_us=np.array([window.end_us]))
            if isinstance(clock, VirtualClock):
                clock.advance((service_us or 0) * 1e-6)
            on_progress(replay.account.packets_received, len(expected.about_us))
            output: Float32Array = inference.outputs[0]
            return output

        actual = follow(replay, answer, threshold=network.gate_threshold)
    judged = score(expected, actual, same_meaning=network.gate_threshold, tolerance_us=spec.window_us)
    return TimedRun(judged, replay, features.events_left_out)


def _reference(features: FeatureBatch, network: TernaryNetwork, backend: Backend) -> Answers:
    if not len(features):
        return Answers.at_once(features.t_end_us, np.empty((0, network.d_out), np.float32), threshold=0.0)
    with programmed(backend, network, seed=0) as session:
        outputs = infer(session, network, features).outputs
    return Answers.at_once(features.t_end_us, outputs, threshold=network.gate_threshold)
