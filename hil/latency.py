"""Scores a slow target for what its lateness costs: in meaning, and in sends that come late or not at all.

The rule is STARE's: at each reference time the last answer that was finished strictly before it counts, however old
the window it is about. The reference is judged by the same rule and answers without delay, so a fast and exact target
scores as well as can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from hil.errors import InvalidValueError
from hil.replay import Replay, Timed
from hil.sep.gate import DistanceGate
from hil.sep.vectors import unit64
from hil.types import BoolArray, Float32Array, Float64Array, Int64Array, read_only

__all__ = ["Answers", "LatencyScore", "follow", "last_finished_before", "score"]

SAMPLE_US = 2_000  # STARE samples its ground truth at 500 Hz
NO_ANSWER = -1

Packet = TypeVar("Packet", bound=Timed)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a target said, and when.

    Attributes:
        about_us: (n,) int64 stream time at which each answered window was complete.
        finished_us: (n,) int64 stream time at which the answer was there, never decreasing.
        embeddings: (n, d_out) float32 of any length.
        sent: (n,) whether the gate let it through.
    """

    about_us: Int64Array
    finished_us: Int64Array
    embeddings: Float32Array
    sent: BoolArray

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and answers from the future."""
        for name, dtype in (("about_us", "i8"), ("finished_us", "i8"), ("embeddings", "f4"), ("sent", "?")):
            object.__setattr__(self, name, read_only(getattr(self, name), dtype))
        lengths = {len(self.about_us), len(self.finished_us), len(self.embeddings), len(self.sent)}
        if self.embeddings.ndim != 2 or len(lengths) != 1:
            message = f"answers need one row of embeddings and one time each, but got lengths {sorted(lengths)}"
            raise InvalidValueError(message)
        if (self.finished_us < self.about_us).any() or (np.diff(self.finished_us) < 0).any():
            message = "answers must be finished in order, and not before their windows are complete"
            raise InvalidValueError(message)

    @classmethod
    def at_once(cls, about_us: Int64Array, embeddings: Float32Array, *, threshold: float) -> Answers:
        """Return what a target without any delay answers."""
        return cls(about_us, about_us, embeddings, DistanceGate(threshold).run(embeddings).sent)

    def without_delay(self) -> Answers:
        """Return the same answers as if each had been finished when its window was complete."""
        return Answers(self.about_us, self.about_us, self.embeddings, self.sent)


def follow(replay: Replay[Packet], answer: Callable[[Packet], Float32Array], *, threshold: float) -> Answers:
    """Let a target answer packet after packet while the stream goes on.

    Args:
        replay: A queue of one packet that drops the oldest always hands out the newest window, as STARE samples.
        answer: Returns the (d_out,) embedding of a packet; on a virtual clock it advances the clock by what the
            target would take.
        threshold: Of the gate: cosine distance to the last sent embedding.
    """
    about: list[int] = []
    finished: list[int] = []
    rows: list[Float32Array] = []
    for packet in replay:
        rows.append(answer(packet))
        about.append(packet.end_us)
        finished.append(max(packet.end_us, round(replay.stream_time_us())))
    embeddings = np.stack(rows) if rows else np.empty((0, 0), np.float32)
    sent = DistanceGate(threshold).run(embeddings).sent
    return Answers(np.array(about, np.int64), np.array(finished, np.int64), embeddings, sent)


def last_finished_before(finished_us: Int64Array, at_us: Int64Array) -> Int64Array:
    """Return (n_times,) the index of the last answer finished strictly before each time, -1 where there is none."""
    return np.searchsorted(finished_us, at_us, side="left").astype(np.int64) - 1


@dataclass(frozen=True, slots=True)
class LatencyScore:
    """What lateness cost.

    Attributes:
        samples: Reference times judged.
        unanswered: Share of them at which the target had not answered anything yet; they count as cosine 0.
        cosine: Mean cosine between what the target said last and what the reference said last.
        cosine_without_delay: The same, had every answer of the target been there at once; the difference is the cost.
        age_p50_us: Median age of the window that the target's last answer is about.
        age_max_us: The oldest.
        sends: Sends of the reference.
        sends_late: Those the target made as well, but more than the tolerance later.
        sends_missed: Those it did not make before the reference's next send.
        sends_extra: Sends of the target that answer none of the reference.
        send_delay_p50_us: Median delay of the sends it made, None without any.
        send_delay_max_us: The longest.
    """

    samples: int
    unanswered: float
    cosine: float
    cosine_without_delay: float
    age_p50_us: float | None
    age_max_us: float | None
    sends: int
    sends_late: int
    sends_missed: int
    sends_extra: int
    send_delay_p50_us: float | None
    send_delay_max_us: float | None

    def as_document(self) -> dict[str, Any]:
        """Return the score as JSON-ready values."""
        return asdict(self)


def score(
    reference: Answers, actual: Answers, *, same_meaning: float, tolerance_us: int, sample_us: int = SAMPLE_US
) -> LatencyScore:
    """Judge a target's answers against the reference's.

    Args:
        reference: What exact software says without delay.
        actual: What the target said.
        same_meaning: Cosine distance up to which a send of the target says what the reference's says, as the gate's.
        tolerance_us: Delay up to which a send is in time.
        sample_us: Step between reference times, which run from the first answer of the reference to its last.

    Raises:
        InvalidValueError: The reference never answered, or embeddings differ in size.
    """
    if not len(reference.about_us) or (len(actual.about_us) and actual.embeddings.shape[1] != _d_out(reference)):
        message = f"the reference must answer in the target's dimensions, but got {reference.embeddings.shape}"
        raise InvalidValueError(message)
    at_us = np.arange(reference.finished_us[0] + 1, reference.finished_us[-1] + 2, sample_us, dtype=np.int64)
    used = last_finished_before(actual.finished_us, at_us)
    answered = used != NO_ANSWER
    ages_us = at_us[answered] - actual.about_us[used[answered]]
    delays_us, extra = _delays(reference, actual, same_meaning)
    made = delays_us[delays_us >= 0]
    return LatencyScore(
        samples=len(at_us),
        unanswered=float(1 - answered.mean()),
        cosine=_mean_cosine(reference, actual, at_us),
        cosine_without_delay=_mean_cosine(reference, actual.without_delay(), at_us),
        age_p50_us=float(np.median(ages_us)) if ages_us.size else None,
        age_max_us=float(ages_us.max()) if ages_us.size else None,
        sends=len(delays_us),
        sends_late=int((made > tolerance_us).sum()),
        sends_missed=len(delays_us) - len(made),
        sends_extra=extra,
        send_delay_p50_us=float(np.median(made)) if made.size else None,
        send_delay_max_us=float(made.max()) if made.size else None,
    )


def _d_out(answers: Answers) -> int:
    return int(answers.embeddings.shape[1])


def _mean_cosine(reference: Answers, actual: Answers, at_us: Int64Array) -> float:
    expected = unit64(reference.embeddings)[last_finished_before(reference.finished_us, at_us)]
    used = last_finished_before(actual.finished_us, at_us)
    cosines = np.zeros(len(at_us))
    answered = used != NO_ANSWER
    if answered.any():
        said = unit64(actual.embeddings)[used[answered]]
        cosines[answered] = (expected[answered] * said).sum(axis=1)
    return float(cosines.mean())


def _delays(reference: Answers, actual: Answers, same_meaning: float) -> tuple[Float64Array, int]:
    """Return, per send of the reference, how much later the target sent that meaning (-1 for missed), and the rest.

    A send of the reference is answered by the target's first send of the same meaning about the same or a later
    window, finished before the reference's next send; one send answers one.
    """
    wanted, sent = np.flatnonzero(reference.sent), np.flatnonzero(actual.sent)
    ends_us = np.append(reference.finished_us[wanted][1:], np.iinfo(np.int64).max)
    meanings, said = unit64(reference.embeddings)[wanted], unit64(actual.embeddings)[sent]
    delays_us = np.full(len(wanted), -1.0)
    taken = np.zeros(len(sent), np.bool_)
    for i, window in enumerate(wanted):
        since_us = reference.about_us[window]
        free = ~taken & (actual.about_us[sent] >= since_us) & (actual.finished_us[sent] < ends_us[i])
        alike = free & (1 - said @ meanings[i] <= same_meaning) if len(sent) else free
        if alike.any():
            first = int(np.flatnonzero(alike)[0])
            taken[first] = True
            delays_us[i] = float(actual.finished_us[sent[first]] - reference.finished_us[window])
    return delays_us, int((~taken).sum())
