from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load as read_with_the_library

from hil.errors import DamagedFileError, FormatError
from hil.network import CaptionSet, FeatureSpec, TernaryNetwork
from hil.ports import WeightFormat
from hil.rng import stream
from hil.testing.networks import random_network
from hil.testing.weight_formats import WeightFormatTests
from quant.formats.safetensors import VERSION, SafetensorsFormat, safetensors_format


class TestSafetensorsKeepsThePort(WeightFormatTests):
    def weight_format(self) -> WeightFormat:
        return safetensors_format


def full_network() -> TernaryNetwork:
    rng = stream(4, "safetensors")
    bare = random_network((12, 9, 5), rng=rng)
    vectors = np.eye(3, 5, dtype=np.float32)
    return TernaryNetwork(
        name="café",
        layers=bare.layers,
        output_scale=bare.output_scale,
        features=FeatureSpec(width=3, height=2, time_bins=1, window_us=1000, pixels_per_cell=4),
        captions=CaptionSet(("one", "two", "three"), vectors, "model", "ab" * 32),
        gate_threshold=0.1 + 0.2,
        metadata={"command": "hil train digits.toml", '"sha256":"': "a key that looks like the digest's"},
    )


def test_decode_when_network_has_everything_then_everything_comes_back() -> None:
    network = full_network()
    back = safetensors_format.decode(safetensors_format.encode(network))
    assert (back.name, back.features, back.gate_threshold) == (network.name, network.features, network.gate_threshold)
    assert back.metadata == network.metadata
    assert back.captions is not None
    assert network.captions is not None
    assert back.captions.texts == network.captions.texts
    np.testing.assert_array_equal(back.captions.vectors, network.captions.vectors)
    assert [layer.weight_scale for layer in back.layers] == [layer.weight_scale for layer in network.layers]


def test_encode_when_read_by_the_safetensors_library_then_tensors_are_equal() -> None:
    network = full_network()
    tensors = read_with_the_library(safetensors_format.encode(network))
    for i, layer in enumerate(network.layers):
        np.testing.assert_array_equal(tensors[f"layers.{i}.weight"], layer.weight)
        np.testing.assert_array_equal(tensors[f"layers.{i}.bias"], layer.bias)


def test_decode_when_any_one_byte_is_flipped_then_it_is_refused() -> None:
    blob = safetensors_format.encode(full_network())
    for position in range(len(blob)):
        damaged = bytearray(blob)
        damaged[position] ^= 1 << (position % 8)
        with pytest.raises(FormatError):
            safetensors_format.decode(bytes(damaged))


@given(st.data())
def test_decode_when_truncated_anywhere_then_it_is_refused(data: st.DataObject) -> None:
    blob = safetensors_format.encode(full_network())
    with pytest.raises(FormatError):
        safetensors_format.decode(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(st.binary(max_size=300))
def test_decode_when_bytes_are_arbitrary_then_format_error_only(blob: bytes) -> None:
    with pytest.raises(FormatError):
        safetensors_format.decode(blob)


def rewritten(blob: bytes, old: str, new: str) -> bytes:
    """Replace text of the header without renewing the digest."""
    length = int.from_bytes(blob[:8], "little")
    header = blob[8 : 8 + length].decode().replace(old, new)
    return len(header).to_bytes(8, "little") + header.encode() + blob[8 + length :]


def test_decode_when_version_is_newer_then_message_says_update() -> None:
    blob = safetensors_format.encode(full_network())
    with pytest.raises(FormatError, match=f"version {VERSION + 1}.*update"):
        safetensors_format.decode(rewritten(blob, f'"version":"{VERSION}"', f'"version":"{VERSION + 1}"'))


def test_decode_when_file_is_of_another_program_then_message_says_so() -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    with pytest.raises(FormatError, match="another program"):
        SafetensorsFormat().decode(len(header).to_bytes(8, "little") + header)


def test_decode_when_tail_is_missing_then_error_says_where() -> None:
    blob = safetensors_format.encode(full_network())
    with pytest.raises(DamagedFileError) as error:
        safetensors_format.decode(blob[:-3])
    assert error.value.offset_bytes == len(blob) - 3
