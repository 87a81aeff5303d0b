"""One C header with weights, integers and portable C99 inference: include it and call ``hil_infer``."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import DeadlineError, FormatError, MissingToolError, VerificationError
from hil.network import Patches, TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from hil.types import Float32Array, Int8Array
from quant.formats.verifiable import Integers, integers_of
from quant.packing import pack_two_bit, unpack_two_bit

__all__ = ["CHeaderFormat", "c_header"]

INFERENCE = files("quant.formats") / "c_inference.h.in"
CTYPES = {"weight": "uint8_t", "bias": "int32_t", "multiplier": "int32_t", "shift": "uint8_t"}
SEAL = "/* sha256 of everything above: "
COMPILE_TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 120.0

TYPES = """
typedef struct {
    const uint8_t *weight; /* two's complement codes, four to a byte, first in the lowest bits; rows on whole bytes */
    const int32_t *bias, *multiplier; /* multiplier is 0 on the last layer, which returns int32 */
    const uint8_t *shift;
    uint32_t row_bytes, channels, in_channels, kernel, stride, padding, height, width, out_height, out_width;
    int relu;
} hil_layer;
"""

MAIN = """
#include <stdio.h>
int main(void) {
    static int8_t in[HIL_D_IN];
    static int32_t out[HIL_D_OUT];
    while (fread(in, 1, HIL_D_IN, stdin) == HIL_D_IN) {
        hil_infer(in, out);
        if (fwrite(out, sizeof out[0], HIL_D_OUT, stdout) != HIL_D_OUT) return 1;
    }
    return 0;
}
"""
DUMP = """
static int dump_weights(void) {
    for (uint32_t i = 0; i < HIL_LAYERS; i++)
        for (uint32_t c = 0; c < hil_layers[i].channels; c++) {
            const uint32_t fan_in = hil_layers[i].in_channels * hil_layers[i].kernel * hil_layers[i].kernel;
            for (uint32_t k = 0; k < fan_in; k++)
                putchar(hil_weight(hil_layers[i].weight + (size_t)c * hil_layers[i].row_bytes, k) + 1);
        }
    return 0;
}
"""


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}f" if "." in f"{value:.9g}" or "e" in f"{value:.9g}" else f"{value:.9g}.0f"
    return str(value) if value > -(2**31) else "(-2147483647 - 1)"


def _array(name: str, kind: str, values: Integers) -> str:
    numbers = [_number(value) for value in values.ravel().tolist()]
    lines = "\n".join("    " + ", ".join(numbers[i : i + 24]) + "," for i in range(0, len(numbers), 24))
    return f"static const {kind} {name}[{len(numbers)}] = {{\n{lines}\n}};\n"


def _entry(i: int, layer: TernaryLayer) -> str:
    p = layer.patches or Patches(in_channels=layer.fan_in, height=1, width=1, kernel=1)
    step = layer.requantisation
    factors = "0, 0" if step is None else f"hil_multiplier{i}, hil_shift{i}"
    multiplier, shift = factors.split(", ")
    sizes = [-(-layer.fan_in // 4), layer.channels, p.in_channels, p.kernel, p.stride, p.padding]
    sizes += [p.height, p.width, p.out_height, p.out_width, int(step is not None and step.relu)]
    return f"    {{hil_weight{i}, hil_bias{i}, {multiplier}, {shift}, {', '.join(map(str, sizes))}}},"


class CHeaderFormat:
    """A header for firmware engineers: nothing but ``stdint.h`` and ``stddef.h``."""

    name: ClassVar[str] = "c"
    about: ClassVar[str] = "C header with packed weights and portable C99 integer inference"
    suffix: ClassVar[str] = ".h"

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the header as ASCII text."""
        arrays = []
        for i, layer in enumerate(network.layers):
            parts = {"weight": pack_two_bit(layer.weight), **integers_of(layer)}
            arrays += [_array(f"hil_{name}{i}", CTYPES[name], values) for name, values in parts.items()]
        arrays.append(_array("hil_output_scale", "float", network.output_scale))
        sizes = {
            "HIL_D_IN": network.d_in,
            "HIL_D_OUT": network.d_out,
            "HIL_LAYERS": len(network.layers),
            "HIL_MAX_ACTIVATIONS": max(layer.d_out for layer in network.layers),
        }
        description = json.dumps(describe(network), sort_keys=True).replace("*/", "*\\/")  # must not end the comment
        entries = "\n".join(_entry(i, layer) for i, layer in enumerate(network.layers))
        text = "".join(
            [
                "/* A ternary network and its integer inference. Generated; do not edit.\n",
                f"   description: {description}\n*/\n",
                "#ifndef HIL_NETWORK_H\n#define HIL_NETWORK_H\n#include <stddef.h>\n#include <stdint.h>\n\n",
                *(f"#define {name} {value}u\n" for name, value in sizes.items()),
                TYPES,
                *arrays,
                f"static const hil_layer hil_layers[HIL_LAYERS] = {{\n{entries}\n}};\n\n",
                INFERENCE.read_text("ascii"),
                "#endif\n",
            ]
        )
        return (text + SEAL + hashlib.sha256(text.encode()).hexdigest() + " */\n").encode("ascii")

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a header that this class wrote.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        text = _unsealed(blob)
        try:
            line = next(line for line in text.splitlines() if line.startswith("   description: "))
            described = json.loads(line.removeprefix("   description: "))
            layers = [_layer(text, i, each) for i, each in enumerate(described["layers"])]
        except (StopIteration, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"C header lacks a part or holds a wrong one: {error!r}") from error
        network = rebuild(described, layers)
        if not np.array_equal(_floats(text, "hil_output_scale"), network.output_scale):
            raise FormatError("hil_output_scale of the C header is not the scale that its description names")
        return network

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Compile the header and let it print its own weights and run.

        Raises:
            MissingToolError: No C compiler is on the PATH.
        """
        compiler = next((tool for tool in ("gcc", "cc", "clang") if shutil.which(tool)), None)
        if compiler is None:
            raise MissingToolError.of("gcc", package="gcc libc6-dev", purpose="verifying a C header")
        printed = _compiled(
            compiler, blob, MAIN.replace("int main(void) {", f"{DUMP}int main(void) {{ return dump_weights();")
        )
        codes = np.frombuffer(printed(b""), np.uint8).astype(np.int8) - 1
        ends = np.cumsum([layer.weight.size for layer in network.layers])
        parts = np.split(codes, ends)
        weights = [part.reshape(x.weight.shape) for part, x in zip(parts, network.layers, strict=False)]
        run = _compiled(compiler, blob, MAIN)

        def infer(features: Int8Array) -> Integers:
            return np.frombuffer(run(features.tobytes()), np.int32).reshape(len(features), network.d_out)

        return IndependentReading(f"{compiler} -std=c99 -Wall -Wextra -Werror -pedantic", weights, infer)


def _unsealed(blob: bytes) -> str:
    try:
        text, seal = blob.decode("ascii").rsplit(SEAL, 1)
    except ValueError as error:  # UnicodeDecodeError is one
        raise FormatError("file is not a C header of ours, or its end is missing") from error
    if seal != hashlib.sha256(text.encode()).hexdigest() + " */\n":
        raise FormatError("C header was altered: its contents do not match the hash in its last line")
    return text


def _values(text: str, name: str, dtype: Any) -> Integers | None:
    found = re.search(rf"^static const \w+ {name}\[(\d+)\] = \{{\n(.*?)\}};$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return None
    numbers = found[2].replace("(-2147483647 - 1)", "-2147483648").replace(",", " ").split()
    return np.array([int(number) for number in numbers], np.int64).astype(dtype)


def _floats(text: str, name: str) -> Float32Array:
    found = re.search(rf"^static const float {name}\[\d+\] = \{{\n(.*?)\}};$", text, re.DOTALL | re.MULTILINE)
    numbers = [] if found is None else found[1].replace("f,", " ").split()
    return np.array([float(number) for number in numbers], np.float32)


def _layer(text: str, i: int, described: dict[str, Any]) -> LayerIntegers:
    packed, bias = _values(text, f"hil_weight{i}", np.uint8), _values(text, f"hil_bias{i}", np.int32)
    if packed is None or bias is None:
        raise FormatError(f"C header has no weights or bias of layer {i}")
    codes = unpack_two_bit(packed.reshape(int(described["channels"]), -1), int(described["fan_in"]))
    multiplier, shift = _values(text, f"hil_multiplier{i}", np.int32), _values(text, f"hil_shift{i}", np.uint8)
    return LayerIntegers(codes, bias, multiplier, shift)


def _compiled(compiler: str, blob: bytes, main: str) -> Any:
    """Return a function that feeds bytes to the compiled header's main and returns what it prints."""

    def run(feed: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="hil-c-") as folder:
            Path(folder, "network.h").write_bytes(blob)
            Path(folder, "main.c").write_text('#include "network.h"\n' + main)
            warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-unused-function", "-Wno-unreachable-code"]
            _call([compiler, "-std=c99", "-O2", *warnings, "main.c", "-o", "main"], b"", folder, COMPILE_TIMEOUT_S)
            return _call([str(Path(folder, "main"))], feed, folder, RUN_TIMEOUT_S)

    return run


def _call(command: list[str], feed: bytes, folder: str, timeout_s: float) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  (a compiler found on the PATH and what it made)
            command, input=feed, capture_output=True, cwd=folder, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(f"{Path(command[0]).name} did not finish within {timeout_s} s") from error
    if done.returncode:
        raise VerificationError(f"{Path(command[0]).name} failed: {done.stderr.decode(errors='replace')[:300]}")
    return done.stdout


c_header = CHeaderFormat()
