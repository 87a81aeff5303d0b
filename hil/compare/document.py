"""The comparison as ``report.json`` holds it; the same bytes for the same command and seed, but for ``timing``."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from hil.sep.align import Alignment
from hil.types import Float64Array, Int64Array, Telemetry

if TYPE_CHECKING:
    from hil.compare.comparison import Comparison, TargetComparison
    from hil.compare.requirements import Judgement, Requirement
    from hil.loop import Trace
    from hil.network import TernaryNetwork

__all__ = ["SCHEMA_NAME", "comparison_document", "schema_text"]

SCHEMA_NAME = "hil-report-1"
SIGNIFICANT_DIGITS = 9


def schema_text() -> str:
    """Return the JSON schema of the document, as text."""
    return files("hil.compare").joinpath("report.schema.json").read_text(encoding="utf-8")


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON-ready values."""
    return {
        "schema": SCHEMA_NAME,
        "passed": comparison.passed,
        "manifest": {
            **comparison.manifest.as_document(),
            "schema_sha256": hashlib.sha256(schema_text().encode()).hexdigest(),
        },
        "stream": _stream(comparison),
        "network": _network(comparison.network),
        "line": {**asdict(comparison.settings), "gate_threshold": _number(comparison.gate_threshold)},
        "requirements": [_requirement(requirement) for requirement in comparison.requirements],
        "reference": {**_trace(comparison.reference, comparison), "accuracy": _number(comparison.reference_accuracy)},
        "targets": [_target(target, comparison) for target in comparison.targets],
        "timing": _timing(comparison),
    }


def _stream(comparison: Comparison) -> dict[str, Any]:
    features = comparison.features
    return {
        "windows": len(features),
        "events": int(features.n_events.sum()),
        "events_left_out": features.events_left_out,
        "clipped_share": _number(features.clipped),
        "t_start_us": features.t_start_us.tolist(),
        "t_end_us": features.t_end_us.tolist(),
        "n_events": features.n_events.tolist(),
        "truth": comparison.truth.tolist() if comparison.truth is not None else None,
    }


def _network(network: TernaryNetwork) -> dict[str, Any]:
    layers = [{"channels": x.channels, "fan_in": x.fan_in, "positions": x.positions} for x in network.layers]
    captions = network.captions
    return {
        "name": network.name,
        "d_in": network.d_in,
        "d_out": network.d_out,
        "layers": layers,
        "captions": list(captions.texts) if captions is not None else None,
        "caption_model": captions.model if captions is not None else None,
    }


def _requirement(requirement: Requirement) -> dict[str, Any]:
    return {"metric": requirement.metric, "bound": _number(requirement.bound)}


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {**_requirement(judgement.requirement), "value": _number(judgement.value), "met": judgement.met}


def _trace(trace: Trace, comparison: Comparison) -> dict[str, Any]:
    captions = comparison.network.captions is not None
    return {
        "target": trace.target,
        "exact": trace.capabilities.exact,
        "outputs_sha256": hashlib.sha256(trace.outputs.astype("<f4").tobytes()).hexdigest(),
        "sent": trace.gate.sent.tolist(),
        "gate_distance": _numbers(trace.gate.distance),
        "captions": trace.captions.tolist() if captions else None,
        "arrived": trace.received.windows.tolist(),
        "received_captions": trace.received.captions.tolist() if captions else None,
        "beliefs": trace.received.beliefs.tolist() if captions else None,
        "wire": asdict(trace.wire),
        "alignment": _alignment(trace.alignment, trace.anchors),
        "telemetry": _telemetry(trace.telemetry),
    }


def _alignment(alignment: Alignment, anchors: Int64Array) -> dict[str, Any]:
    return {
        "anchors": anchors.tolist(),
        "identity": alignment.is_identity,
        "shrinkage": None if alignment.is_identity else _number(alignment.shrinkage),
    }


def _telemetry(telemetry: Telemetry) -> dict[str, Any]:
    """Return what inference cost; wall time and counters of it change from run to run and live in ``timing``."""
    wall = telemetry.time_source == "wall"
    return {
        "time_source": telemetry.time_source,
        "time": None if wall else _number(telemetry.time),
        "energy_source": telemetry.energy_source,
        "energy_joule": _number(telemetry.energy_joule),
        "counters": {name: _number(telemetry.counters[name]) for name in _counters(telemetry, wall=False)},
        "provenance": dict(sorted(telemetry.provenance.items())),
    }


def _counters(telemetry: Telemetry, *, wall: bool) -> list[str]:
    """Return the names of counters that a clock decides (retries on a link among them), or of all others."""
    return sorted(name for name in telemetry.counters if ("wall" in name or name.startswith("link_")) == wall)


def _target(target: TargetComparison, comparison: Comparison) -> dict[str, Any]:
    agreement = target.agreement
    return {
        **_trace(target.trace, comparison),
        "passed": target.passed,
        "verdict": target.verdict,
        "held_to_exactness": target.held_to_exactness,
        "judgements": [_judgement(judgement) for judgement in target.judgements],
        "layers": [{key: _number(value) for key, value in asdict(layer).items()} for layer in target.layers],
        "first_divergence": asdict(target.divergence) if target.divergence is not None else None,
        "cosine": _numbers(agreement.cosine),
        "agreement": {
            "cosine_mean": _number(float(agreement.cosine.mean())),
            "cosine_min": _number(float(agreement.cosine.min())),
            "gate_agreement": _number(agreement.gate_agreement),
            "extra_sends": agreement.extra_sends,
            "missed_sends": agreement.missed_sends,
            "caption_agreement": _number(agreement.caption_agreement),
            "belief_agreement": _number(agreement.belief_agreement),
            "received_cosine": _number(agreement.received_cosine),
            "delivery": _number(agreement.delivery),
        },
        "accuracy": _number(agreement.accuracy),
        "confusion": agreement.confusion.tolist() if agreement.confusion.size else None,
    }


def _timing(comparison: Comparison) -> dict[str, Any]:
    return {
        "started": comparison.started,
        "total_s": _number(comparison.total_s),
        "reference": _trace_timing(comparison.reference),
        "targets": [_trace_timing(target.trace) for target in comparison.targets],
    }


def _trace_timing(trace: Trace) -> dict[str, Any]:
    telemetry = trace.telemetry
    return {
        "target": trace.target,
        "program_s": _number(trace.program_s),
        "infer_s": _number(trace.infer_s),
        "telemetry_wall_s": _number(telemetry.time) if telemetry.time_source == "wall" else None,
        "counters": {name: _number(telemetry.counters[name]) for name in _counters(telemetry, wall=True)},
    }


def _numbers(values: Float64Array) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: Any) -> Any:
    """Return a float with nine significant digits, None where it is no number, anything else as it is."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
