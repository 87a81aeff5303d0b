"""Packed products are exact, on the vector path and on the portable one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import stream
from hil.errors import InvalidValueError
from hil.testing import BackendTests
from quant.kernels import HAS_AVX2, product_portable, product_vector
from quant.packed_backend import PackedBackend
from quant.packed_matrix import PackedMatrix


class TestPackedBackend(BackendTests):
    def backend(self):
        return PackedBackend()


@given(st.integers(1, 40), st.integers(1, 400), st.integers(0, 4), st.integers(0, 1000))
def test_product_equals_integer_arithmetic(rows, columns, n, seed):
    rng = stream(seed, "packed")
    codes = rng.integers(-1, 2, (rows, columns)).astype(np.int8)
    vectors = rng.integers(-128, 128, (n, columns)).astype(np.int8)
    matrix = PackedMatrix.pack(codes)
    np.testing.assert_array_equal(matrix.rows_times(vectors), vectors.astype(np.int64) @ codes.T.astype(np.int64))
    np.testing.assert_array_equal(matrix.unpack(), codes)


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("code", [-1, 1])
def test_extreme_inputs_do_not_saturate(value, code):
    matrix = PackedMatrix.pack(np.full((3, 4096), code, np.int8))
    assert matrix.rows_times(np.full((1, 4096), value, np.int8)).tolist() == [[4096 * value * code] * 3]


@pytest.mark.skipif(not HAS_AVX2, reason="this processor has no AVX2")
def test_vector_and_portable_kernels_agree():
    rng = stream(5, "packed", "kernels")
    matrix = PackedMatrix.pack(rng.integers(-1, 2, (33, 640)).astype(np.int8))
    inputs = rng.integers(-128, 128, (3, 640)).astype(np.int8)
    outs = [np.empty((3, 33), np.int32) for _ in range(2)]
    product_vector(matrix.packed, inputs, outs[0])
    product_portable(matrix.packed, inputs, outs[1])
    np.testing.assert_array_equal(*outs)


def test_matrix_takes_a_sixteenth_of_float32():
    assert PackedMatrix.pack(np.zeros((256, 1024), np.int8)).nbytes * 16 == 256 * 1024 * 4


def test_matmul_operator_takes_columns():
    codes = stream(6, "packed").integers(-1, 2, (5, 7)).astype(np.int8)
    x = np.arange(14, dtype=np.int8).reshape(7, 2)
    np.testing.assert_array_equal(PackedMatrix.pack(codes) @ x, codes.astype(int) @ x.astype(int))
    np.testing.assert_array_equal(PackedMatrix.pack(codes) @ x[:, 0], codes.astype(int) @ x[:, 0].astype(int))


def test_codes_that_are_not_ternary_are_refused():
    with pytest.raises(InvalidValueError, match="-1, 0, \\+1"):
        PackedMatrix.pack(np.array([[2]], np.int8))


def test_vectors_of_another_length_or_type_are_refused():
    matrix = PackedMatrix.pack(np.zeros((2, 5), np.int8))
    for vectors in (np.zeros((1, 4), np.int8), np.zeros((1, 5), np.int16)):
        with pytest.raises(InvalidValueError, match=r"\(n, 5\) int8"):
            matrix.rows_times(vectors)
