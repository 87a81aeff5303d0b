"""Ternary matrix-vector product on packed weights: a sixteenth of the bytes of float32, exact, no multiplier needed.

Weights are stored as code plus one in two bits, planar: byte ``k`` of a row holds columns ``k``, ``k + q``, ``k + 2q``
and ``k + 3q`` with ``q`` a quarter of the padded row, so that one shift and one mask unpack 32 neighbouring columns at
once. The product of the shifted codes is ``sum((c + 1) * x)``; the sum of the inputs is taken off afterwards. On
processors with AVX2 the inner loop is written in its byte multiply-add (``vpmaddubsw``); elsewhere the compiler
vectorises a plain loop.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["HAS_AVX2", "product_portable", "product_vector"]

HAS_AVX2 = bool(llvm.get_host_cpu_features().get("avx2", False))

BYTES = ir.VectorType(ir.IntType(8), 32)
WORDS = ir.VectorType(ir.IntType(16), 16)
SUMS = ir.VectorType(ir.IntType(32), 8)


def _splat(vector: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def _declare(module: ir.Module, name: str, result: ir.Type, arguments: list[ir.Type]) -> Any:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, arguments), name)


def _load(builder: ir.IRBuilder, address: Any, offset: Any) -> Any:
    pointer = builder.inttoptr(builder.add(address, offset), BYTES.as_pointer())
    return builder.load(pointer, align=1)


def _multiply_add(builder: ir.IRBuilder, packed: Any, x: Any, quarter: Any, i: Any) -> Any:
    """Return eight partial sums of 32 packed bytes with their four stretches of 32 inputs."""
    maddubs = _declare(builder.module, "llvm.x86.avx2.pmadd.ub.sw", WORDS, [BYTES, BYTES])
    madd = _declare(builder.module, "llvm.x86.avx2.pmadd.wd", SUMS, [WORDS, WORDS])
    as_words = builder.bitcast(packed, WORDS)
    total = None
    for plane in range(4):
        shifted = builder.bitcast(builder.lshr(as_words, _splat(WORDS, 2 * plane)), BYTES)
        codes = builder.and_(shifted, _splat(BYTES, 3))
        offset = builder.add(i, builder.mul(quarter, ir.Constant(ir.IntType(64), plane)))
        pairs = builder.call(maddubs, [codes, _load(builder, x, offset)])
        total = pairs if total is None else builder.add(total, pairs)  # at most 4 * 2 * 2 * 128: fits int16
    return builder.call(madd, [total, _splat(WORDS, 1)])


@intrinsic
def _dot_avx2(_typing_context: Any, row: Any, x: Any, quarter: Any) -> Any:  # noqa: ARG001  (read from the stack)
    """Return the int32 dot product of ``quarter`` packed bytes at an address with the inputs at another."""
    signature = types.int32(types.int64, types.int64, types.int64)

    def generate(_context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        row_address, x_address, length = arguments
        i64 = ir.IntType(64)
        entry = builder.block
        loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        i, sums = builder.phi(i64), builder.phi(SUMS)
        packed = _load(builder, row_address, i)
        added = builder.add(sums, _multiply_add(builder, packed, x_address, length, i))
        following = builder.add(i, ir.Constant(i64, 32))
        i.add_incoming(ir.Constant(i64, 0), entry)
        i.add_incoming(following, loop)
        sums.add_incoming(_splat(SUMS, 0), entry)
        sums.add_incoming(added, loop)
        builder.cbranch(builder.icmp_signed("<", following, length), loop, done)
        builder.position_at_end(done)
        total = ir.Constant(ir.IntType(32), 0)
        for lane in range(8):
            total = builder.add(total, builder.extract_element(added, ir.Constant(ir.IntType(32), lane)))
        return total

    return signature, generate


@njit(cache=True, nogil=True)
def product_vector(packed: Any, inputs: Any, out: Any) -> None:
    """Fill (n, rows) int32 products of (rows, q) planar bytes with (n, 4 q) int8 inputs; needs AVX2.

    ``q`` is a multiple of 32 and every array is C-contiguous.
    """
    rows, quarter = packed.shape
    for n in range(len(inputs)):
        offset = 0
        for k in range(4 * quarter):
            offset += inputs[n, k]
        x = inputs[n].ctypes.data
        first = packed.ctypes.data
        for row in range(rows):
            out[n, row] = _dot_avx2(first + row * quarter, x, quarter) - offset  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def product_portable(packed: Any, inputs: Any, out: Any) -> None:
    """Fill (n, rows) int32 products like ``product_vector``, on any processor."""
    rows, quarter = packed.shape
    for n in range(len(inputs)):
        offset = 0
        for k in range(4 * quarter):
            offset += inputs[n, k]
        for row in range(rows):
            total = 0
            for k in range(quarter):
                byte = packed[row, k]
                total += (byte & 3) * inputs[n, k]
                total += (byte >> 2 & 3) * inputs[n, k + quarter]
                total += (byte >> 4 & 3) * inputs[n, k + 2 * quarter]
                total += (byte >> 6) * inputs[n, k + 3 * quarter]
            out[n, row] = total - offset
