"""Conformance suites: a port is defined by its tests; subclass one in a few lines for your own implementation.

Each suite is a class of pytest tests with one or two methods to override. Ours and yours pass the same ones::

    class TestMyBackend(BackendTests):
        def backend(self):
            return MyBackend()
"""

from hil.testing.backends import BackendTests
from hil.testing.devices import DeviceModelTests
from hil.testing.links import LinkTests
from hil.testing.networks import random_features, random_network, reference_layers, rounding_network
from hil.testing.sources import SourceFormatTests
from hil.testing.transports import TransportTests
from hil.testing.weight_formats import WeightFormatTests

__all__ = [
    "BackendTests",
    "DeviceModelTests",
    "LinkTests",
    "SourceFormatTests",
    "TransportTests",
    "WeightFormatTests",
    "random_features",
    "random_network",
    "reference_layers",
    "rounding_network",
]
