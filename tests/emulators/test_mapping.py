"""Five ternary mappings and two more: what they cost, and that they all mean the same matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.mapping import MAPPINGS, drive_lines, mapping_named
from emulators.tiles import TileSize, Tiling
from hil.errors import InvalidValueError, UnknownNameError

# cells per weight and conversions per output of analog-cim-sim's table, and of the two mappings beside it
PUBLISHED = {
    "tnn_i": (4, 1),
    "tnn_ii": (2, 2),
    "tnn_iii": (2, 2),
    "tnn_iv": (2, 4),
    "tnn_v": (2, 4),
    "differential": (2, 1),
    "offset": (1, 1),
}


def test_every_mapping_reports_its_published_cells_and_conversions():
    reported = {name: (m.cells_per_weight, m.conversions_per_output) for name, m in MAPPINGS.items()}
    assert reported == PUBLISHED


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_positive_converters_only_see_positive_currents(name):
    mapping = mapping_named(name)
    x = np.arange(-1, 2)[:, None]
    if mapping.as_document()["adc"] == "positive":
        for conversion in mapping.conversions:
            assert drive_lines(conversion.drive, x, amplitude=1).min() >= 0
            assert min(conversion.planes) >= 0


@given(
    st.sampled_from(sorted(MAPPINGS)),
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from([1, 3, 128]),
    st.integers(0, 2**32 - 1),
)
def test_conversions_and_corrections_add_up_to_the_signed_product(name, rows, columns, amplitude, seed):
    rng = np.random.default_rng(seed)
    mapping = mapping_named(name)
    weight = rng.integers(-1, 2, (rows, columns)).astype(np.int8)
    x = rng.integers(-amplitude, amplitude + 1, (4, rows))
    planes = mapping.planes(weight)
    total = np.zeros((4, columns))
    for conversion in mapping.conversions:
        lines = drive_lines(conversion.drive, x, amplitude=amplitude)
        current = sum(factor * (lines @ plane) for factor, plane in zip(conversion.planes, planes, strict=True))
        total += mapping.scale * conversion.factor(amplitude) * current
    total -= mapping.column_sum * amplitude * weight.sum(axis=0, dtype=np.int64)
    total -= mapping.input_sum * x.sum(axis=1, keepdims=True)
    assert np.array_equal(total, x @ weight.astype(np.int64))


@pytest.mark.parametrize("name", ["differential", "tnn_i", "tnn_ii", "tnn_iii"])
def test_a_zero_weight_is_two_off_cells_so_that_leakage_cancels(name):
    planes = mapping_named(name).planes(np.zeros((3, 2), np.int8))
    assert all((plane == 0).all() for plane in planes)


def test_an_unknown_mapping_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="tnn_v"):
        mapping_named("tnn_vi")


def test_1024_by_384_takes_eight_by_three_tiles_of_two_arrays():
    tiling = Tiling(1024, 384, TileSize(128, 128), mapping_named("differential"))
    assert (tiling.strips, tiling.column_tiles, tiling.arrays) == (8, 3, 48)
    assert tiling.utilisation == 1.0


@given(
    st.integers(1, 700),
    st.integers(1, 300),
    st.integers(2, 130),
    st.integers(1, 130),
    st.sampled_from(sorted(MAPPINGS)),
)
def test_every_weight_has_exactly_one_place(fan_in, channels, word_lines, bit_lines, name):
    tiling = Tiling(fan_in, channels, TileSize(word_lines, bit_lines), mapping_named(name))
    held = np.zeros((fan_in, channels), int)
    for entry in tiling.placement():
        held[slice(*entry["inputs"]), slice(*entry["outputs"])] += 1
        assert 0 < entry["utilisation"] <= 1
    assert (held == 1).all()
    assert tiling.cells_used == fan_in * channels * tiling.mapping.cells_per_weight
    assert tiling.cells_used <= tiling.cells


def test_padding_is_shown():
    picture = Tiling(150, 40, TileSize(128, 32), mapping_named("tnn_i")).picture()
    assert "150x40 on 12 arrays of 128x32 (tnn_i, 2 a tile)" in picture
    assert picture.splitlines()[1].split() == ["100%", "25%"]
    assert picture.splitlines()[-1].split() == ["34%", "9%"]


@pytest.mark.parametrize("text", ["", "0", "1", "128x0", "5000", "-4", "12x", "x12", "1.5"])
def test_impossible_tiles_are_refused(text):
    with pytest.raises(InvalidValueError, match="tile must be"):
        TileSize.parse(text)
