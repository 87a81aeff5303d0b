"""Memory that is used again: never while somebody refers to it, and never more of it than is promised."""

from __future__ import annotations

import gc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.formats import memory
from sensors.formats.memory import MOST_BYTES, SMALLEST_BYTES, reused

MEBI = 1 << 20


@pytest.fixture(autouse=True)
def nothing_free(monkeypatch):
    monkeypatch.setattr(memory, "FREE", [])


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_nobody_refers_to_it():
    first = reused(MEBI)
    place = address(first)
    del first
    assert address(reused(MEBI)) == place


def test_a_view_of_a_part_keeps_memory_from_being_used_again():
    first = reused(MEBI)
    first[:] = 7
    part = first[100:200].view(np.uint16)[::2]
    del first
    gc.collect()
    reused(MEBI)[:] = 0
    assert (part == 7 * 257).all()


def test_memory_of_another_size_is_left_alone():
    del_me = reused(8 * MEBI)
    place = address(del_me)
    del del_me
    assert address(reused(2 * MEBI)) != place
    assert address(reused(7 * MEBI)) == place


def test_small_arrays_are_not_kept():
    reused(SMALLEST_BYTES - 1)
    assert memory.FREE == []


def test_arrays_larger_than_all_that_may_wait_are_not_kept():
    reused(MOST_BYTES + 1)
    assert memory.FREE == []


@given(st.lists(st.tuples(st.integers(SMALLEST_BYTES, 40 * MEBI), st.booleans()), max_size=30))
def test_what_waits_never_exceeds_what_is_promised_and_arrays_in_use_never_overlap(steps):
    held = []
    for n_bytes, keep in steps:
        array = reused(n_bytes)
        assert array.size == n_bytes
        if keep:
            held.append(array)
        del array
        assert sum(each.bytes.size for each in memory.FREE) <= MOST_BYTES
    places = sorted((address(array), address(array) + array.size) for array in held)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(places))
