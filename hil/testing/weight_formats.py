"""What every weight format must do: return exactly what it was given, and notice damage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pytest

from hil.errors import InputError
from hil.network import Patches, TernaryNetwork
from hil.ports import WeightFormat
from hil.rng import stream
from hil.testing.networks import random_network

__all__ = ["WeightFormatTests"]


class WeightFormatTests(ABC):
    """Subclass and return your format."""

    damaged_bytes: ClassVar[int] = 40
    """How many byte positions the damage test flips, spread over the file."""

    @abstractmethod
    def weight_format(self) -> WeightFormat:
        """Return the format under test."""

    def networks(self) -> dict[str, TernaryNetwork]:
        """Return the networks to write; odd sizes, so that padding shows."""
        rng = stream(3, "conformance", "weights")
        patches = Patches(in_channels=2, height=7, width=6, kernel=3, stride=2, padding=1)
        return {
            "dense": random_network((41, 23, 17), rng=rng),
            "one layer": random_network((7, 3), rng=rng),
            "convolution": random_network((0, 13), rng=rng, patches=patches),
        }

    def test_decode_is_the_exact_inverse_of_encode(self) -> None:
        """Every integer and scale survives."""
        for network in self.networks().values():
            weight_format = self.weight_format()
            decoded = weight_format.decode(weight_format.encode(network))
            assert decoded.digest == network.digest
            for ours, theirs in zip(decoded.layers, network.layers, strict=True):
                assert np.float32(ours.weight_scale) == np.float32(theirs.weight_scale)

    def test_encode_is_deterministic(self) -> None:
        """One network has one encoding."""
        network = self.networks()["dense"]
        assert self.weight_format().encode(network) == self.weight_format().encode(network)

    def test_flipped_byte_is_refused(self) -> None:
        """No single altered byte goes unnoticed."""
        blob = self.weight_format().encode(self.networks()["one layer"])
        for position in np.unique(np.linspace(0, len(blob) - 1, self.damaged_bytes).astype(int)):
            damaged = bytearray(blob)
            damaged[position] ^= 0x5A
            with pytest.raises(InputError):
                self.weight_format().decode(bytes(damaged))

    def test_truncated_file_is_refused(self) -> None:
        """A file cut anywhere is not a network."""
        blob = self.weight_format().encode(self.networks()["one layer"])
        for length in (0, 1, len(blob) // 2, len(blob) - 1):
            with pytest.raises(InputError):
                self.weight_format().decode(blob[:length])

    def test_foreign_file_is_refused(self) -> None:
        """Something else entirely is not a network."""
        with pytest.raises(InputError):
            self.weight_format().decode(b"\x89PNG\r\n\x1a\n" + bytes(200))
