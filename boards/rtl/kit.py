"""What a clean folder needs beside memory images to run the core: sources, sizes, a window, and what must come out."""

from __future__ import annotations

from typing import Any

import numpy as np

from boards.rtl.core import CoreSize, verilog_sources
from hil.network import TernaryNetwork
from hil.rng import stream
from hil.types import Int8Array, Int32Array

__all__ = ["kit"]

SOURCES = ("ternary_lanes.v", "ternary_requantise.v", "ternary_core.v", "ternary_top.v", "testbench.v")
READ_ME = """The core with this network, under Icarus Verilog:

    iverilog -g2005 -s testbench $(cat iverilog.txt) -o run *.v
    vvp -n run +features=example.memh +d_in={d_in} +windows=1 | grep -v cycles | tail -n {d_out} | cut -d' ' -f1 \\
        | diff - expected.txt && echo equal

For a tool that builds hardware: define SYNTHESIS, take ternary_top as the top, with the parameters of iverilog.txt.
network.json holds what the core does not need: captions, and the scale of every output.
"""


def kit(network: TernaryNetwork, lanes: int) -> dict[str, bytes]:
    """Return the files that go with the memory images of a network.

    ``example.memh`` is one window, a byte a line; ``expected.txt`` has what the last layer drains for it, channel by
    channel within each position: accumulator plus bias.

    Args:
        network: What the images hold.
        lanes: Accumulators of the core.
    """
    window = _window(network)
    parameters = {**CoreSize.of(network, lanes).parameters(), "FEATURE_WORDS": network.d_in}
    texts = {
        "README.txt": READ_ME.format(d_in=network.d_in, d_out=network.d_out),
        "iverilog.txt": "".join(f"-Ptestbench.{name}={value}\n" for name, value in parameters.items()),
        "example.memh": "".join(f"{int(value) & 255:02x}\n" for value in window[0]),
        "expected.txt": "".join(f"{value}\n" for value in _drained(network, window)),
    }
    sources = {path.name: path.read_bytes() for path in verilog_sources(*SOURCES)}
    return {**{name: text.encode() for name, text in texts.items()}, **sources}


def _window(network: TernaryNetwork) -> Int8Array:
    counts = stream(0, "readmemh", "example").poisson(0.5, (1, network.d_in))
    return np.minimum(counts, 127).astype(np.int8)


def _drained(network: TernaryNetwork, window: Int8Array) -> Int32Array:
    """Return the (d_out,) accumulators plus bias of the last layer, in the order in which the core drains them."""
    values: Any = window
    for layer in network.layers:
        biased = (layer.unfold(values).astype(np.int64) @ layer.weight.T + layer.bias).astype(np.int32)
        values = biased if layer.requantisation is None else layer.fold(layer.requantisation.apply(biased))
    drained: Int32Array = values.ravel()
    return drained
