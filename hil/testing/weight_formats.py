"""What every weight format must do: return exactly what it was given, and notice damage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from hil.errors import InputError
from hil.network import CaptionSet, FeatureSpec, Patches, TernaryNetwork
from hil.ports import WeightFormat
from hil.rng import stream
from hil.testing.networks import random_network

__all__ = ["WeightFormatTests"]


def _meaningful(bare: TernaryNetwork) -> TernaryNetwork:
    """Return a network with everything a network can say of itself."""
    return replace(
        bare,
        name="says what it means, in two words: naïve \u2713",
        features=FeatureSpec(width=3, height=2, time_bins=2, window_us=50_000, fit="crop", last_window="keep"),
        captions=CaptionSet(("one", "two: a pair"), np.eye(2, bare.d_out, dtype=np.float32), "some/model", "ab" * 32),
        gate_threshold=0.1,
        metadata={"seed": "7", "quoted": '"a\\b"'},
    )


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
            "meaning": _meaningful(random_network((24, 9, 5), rng=rng)),
        }

    def test_decode_is_the_exact_inverse_of_encode(self) -> None:
        """Every integer and scale survives."""
        for network in self.networks().values():
            weight_format = self.weight_format()
            decoded = weight_format.decode(weight_format.encode(network))
            assert decoded.digest == network.digest
            for ours, theirs in zip(decoded.layers, network.layers, strict=True):
                assert np.float32(ours.weight_scale) == np.float32(theirs.weight_scale)

    def test_decoded_network_means_what_the_encoded_one_meant(self) -> None:
        """Name, features, captions, threshold and provenance survive as the integers do."""
        for network in self.networks().values():
            weight_format = self.weight_format()
            decoded = weight_format.decode(weight_format.encode(network))
            for field in ("name", "features", "gate_threshold", "metadata"):
                assert getattr(decoded, field) == getattr(network, field)
            assert (decoded.captions is None) == (network.captions is None)
            if decoded.captions is not None and network.captions is not None:
                for field in ("texts", "model", "model_sha256"):
                    assert getattr(decoded.captions, field) == getattr(network.captions, field)
                np.testing.assert_array_equal(decoded.captions.vectors, network.captions.vectors)

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
