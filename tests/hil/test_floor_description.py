"""A network described and rebuilt is the same network, and a sealed archive notices every byte."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import CaptionSet, FeatureSpec, stream
from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError
from hil.sealed import seal, unseal
from hil.testing import random_network

SPEC = FeatureSpec(width=2, height=5, time_bins=2, window_us=100)
VECTORS = np.eye(3, 16, dtype=np.float32)
NETWORK = dataclasses.replace(
    random_network((40, 24, 16), rng=stream(1, "description")),
    features=SPEC,
    captions=CaptionSet(("one", "two", "drei"), VECTORS, "a model", "0" * 64),
    gate_threshold=0.3,
    metadata={"seed": "3"},
)


def integers(network):
    for layer in network.layers:
        step = layer.requantisation
        parts = (None, None) if step is None else (step.multiplier, step.shift)
        yield LayerIntegers(layer.weight, layer.bias, *parts)


def test_rebuilt_network_equals_the_described_one_in_everything():
    rebuilt = rebuild(describe(NETWORK), list(integers(NETWORK)))
    assert rebuilt.digest == NETWORK.digest
    assert describe(rebuilt) == describe(NETWORK)
    np.testing.assert_array_equal(rebuilt.captions.vectors, VECTORS)


def test_description_of_a_newer_version_is_refused():
    with pytest.raises(FormatError, match="version 2"):
        rebuild({**describe(NETWORK), "version": 2}, list(integers(NETWORK)))


def test_integers_of_another_network_are_refused():
    other = random_network((40, 24, 16), rng=stream(2, "description"))
    with pytest.raises(FormatError, match="digest"):
        rebuild(describe(NETWORK), list(integers(other)))


@pytest.mark.parametrize("key", ["name", "layers", "output_scale", "captions"])
def test_description_that_lacks_a_part_is_refused(key):
    document = describe(NETWORK)
    del document[key]
    with pytest.raises(FormatError, match="altered or is malformed"):
        rebuild(document, list(integers(NETWORK)))


@given(st.dictionaries(st.text("abc./", min_size=1), st.binary(max_size=50), max_size=3), st.data())
def test_sealed_files_come_back_and_any_altered_byte_is_refused(files, data):
    blob = seal(files)
    assert unseal(blob) == files
    position = data.draw(st.integers(0, len(blob) - 1))
    damaged = blob[:position] + bytes([blob[position] ^ data.draw(st.integers(1, 255))]) + blob[position + 1 :]
    with pytest.raises(FormatError):
        unseal(damaged)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_not_a_sealed_archive(blob):
    with pytest.raises(FormatError):
        unseal(blob)
