"""The codec: exact sizes, exact round trips, how much meaning survives, and nothing taken on trust."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm, spearmanr

from hil.errors import FormatError, InvalidValueError, UnknownNameError
from hil.rng import stream
from hil.sep.codec import CODECS, codec_named, codec_of, ternary_codes
from hil.sep.events_pb2 import Packing
from hil.sep.trits import pack_base3, pack_two_bit, unpack_base3, unpack_two_bit
from hil.sep.vectors import unit

SIZES = {"float32": 1536, "int8": 384, "ternary": 96, "base3": 77}
codes = hnp.arrays(np.int8, st.integers(0, 60), elements=st.integers(-1, 1))
directions = hnp.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-1, 1, width=32, allow_subnormal=False).map(np.float32)
)


@pytest.mark.parametrize(("name", "n_bytes"), SIZES.items())
def test_codec_for_384_dimensions_takes_the_stated_bytes(name, n_bytes):
    vector = unit(stream(0, "vector").normal(size=384))
    assert len(codec_named(name).encode(vector)) == n_bytes


def test_codec_numbers_are_those_of_the_proto_file():
    assert {f"PACKING_{name.upper()}": codec.packing for name, codec in CODECS.items()} == {
        name: number for name, number in Packing.items() if number
    }


@given(codes)
def test_trits_come_back_from_either_packing(values):
    np.testing.assert_array_equal(unpack_two_bit(pack_two_bit(values), len(values)), values)
    np.testing.assert_array_equal(unpack_base3(pack_base3(values), len(values)), values)


@given(codes)
def test_base3_bytes_are_the_number_in_base_three(values):
    digits = [int(value) % 3 for value in values]
    groups = [digits[i : i + 5] for i in range(0, len(digits), 5)]
    assert pack_base3(values) == bytes(sum(digit * 3**place for place, digit in enumerate(group)) for group in groups)


@given(st.binary(max_size=12), st.integers(0, 50))
def test_unpacking_any_bytes_gives_codes_that_pack_to_them_or_an_error(blob, n_codes):
    for unpack, pack in ((unpack_two_bit, pack_two_bit), (unpack_base3, pack_base3)):
        try:
            values = unpack(blob, n_codes)
        except FormatError:
            continue
        assert pack(values) == blob


@pytest.mark.parametrize("name", CODECS)
@given(vector=directions)
def test_codec_of_a_decoded_vector_gives_the_same_bytes(name, vector):
    codec = codec_named(name)
    blob = codec.encode(vector)
    assert codec.encode(codec.decode(blob, len(vector))) == blob


@given(directions)
def test_float32_codec_keeps_every_bit_of_a_unit_vector(vector):
    direction = unit(vector)
    codec = codec_named("float32")
    np.testing.assert_array_equal(codec.decode(codec.encode(direction), len(direction)), direction)


@given(directions)
def test_int8_codec_is_right_to_half_a_step(vector):
    codec = codec_named("int8")
    decoded, direction = codec.decode(codec.encode(vector), len(vector)), unit(vector).astype(np.float64)
    rescaled = decoded * (np.abs(direction).max() / max(np.abs(decoded).max(), 1e-30))
    np.testing.assert_allclose(rescaled, direction, atol=np.abs(direction).max() / 254 * 1.001 + 1e-7)


@given(directions)
def test_ternary_codes_follow_the_absmean_rule(vector):
    wide = vector.astype(np.float64)
    scale = max(np.abs(wide).mean(), 1e-5)
    expected = [max(-1, min(1, round(value / scale))) for value in wide.tolist()]
    assert ternary_codes(vector).tolist() == expected


@pytest.mark.parametrize(("name", "spearman"), [("int8", 0.9999), ("ternary", 0.97), ("base3", 0.97)])
def test_codec_keeps_the_order_of_distances(name, spearman):
    """Rank correlation of the cosines of 19,900 pairs; 200 vectors on an 8-d plane, whose cosines run from -1 to 1."""
    rng = stream(3, "fidelity")
    vectors = unit(rng.normal(size=(200, 8)) @ rng.normal(size=(8, 384)) + 0.3 * rng.normal(size=(200, 384)))
    codec = codec_named(name)
    decoded = np.stack([codec.decode(codec.encode(vector), 384) for vector in vectors])
    above = np.triu_indices(200, 1)
    assert spearmanr((vectors @ vectors.T)[above], (decoded @ decoded.T)[above]).statistic >= spearman


def test_ternary_codec_keeps_the_cosine_that_theory_gives():
    """For Gaussian components m = E|x| and the cut at m / 2: E[|x|; |x| > m/2] / sqrt(P(|x| > m/2)) = 0.887.

    100 vectors of 4096 dimensions: the mean's standard error is below 0.001.
    """
    vectors = unit(stream(4, "gauss").normal(size=(100, 4096)))
    codec = codec_named("ternary")
    cosines = [float(vector @ codec.decode(codec.encode(vector), 4096)) for vector in vectors]
    cut = (2 / np.pi) ** 0.5 / 2
    expected = 2 * norm.pdf(cut) / (2 * norm.sf(cut)) ** 0.5
    assert np.mean(cosines) == pytest.approx(expected, abs=0.003)


def test_both_ternary_codecs_decode_to_the_same_vector():
    vector = unit(stream(1, "vector").normal(size=384))
    two_bit, base3 = codec_named("ternary"), codec_named("base3")
    np.testing.assert_array_equal(two_bit.decode(two_bit.encode(vector), 384), base3.decode(base3.encode(vector), 384))


@pytest.mark.parametrize("name", CODECS)
def test_codec_with_a_wrong_length_or_dimension_is_refused(name):
    codec = codec_named(name)
    blob = codec.encode(unit(np.arange(1.0, 385.0)))
    for bad, dimensions in ((blob[:-1], 384), (blob + b"\0", 384), (blob, 8), (b"", 0), (blob, -1), (blob, 2**32)):
        with pytest.raises(FormatError):
            codec.decode(bad, dimensions)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, 0.0], [3.0, 4.0], [3e38, 3e38]])
def test_float32_codec_with_no_unit_vector_is_refused(values):
    with pytest.raises(FormatError, match="unit length"):
        codec_named("float32").decode(np.array(values, "<f4").tobytes(), 2)


def test_ternary_codecs_with_bytes_no_code_gives_are_refused():
    for name, blob, dimensions in (("ternary", b"\x03", 4), ("ternary", b"\x40", 3), ("base3", b"\xf3", 5)):
        with pytest.raises(FormatError, match="no code gives"):
            codec_named(name).decode(blob, dimensions)


def test_codec_with_no_vector_is_refused():
    for vector in (np.zeros(0, np.float32), np.zeros((2, 3), np.float32)):
        with pytest.raises(InvalidValueError, match="dimensions"):
            codec_named("ternary").encode(vector)


def test_codec_of_an_unknown_name_or_packing_is_refused():
    with pytest.raises(UnknownNameError, match="known: base3, float32, int8, ternary"):
        codec_named("float16")
    for packing in (0, 99):
        with pytest.raises(FormatError, match=f"says {packing}"):
            codec_of(packing)
    assert {codec_of(codec.packing).name for codec in CODECS.values()} == set(CODECS)
