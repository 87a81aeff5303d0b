"""How late packets are when a recording is replayed at its own pace, read from a file all the while."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np

from hil.errors import VerificationError
from hil.lateness import Lateness
from hil.precedence import precedence
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_recording
from hil.replay import Looped, Replay, WallClock
from hil.rng import stream
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4
from sensors.windows import TimeWindows

__all__ = ["run"]

GEOMETRY: Final = Geometry(640, 480)
RECORDING_S: Final = 2
EVENTS_PER_S: Final = 1_000_000
PACKET_US: Final = 10_000
ALLOWED_MS: Final = 2.0


def run(
    on_progress: OnProgress = ignore_progress, *, duration_s: int = 60, realtime: bool = False
) -> list[dict[str, Any]]:
    """Return the 99th percentile of lateness at 1x in milliseconds, beside what we promise and what the system allows.

    Args:
        on_progress: Called with the seconds played and their total.
        duration_s: How long to play, and then to sleep; the promise is for ten minutes.
        realtime: Whether the replay goes before other programs; sleeping never does.

    Raises:
        VerificationError: An event was lost, although the policy is to block.
    """
    rounds = -(-duration_s // RECORDING_S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.aedat4"
        aedat4.write(path, [_events()], GEOMETRY)
        looped = Looped(open_recording(path), rounds)
        replay = Replay(TimeWindows(looped, PACKET_US, last="keep"))
        with precedence(realtime=realtime):
            for packet in replay:
                on_progress(packet.end_us // 1_000_000, rounds * RECORDING_S)
    account = replay.account
    if account.delivered != rounds * RECORDING_S * EVENTS_PER_S or account.dropped:
        raise VerificationError(f"a blocking replay loses nothing, but its account is {account}")
    ours_ms = replay.lateness.percentile_us(99) / 1e3
    bare_ms = _bare_sleep(rounds * RECORDING_S).percentile_us(99) / 1e3
    name = f"replay at 1x for {rounds * RECORDING_S} s, p99 lateness [ms]"
    return [
        _row(name, ours_ms, ALLOWED_MS, "the most allowed on an idle machine", target=1.0),
        _row(name, ours_ms, bare_ms, "the system alone: sleeping until the same moments", target=0.5),
    ]


def _row(name: str, ours_ms: float, peer_ms: float, peer_name: str, *, target: float) -> dict[str, Any]:
    ratio = peer_ms / ours_ms
    return {"name": name, "ours": ours_ms, "peer": peer_ms, "peer_name": peer_name, "ratio": ratio, "target": target}


def _bare_sleep(duration_s: int) -> Lateness:
    """Return how late a thread is that only sleeps: what the machine is like today."""
    clock, never, lateness = WallClock(), threading.Event(), Lateness()
    start_s = clock.now_s()
    for due_s in np.arange(1, duration_s * 1_000_000 // PACKET_US) * PACKET_US * 1e-6 + start_s:
        clock.wait_until(due_s, never)
        lateness.add(max(0.0, clock.now_s() - due_s) * 1e6)
    return lateness


def _events() -> EventBatch:
    rng = stream(0, "bench", "replay")
    n = RECORDING_S * EVENTS_PER_S
    x, y = rng.integers(0, GEOMETRY.width, n), rng.integers(0, GEOMETRY.height, n)
    return EventBatch(np.arange(n), x.astype(np.uint16), y.astype(np.uint16), rng.random(n) < 0.5)
