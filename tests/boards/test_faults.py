"""Damage falls where its seed says, and no damage makes a driver lie, lose or repeat an inference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.campaign import Campaign, damageable_board, patience, small_network
from boards.faults import FAULTS, Faults
from boards.link import Frame, Verb
from boards.relay import Disconnect
from hil import stream
from hil.errors import InvalidValueError

DATA = stream(1, "faults").integers(0, 256, 20_000, dtype=np.uint8).tobytes()


def damage(faults, data, size):
    """Return what comes out of one direction when bytes arrive in pieces of a size."""
    return b"".join(b"".join(faults.to_board(data[at : at + size])) for at in range(0, len(data), size))


@given(st.integers(1, 5000), st.sampled_from(["flip", "drop", "duplicate", "wrong-version"]))
def test_damage_does_not_depend_on_the_pieces(size, fault):
    whole, pieces = (Faults(fault, rate=0.01, seed=3) for _ in range(2))
    assert damage(whole, DATA, len(DATA)) == damage(pieces, DATA, size)
    assert whole.injected == pieces.injected


@pytest.mark.parametrize("fault", ["flip", "drop", "duplicate"])
def test_rate_is_kept_and_each_fault_does_its_own_damage(fault):
    faults = Faults(fault, rate=0.01, seed=4)
    spoilt = damage(faults, DATA, 777)
    # 200 hits expected, standard deviation 14: five of those either way
    assert 130 < faults.injected < 270
    change = {"flip": 0, "drop": -1, "duplicate": 1}[fault]
    assert len(spoilt) == len(DATA) + change * faults.injected
    if fault == "flip":
        flipped = np.frombuffer(spoilt, np.uint8) ^ np.frombuffer(DATA, np.uint8)
        assert np.count_nonzero(flipped) == faults.injected == int(np.unpackbits(flipped).sum())


def test_no_rate_no_damage():
    assert damage(Faults("flip", rate=0.0, seed=5), DATA, 100) == DATA


def test_directions_are_damaged_apart():
    faults = Faults("flip", rate=0.01, seed=6)
    assert b"".join(faults.to_board(DATA)) != b"".join(faults.from_board(DATA))


def test_wrong_version_keeps_the_rest_of_the_frame():
    frame = Frame(Verb.INFO, 5, 77, b"payload")
    other = b"".join(Faults("wrong-version", rate=1.0, seed=7).to_board(frame.encode()))
    assert other.strip(b"\x00") == Frame(Verb.INFO, 5, 77, b"payload", version=2).encode().strip(b"\x00")


def test_disconnect_is_a_signal():
    with pytest.raises(Disconnect):
        list(Faults("disconnect", rate=1.0, seed=8).to_board(b"x"))


@pytest.mark.parametrize("fault", ["reset", "corrupt-weights"])
def test_board_faults_call_whoever_can_do_them(fault):
    calls = []
    faults = Faults(fault, rate=1.0, seed=9, reset=lambda: calls.append(1), corrupt=lambda: calls.append(1))
    assert b"".join(faults.to_board(b"abc")) == b"abc"
    assert len(calls) == 3


def test_unknown_fault_and_impossible_rate_are_refused():
    with pytest.raises(InvalidValueError, match="a fault is one of"):
        Faults("gremlin", rate=0.1, seed=0)
    with pytest.raises(InvalidValueError, match="rate"):
        Faults("flip", rate=2.0, seed=0)


@pytest.mark.tool("gcc", "make")
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_every_inference_is_right_or_a_clear_error_and_none_runs_twice(fault):
    """``hil board faults`` does the same with 10,000 inferences."""
    result = Campaign(fault, 1e-3, 150, seed=11).run(damageable_board("host"), target="host")
    assert result.injected > 0
    assert (result.wrong, result.lost, result.executed_twice) == (0, 0, 0)
    assert result.right >= result.inferences // 2
    assert set(result.errors) <= {"BoardResetError", "VersionError", "ProgramLostError", "DeadlineError"}
    assert result.right <= result.executed <= result.inferences
    assert result.passed


@pytest.mark.tool("gcc", "make")
def test_clean_wire_needs_no_second_try():
    result = Campaign("flip", 0.0, 50, seed=12).run(damageable_board("host"), target="host")
    assert (result.right, result.retries, result.injected, result.executed) == (50, 0, 0, 50)


@pytest.mark.tool("qemu-system-arm", "arm-none-eabi-gcc", "make")
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["flip", "reset", "corrupt-weights"])
def test_emulated_board_survives_damage(fault):
    target = "qemu:cortex-m4"
    campaign = Campaign(fault, 1e-3, 15, seed=13, policy=patience(target))
    result = campaign.run(damageable_board(target), target=target)
    assert (result.wrong, result.lost) == (0, 0)
    assert result.right > 0


def test_only_boards_that_cannot_break_are_damaged():
    with pytest.raises(InvalidValueError, match="only host and qemu"):
        damageable_board("serial:///dev/ttyACM0")


def test_campaign_network_is_small_and_the_same_every_time():
    assert small_network(seed=1).digest == small_network(seed=1).digest
    assert (small_network(seed=1).d_in, small_network(seed=1).d_out) == (16, 8)
