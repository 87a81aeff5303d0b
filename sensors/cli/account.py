"""The account of a replay, as a document and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.replay import Replay
    from sensors.windows import Window

__all__ = ["account_document", "account_text"]


def account_document(
    replay: Replay[Window], *, speed: float | None, packet_us: int, virtual: bool, left_out: int = 0
) -> dict[str, Any]:
    """Return what became of every event, how late packets were, and the settings that decided it.

    Args:
        replay: That was played.
        speed: Asked for; None is as fast as possible.
        packet_us: Length of a packet.
        virtual: Whether time was.
        left_out: Events at the end of the recording that are in no packet, by the rule for partial windows.
    """
    account, pace = replay.account, replay.pace
    return {
        "in": account.received,
        "delivered": account.delivered,
        "dropped": account.dropped,
        "queued": account.queued,
        "left_out": left_out,
        "packets": {
            "in": account.packets_received,
            "delivered": account.packets_delivered,
            "dropped": account.packets_dropped,
            "queued": account.packets_queued,
        },
        "lateness_us": replay.lateness.as_document(),
        "clock": "virtual" if virtual else "wall",
        "speed": speed,
        "policy": pace.policy,
        "queue": pace.capacity,
        "packet_us": packet_us,
        "step_locked": pace.step_locked,
        "held_s": round(replay.held_s, 6),
    }


def account_text(document: dict[str, Any]) -> list[str]:
    """Return the account as lines."""
    late, packets = document["lateness_us"], document["packets"]
    lines = [
        f"in {document['in']:,} = delivered {document['delivered']:,} + dropped {document['dropped']:,} "
        f"+ queued {document['queued']:,} events",
        f"in {packets['in']:,} packets of {document['packet_us']:,} us, late by p50 {late['p50'] / 1e3:.3f} ms, "
        f"p99 {late['p99'] / 1e3:.3f} ms, at most {late['max'] / 1e3:.3f} ms",
    ]
    if document["left_out"]:
        lines.append(f"{document['left_out']:,} events after the last full window are left out by the network's rule")
    if document["step_locked"]:
        lines.append(f"the stream stood still for {document['held_s']:.3f} s")
    return lines
