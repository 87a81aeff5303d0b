"""Packed programs and payloads: undone by plain loops, and multiplied by the firmware's own kernels."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boards.info import BoardInfo
from boards.payloads import DENSE, SPARSE, Answer, decode_values, encode_input
from boards.program import pack_columns, pack_program, pack_rows
from hil import Patches, stream
from hil.errors import InvalidValueError, LinkError
from hil.testing import random_network

shapes = st.tuples(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1))


def weights_and_inputs(channels, fan_in, seed):
    rng = stream(seed, "kernels")
    inputs = rng.choice([-128, -1, 0, 1, 127], fan_in).astype(np.int8)
    return rng.integers(-1, 2, (channels, fan_in), dtype=np.int8), inputs


@given(shapes)
def test_columns_hold_every_code_where_the_specification_says(shape):
    weight, _ = weights_and_inputs(*shape)
    words = pack_columns(weight)
    for channel in range(shape[0]):
        block, k = divmod(channel, 16)
        position = 2 * k if k < 8 else 16 + 2 * (k - 8)
        np.testing.assert_array_equal((words[block] >> position & 3).astype(int) - 1, weight[channel])


@given(shapes)
def test_rows_hold_every_code_where_the_specification_says(shape):
    weight, _ = weights_and_inputs(*shape)
    words = pack_rows(weight)
    for column in range(shape[1]):
        group, k = divmod(column, 16)
        np.testing.assert_array_equal((words[:, group] >> 2 * k & 3).astype(int) - 1, weight[:, column])


@pytest.mark.tool("gcc", "make")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes)
def test_both_kernels_of_the_firmware_multiply_exactly(firmware, shape):
    weight, inputs = weights_and_inputs(*shape)
    expected = weight.astype(np.int64) @ inputs.astype(np.int64)
    for kernel, words in (("columns", pack_columns(weight)), ("rows", pack_rows(weight))):
        np.testing.assert_array_equal(firmware.multiply(kernel, words, len(weight), inputs), expected)


@pytest.mark.tool("gcc", "make")
@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("weight", [-1, 0, 1])
def test_lanes_never_overflow_at_the_extremes(firmware, value, weight):
    """128 extreme inputs fill a 16-bit lane to its last bit; 1000 of them need eight segments."""
    weights, inputs = np.full((16, 1000), weight, np.int8), np.full(1000, value, np.int8)
    found = firmware.multiply("columns", pack_columns(weights), 16, inputs)
    np.testing.assert_array_equal(found, np.full(16, 1000 * value * weight))


def test_program_says_its_length_its_layers_and_whose_it_is():
    network = random_network((20, 9, 3), rng=stream(1, "program"))
    program = pack_program(network)
    magic, version, total, layers, d_in, d_out = struct.unpack_from("<4s5I", program)
    assert (magic, version, total, layers, d_in, d_out) == (b"HILP", 1, len(program), 2, 20, 3)
    assert program[32:64].hex() == network.digest
    assert struct.unpack_from("<I", program, 64)[0] == 1  # nine channels: columns
    assert struct.unpack_from("<I", program, 128)[0] == 2  # three channels: rows


def decode_sparse(data, d_in):
    values, at = np.zeros(d_in, np.int8), 0
    for gap, value in zip(data[::2], data[1::2], strict=True):
        at += gap
        values[at] = np.uint8(value).astype(np.int8)
        at += 1
    return values


@given(st.integers(1, 3000), st.floats(0.0, 0.2), st.integers(0, 2**32 - 1))
def test_inputs_survive_their_shortest_encoding(d_in, active, seed):
    rng = stream(seed, "inputs")
    values = rng.integers(-128, 128, d_in).astype(np.int8)
    values[rng.random(d_in) >= active] = 0
    encoding, data = encode_input(values)
    assert len(data) <= d_in
    decoded = decode_sparse(data, d_in) if encoding == SPARSE else np.frombuffer(data, np.int8)
    np.testing.assert_array_equal(decoded, values)


def test_dense_inputs_are_sent_as_they_are():
    assert encode_input(np.ones(5, np.int8)) == (DENSE, b"\x01" * 5)


@pytest.mark.parametrize("data", [b"", b"\x02\x00\x03\x00aaaaaa", b"\x02\x00\x02\x00abc"])
def test_values_that_are_not_as_many_as_they_say_are_refused(data):
    with pytest.raises(LinkError, match="as many as it says"):
        decode_values(data)


def test_answer_that_is_too_short_is_refused():
    with pytest.raises(LinkError, match="at least 12 bytes"):
        Answer.decode(b"short")


INFO = BoardInfo(4096, 1, 2, 1000, 500, 32, 16, 0, 0, 0, 0, 7, "ab" * 16, "a board", "13.2")


def test_description_survives_the_wire():
    assert BoardInfo.decode(INFO.encode()) == INFO
    assert INFO.as_document()["state"] == "ready"


def test_description_that_is_cut_short_is_refused():
    for length in range(len(INFO.encode())):
        with pytest.raises(LinkError, match="describes itself"):
            BoardInfo.decode(INFO.encode()[:length])


def test_room_for_a_trace_is_counted_as_the_board_counts_it():
    network = random_network((40, 23, 16), rng=stream(1, "trace"))
    needed = 4 * 23 + 24 + 4 * 16
    assert replace(INFO, trace_capacity_bytes=needed).can_trace(network)
    assert not replace(INFO, trace_capacity_bytes=needed - 1).can_trace(network)


@pytest.mark.parametrize(
    ("sizes", "what"),
    [((8, 40, 4), "channels"), ((600, 4), "activations"), ((40, 20), "outputs"), ((400, 30, 16), "program bytes")],
)
def test_network_that_does_not_fit_is_refused_by_the_limit_it_exceeds(sizes, what):
    network = random_network(sizes, rng=stream(1, "misfit"))
    with pytest.raises(InvalidValueError, match=f"{what}.*a board has room for"):
        INFO.refuse_misfit(network, len(pack_program(network)))


def test_convolutions_carry_their_geometry():
    patches = Patches(in_channels=2, height=7, width=6, kernel=3, stride=2, padding=1)
    program = pack_program(random_network((0, 4), rng=stream(1, "geometry"), patches=patches))
    record = struct.unpack_from("<16I", program, 64)
    assert record[1] & 4
    assert record[6:12] == (2, 7, 6, 3, 2, 1)
