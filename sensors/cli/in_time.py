"""``hil replay --target``: a target that answers while the recording goes on, scored for what its lateness costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hil.cli import Answer, progress_bar
from sensors.cli.account import account_document, account_text

if TYPE_CHECKING:
    from hil.ports import Recording
    from hil.replay import Pace

__all__ = ["answer_in_time"]


def answer_in_time(
    recording: Recording, pace: Pace, *, network: str, target: str, service_us: int | None, seed: int
) -> Answer:
    """Run the target and return the account with the score.

    The newest window only is answered, unless the caller chose a policy or a queue.
    """
    from hil.registry import load_network, open_target
    from sensors.realtime import NEWEST, run_in_time

    pace = replace(
        pace,
        policy=pace.policy if _chosen("policy") else NEWEST.policy,
        capacity=pace.capacity if _chosen("policy") or _chosen("capacity") else NEWEST.capacity,
    )
    encoder = load_network(network)
    with progress_bar(f"answering on {target}") as on_progress:
        run = run_in_time(
            recording,
            encoder,
            open_target(target),
            reference=open_target("ternary"),
            seed=seed,
            pace=pace,
            service_us=service_us,
            on_progress=on_progress,
        )
    window_us = encoder.features.window_us if encoder.features else 0
    document = account_document(
        run.replay, speed=pace.speed, packet_us=window_us, virtual=service_us is not None, left_out=run.events_left_out
    )
    document |= {"network": network, "target": target, "service_us": service_us, "latency": run.score.as_document()}
    return Answer(document, "\n".join([*account_text(document), *_score_text(document["latency"])]))


def _chosen(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _score_text(score: dict[str, Any]) -> list[str]:
    lines = [
        f"meaning: cosine {score['cosine']:.3f} to the exact answer of the moment, "
        f"{score['cosine_without_delay']:.3f} had it answered at once; {score['unanswered']:.1%} unanswered",
        f"sends: {score['sends']}, of them {score['sends_late']} late and {score['sends_missed']} missed; "
        f"{score['sends_extra']} more than the reference's",
    ]
    if score["age_p50_us"] is not None:
        lines.append(f"answers are {score['age_p50_us'] / 1e3:.1f} ms old, at most {score['age_max_us'] / 1e3:.1f} ms")
    if score["send_delay_p50_us"] is not None:
        p50, highest = score["send_delay_p50_us"] / 1e3, score["send_delay_max_us"] / 1e3
        lines.append(f"sends are {p50:.1f} ms late, at most {highest:.1f} ms")
    return lines
