"""Neuromorphic hardware in the loop: values, ports, the line, the comparison, the command line.

Public names are imported when they are first asked for, so that ``hil --help`` does not wait for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

HOMES = ("hil.errors", "hil.registry", "hil.rng", "hil.types", "hil.network")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in map(import_module, HOMES):
            if name in home.__all__:
                return getattr(home, name)
    raise AttributeError(f"module 'hil' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
