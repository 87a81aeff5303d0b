"""Memory images read and run by Icarus Verilog: somebody else's ``$readmemh`` must see what we wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from boards.build_cache import run_tool
from boards.rtl.core import CoreSize, drained_per_window, split_drained, verilog_sources
from hil.errors import VerificationError
from hil.network import TernaryNetwork
from hil.types import Int8Array, Int32Array

__all__ = ["read_weights", "run_images"]

VERILOG = ("ternary_lanes.v", "ternary_requantise.v", "ternary_core.v", "ternary_top.v")
COMPILE_TIMEOUT_S = 120.0
RUN_TIMEOUT_S = 600.0

DUMP = """module dump;
    reg [{bits}-1:0] words[0:{depth}-1];
    integer i;
    initial begin
        $readmemh("weights.memh", words);
        for (i = 0; i < {depth}; i = i + 1) $display("%b", words[i]);
        $finish;
    end
endmodule
"""


def _tool(arguments: list[str], folder: str, timeout_s: float) -> str:
    return run_tool(
        arguments, package="iverilog", purpose="reading memory images", timeout_s=timeout_s, cwd=Path(folder)
    )


def _lines(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line and not line.startswith("WARNING") and "$finish" not in line]


def read_weights(images: Mapping[str, bytes], network: TernaryNetwork, lanes: int) -> list[Int8Array]:
    """Return each layer's (channels, fan_in) codes as Icarus' ``$readmemh`` reads them, bit by bit."""
    groups = [-(-layer.channels // lanes) for layer in network.layers]
    depth = sum(g * layer.fan_in for g, layer in zip(groups, network.layers, strict=True))
    with tempfile.TemporaryDirectory(prefix="hil-icarus-") as folder:
        Path(folder, "weights.memh").write_bytes(images["weights.memh"])
        Path(folder, "dump.v").write_text(DUMP.format(bits=2 * lanes, depth=depth))
        _tool(["iverilog", "-g2005", "-o", "dump", "dump.v"], folder, COMPILE_TIMEOUT_S)
        words = _lines(_tool(["vvp", "-n", "dump"], folder, RUN_TIMEOUT_S))
    if len(words) != depth or any("x" in word for word in words):
        raise VerificationError(f"weights.memh must hold {depth} words, but Icarus read fewer")
    codes = {"00": 0, "01": 1, "11": -1}
    lane_codes = np.array(
        [[codes.get(word[-2 * (k + 1) : len(word) - 2 * k], 2) for k in range(lanes)] for word in words], np.int8
    )
    found, start = [], 0
    for count, layer in zip(groups, network.layers, strict=True):
        part = lane_codes[start : start + count * layer.fan_in].reshape(count, layer.fan_in, lanes)
        codes_of_lanes = part.transpose(0, 2, 1).reshape(-1, layer.fan_in)
        if codes_of_lanes[layer.channels :].any():
            raise VerificationError(
                f"lanes beyond the {layer.channels} channels of a layer must hold 0 in weights.memh"
            )
        found.append(codes_of_lanes[: layer.channels])
        start += count * layer.fan_in
    return found


def run_images(images: Mapping[str, bytes], network: TernaryNetwork, lanes: int, features: Int8Array) -> Int32Array:
    """Return the (n, d_out) accumulators plus bias that the RTL core computes under Icarus."""
    size = CoreSize.of(network, lanes)
    with tempfile.TemporaryDirectory(prefix="hil-icarus-") as folder:
        for name, content in images.items():
            Path(folder, name).write_bytes(content)
        Path(folder, "features.memh").write_text("\n".join(f"{int(v) & 255:02x}" for v in features.ravel()))
        parameters = {**size.parameters(), "FEATURE_WORDS": features.size}
        overrides = [f"-Ptestbench.{name}={value}" for name, value in parameters.items()]
        sources = [str(path.resolve()) for path in verilog_sources(*VERILOG, "testbench.v")]
        compiler = ["iverilog", "-g2005", "-s", "testbench", *overrides, "-o", "run", *sources]
        _tool(compiler, folder, COMPILE_TIMEOUT_S)
        feeds = ["+features=features.memh", f"+d_in={network.d_in}", f"+windows={len(features)}"]
        printed = _lines(_tool(["vvp", "-n", "run", *feeds], folder, RUN_TIMEOUT_S))
    return _last_layer(printed, network, len(features))


def _last_layer(printed: list[str], network: TernaryNetwork, windows: int) -> Int32Array:
    rows: list[Any] = [line.split() for line in printed if not line.startswith("cycles")]
    outputs = drained_per_window(network.layers)
    if len(rows) != windows * outputs:
        raise VerificationError(f"the core drained {len(rows)} values, but {windows * outputs} were expected")
    drained = np.array(rows, np.int64).astype(np.int32).reshape(windows, outputs, 2)
    last: Int32Array = split_drained(network, drained)[-1].activation
    return last
