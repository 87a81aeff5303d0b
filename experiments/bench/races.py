"""One row of a race on events: both sides take turns, and each is as fast as its fastest turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Contest", "race"]


class Contest(Protocol):
    """What a row says of a race."""

    @property
    def name(self) -> str:
        """Of the row."""
        ...

    @property
    def peer_name(self) -> str:
        """Of the other side."""
        ...

    @property
    def target(self) -> float | None:
        """Least ratio, or None where we promise nothing."""
        ...


def race(
    contest: Contest, ours: Callable[[], float], peer: Callable[[], float], *, n_events: int, turns: int
) -> dict[str, Any]:
    """Return a row of millions of events a second.

    Args:
        contest: What is raced.
        ours: Takes our turn; returns its seconds.
        peer: Takes the peer's.
        n_events: Events a turn.
        turns: Of each side.
    """
    taken = [(ours(), peer()) for _ in range(turns)]
    ours_mev_s, peer_mev_s = (n_events / min(seconds) / 1e6 for seconds in zip(*taken, strict=True))
    return {
        "name": f"{contest.name} [Mev/s]",
        "ours": ours_mev_s,
        "peer": peer_mev_s,
        "peer_name": contest.peer_name,
        "ratio": ours_mev_s / peer_mev_s,
        "target": contest.target,
    }
