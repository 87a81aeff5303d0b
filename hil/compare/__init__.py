"""Compares substrates: a reference's trace beside each target's, and a verdict."""

from hil.compare.agreement import Agreement
from hil.compare.comparison import Comparison, TargetComparison, compare
from hil.compare.layers import Divergence, LayerError
from hil.compare.requirements import METRICS, Judgement, Metric, Requirement

__all__ = [
    "METRICS",
    "Agreement",
    "Comparison",
    "Divergence",
    "Judgement",
    "LayerError",
    "Metric",
    "Requirement",
    "TargetComparison",
    "compare",
]
