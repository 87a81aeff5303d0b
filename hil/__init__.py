"""Neuromorphic hardware in the loop: values, ports, the line, the comparison, the command line."""

from hil.errors import HilError
from hil.network import CaptionSet, FeatureSpec, Patches, Requantisation, TernaryLayer, TernaryNetwork
from hil.registry import load_network, open_recording, open_target
from hil.rng import stream
from hil.types import EventBatch, FeatureBatch, Geometry, Inference, LayerTrace, Telemetry

__all__ = [
    "CaptionSet",
    "EventBatch",
    "FeatureBatch",
    "FeatureSpec",
    "Geometry",
    "HilError",
    "Inference",
    "LayerTrace",
    "Patches",
    "Requantisation",
    "Telemetry",
    "TernaryLayer",
    "TernaryNetwork",
    "load_network",
    "open_recording",
    "open_target",
    "stream",
]
