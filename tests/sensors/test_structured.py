"""Structured arrays go to Tonic and come back unchanged."""

import numpy as np
import pytest

from hil.errors import FormatError, InvalidValueError
from hil.types import EventBatch
from sensors.structured import from_structured, to_tonic


def test_to_tonic_has_tonics_own_dtype_and_comes_back_unchanged():
    tonic_io = pytest.importorskip("tonic.io", reason="tonic is not installed")
    events = EventBatch(np.array([1, 2]), np.array([3, 4]), np.array([5, 6]), np.array([True, False]))
    records = to_tonic(events)
    assert records.dtype == tonic_io.events_struct
    back = from_structured(records)
    for column in "txyp":
        assert np.array_equal(getattr(back, column), getattr(events, column))


def test_records_with_minus_one_for_off_are_understood():
    records = np.array([(1, 2, 3, -1), (1, 2, 4, 1)], dtype=[("x", "i8"), ("y", "i4"), ("t", "u8"), ("p", "i1")])
    assert from_structured(records).p.tolist() == [False, True]


def test_records_without_a_field_and_coordinates_that_do_not_fit_are_refused():
    with pytest.raises(FormatError, match="lack p"):
        from_structured(np.zeros(1, dtype=[("x", "i8"), ("y", "i4"), ("t", "u8")]))
    wide = EventBatch(np.array([1]), np.array([40_000]), np.array([0]), np.array([True]))
    with pytest.raises(InvalidValueError, match="32767"):
        to_tonic(wide)
