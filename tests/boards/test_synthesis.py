"""Synthesis keeps every accumulator, and the check would notice if it did not."""

import pytest

from boards.rtl.synthesis import Area, _check, synthesise
from hil.errors import VerificationError


@pytest.mark.tool("yosys")
@pytest.mark.slow
@pytest.mark.parametrize("technology", ["ice40", "generic"])
def test_lanes_keep_exactly_their_accumulators_and_grow_linearly(technology):
    small, large = (synthesise(lanes, technology=technology) for lanes in (4, 8))
    assert (small.flip_flops, large.flip_flops) == (4 * 32, 8 * 32)
    assert large.cells == pytest.approx(2 * small.cells, rel=0.1)


@pytest.mark.tool("yosys")
@pytest.mark.slow
def test_narrow_accumulators_take_fewer_flip_flops():
    assert synthesise(4, technology="ice40", acc_bits=20).flip_flops == 80


@pytest.mark.parametrize("found", [0, 127, 129])
def test_wrong_flip_flop_count_fails(found):
    with pytest.raises(VerificationError, match="exactly 128"):
        _check(Area("ternary_lanes", 4, "generic", 1000, found, 0, 0), 128)
