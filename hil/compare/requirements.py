"""What a caller may ask of a target: a metric by name and the bound it must keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from hil.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from hil.compare.comparison import TargetComparison

__all__ = ["METRICS", "Judgement", "Metric", "Requirement"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure a target can be judged by.

    Attributes:
        bound: ``>=`` where more is better, ``<=`` where less is.
        about: What it says.
        value: Reads it from a comparison; None where it could not be measured.
    """

    bound: Literal[">=", "<="]
    about: str
    value: Callable[[TargetComparison], float | None]


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "gate_agreement": Metric(
            ">=", "share of windows in which both gates decide the same", lambda x: x.agreement.gate_agreement
        ),
        "caption_agreement": Metric(
            ">=", "share of windows with the same nearest caption", lambda x: x.agreement.caption_agreement
        ),
        "belief_agreement": Metric(
            ">=",
            "share of windows at whose end both receivers hold the same caption true",
            lambda x: x.agreement.belief_agreement,
        ),
        "cosine_mean": Metric(">=", "mean cosine of the embeddings", lambda x: float(x.agreement.cosine.mean())),
        "cosine_min": Metric(
            ">=", "lowest cosine of the embeddings of a window", lambda x: float(x.agreement.cosine.min())
        ),
        "received_cosine": Metric(
            ">=", "mean cosine of what arrived and the reference's embedding", lambda x: x.agreement.received_cosine
        ),
        "delivery": Metric(">=", "share of sent messages that arrived", lambda x: x.agreement.delivery),
        "accuracy": Metric(
            ">=", "share of labelled windows whose nearest caption is the true one", lambda x: x.agreement.accuracy
        ),
        "layer_error": Metric(
            "<=",
            "largest relative root-mean-square error of a layer's accumulators",
            lambda x: max((layer.relative for layer in x.layers), default=None),
        ),
        "gate_flips": Metric(
            "<=",
            "windows in which the gates decide differently",
            lambda x: float(x.agreement.extra_sends + x.agreement.missed_sends),
        ),
        "wire_bytes": Metric(
            "<=", "framed bytes the sender puts on one link", lambda x: float(x.trace.wire.wire_bytes)
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A requirement and what became of it.

    Attributes:
        requirement: What was asked.
        value: What was measured; None where it could not be, which does not meet anything.
        met: Whether the value keeps the bound.
    """

    requirement: Requirement
    value: float | None
    met: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """A metric and its bound: a lower one where more is better, otherwise an upper one.

    Attributes:
        metric: A name of ``METRICS``.
        bound: The value that just meets it.
    """

    metric: str
    bound: float

    def __post_init__(self) -> None:
        """Refuse a metric nobody measures and a bound nobody can keep or miss."""
        if self.metric not in METRICS:
            raise UnknownNameError.of("metric", self.metric, list(METRICS))
        if not math.isfinite(self.bound):
            raise InvalidValueError(f"requirement {self.metric} needs a finite bound, but got {self.bound}")

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Return the requirement that ``metric=value`` asks for.

        Raises:
            InvalidValueError: The text has no ``=`` or the value is no finite number.
            UnknownNameError: The metric is unknown; the message lists them.
        """
        metric, equals, bound = text.partition("=")
        if not equals:
            raise InvalidValueError(f"a requirement is metric=value, for example gate_agreement=0.95, but got {text!r}")
        try:
            return cls(metric.strip(), float(bound))
        except ValueError as error:
            if isinstance(error, UnknownNameError | InvalidValueError):
                raise
            raise InvalidValueError(f"requirement {metric} needs a number, but got {bound!r}") from error

    def __str__(self) -> str:
        return f"{self.metric} {METRICS[self.metric].bound} {self.bound:g}"

    def judge(self, comparison: TargetComparison) -> Judgement:
        """Return whether a target meets it; what was not measured meets nothing."""
        value = METRICS[self.metric].value(comparison)
        if value is None or math.isnan(value):
            return Judgement(self, None, met=False)
        met = value >= self.bound if METRICS[self.metric].bound == ">=" else value <= self.bound
        return Judgement(self, value, met)
