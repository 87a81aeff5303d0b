"""``rtl:verilator``: the RTL core, compiled once by Verilator, as a backend that counts its clock cycles."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np

from boards.build_cache import cached_build, run_tool, source_digest
from boards.rtl.core import CoreSize, drained_per_window, ideal_cycles, split_drained, verilog_sources
from boards.rtl.memh import Readmemh
from hil.closing import Closing
from hil.errors import DeadlineError, InvalidValueError, LinkError, UnknownNameError
from hil.network import TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.registry import refuse_unknown_options
from hil.types import Inference, Int8Array, Int32Array, Int64Array, Telemetry

__all__ = ["VerilatorBackend", "rtl", "run_images"]

VERILOG = ("ternary_lanes.v", "ternary_requantise.v", "ternary_core.v", "ternary_top.v")
BUILD_TIMEOUT_S = 300.0
WINDOW_TIMEOUT_S = 60.0


def _build(size: CoreSize, sources: list[Path]) -> Path:
    digest = source_digest(sources, repr(size))

    def compile_into(folder: Path) -> None:
        parameters = [f"-G{name}={value}" for name, value in size.parameters().items()]
        command = ["verilator", "--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-CFLAGS", "-O2"]
        names = [str(path) for path in sources]
        run_tool(
            [*command, *parameters, "--top-module", "ternary_top", "--Mdir", str(folder), "-o", "simulator", *names],
            package="verilator g++ make",
            purpose="the target rtl:verilator",
            timeout_s=BUILD_TIMEOUT_S,
        )

    return cached_build("verilator", digest, compile_into) / "simulator"


class _Simulator:
    """The running simulation: windows in, drained channels out."""

    def __init__(self, program: Path, images: Mapping[str, bytes], network: TernaryNetwork) -> None:
        self._folder = tempfile.mkdtemp(prefix="hil-rtl-")
        for name, content in images.items():
            Path(self._folder, name).write_bytes(content)
        arguments = [f"+{name.removesuffix('.memh')}={name}" for name in images]
        self._process = subprocess.Popen(  # noqa: S603  (a program we compiled)
            [str(program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self._folder
        )
        self._outputs = drained_per_window(network.layers)
        self._pipe(self._process.stdin).write(struct.pack("<II", network.d_in, self._outputs))

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None or pipe.closed:
            raise LinkError("the simulated core was closed; program it again")
        return pipe

    def run(self, window: Int8Array) -> tuple[int, Int32Array]:
        """Return the cycles and the (outputs, 2) drained values of one window."""
        stdin = self._pipe(self._process.stdin)
        try:
            stdin.write(window.tobytes())
            stdin.flush()
        except BrokenPipeError as error:
            raise LinkError(f"the simulated core stopped with exit code {self._process.poll()}") from error
        answer = self._read(8 + 8 * self._outputs)
        cycles = int.from_bytes(answer[:8], "little")
        return cycles, np.frombuffer(answer[8:], "<i4").reshape(self._outputs, 2)

    def _read(self, n_bytes: int) -> bytes:
        descriptor = self._pipe(self._process.stdout).fileno()
        deadline = time.monotonic() + WINDOW_TIMEOUT_S
        parts: list[bytes] = []
        while n_bytes:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise DeadlineError(f"the simulated core gave no answer within {WINDOW_TIMEOUT_S} s")
            part = os.read(descriptor, n_bytes)
            if not part:
                raise LinkError(f"the simulated core stopped with exit code {self._process.wait(1.0)}")
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Stop the simulation and remove its files."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(BrokenPipeError):  # what a core that stopped never took
                    pipe.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(5.0)
        shutil.rmtree(self._folder, ignore_errors=True)


class VerilatorSession(Closing):
    """A network in the simulated core."""

    def __init__(
        self, network: TernaryNetwork, simulator: _Simulator, provenance: Mapping[str, str], lanes: int
    ) -> None:
        self._network, self._simulator, self._provenance = network, simulator, provenance
        self._ideal = ideal_cycles(network, lanes)

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the core one by one; time is clock cycles from start to idle."""
        if features.ndim != 2 or features.shape[1] != self._network.d_in:
            raise InvalidValueError(f"features must be (n, {self._network.d_in}), but are {features.shape}")
        runs = [self._simulator.run(window) for window in features]
        drained = np.array([values for _, values in runs], np.int32)
        drained = drained.reshape(len(runs), drained_per_window(self._network.layers), 2)
        layers = split_drained(self._network, drained)
        cycles = sum(cycles for cycles, _ in runs)
        counters = {
            "cycles_per_inference": cycles / max(1, len(runs)),
            "ideal_cycles_per_inference": float(self._ideal),
        }
        telemetry = Telemetry("cycles", float(cycles), counters=counters, provenance=self._provenance)
        return Inference(self._network.embed(layers[-1].activation), telemetry, layers if trace else ())

    def close(self) -> None:
        """Stop the simulation; may be called twice."""
        self._simulator.close()


@dataclass(frozen=True, slots=True)
class VerilatorBackend:
    """The RTL core under Verilator.

    Attributes:
        lanes: Accumulators of the core.
    """

    lanes: int = 64
    name: str = "rtl:verilator"

    @property
    def capabilities(self) -> Capabilities:
        """Exact; time is counted in clock cycles."""
        return Capabilities(exact=True, time_source="cycles", max_channels=65535)

    def program(
        self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress
    ) -> VerilatorSession:
        """Compile a core large enough (once; builds are cached), load the network's memory images and start it.

        Raises:
            MissingToolError: Verilator, a C++ compiler or make is missing.
        """
        sources = _sources()
        simulator = _simulator(Readmemh(self.lanes).images(network), network, self.lanes)
        provenance = MappingProxyType(
            {
                "substrate": "simulation of the RTL by Verilator",
                "rtl_sha256": source_digest(sources),
                "lanes": str(self.lanes),
                "network": network.digest,
            }
        )
        return VerilatorSession(network, simulator, provenance, self.lanes)


def _sources() -> list[Path]:
    return [path.resolve() for path in verilog_sources(*VERILOG, "harness.cpp")]


def _simulator(images: Mapping[str, bytes], network: TernaryNetwork, lanes: int) -> _Simulator:
    return _Simulator(_build(CoreSize.of(network, lanes), _sources()), images, network)


def run_images(images: Mapping[str, bytes], network: TernaryNetwork, lanes: int, features: Int8Array) -> Int32Array:
    """Return the (n, d_out) accumulators plus bias that the core computes from memory images under Verilator.

    Args:
        images: As an export holds them.
        network: Whose sizes they have; its codes are not looked at.
        lanes: Accumulators of the core they are for.
        features: (n, d_in) int8.
    """
    simulator = _simulator(images, network, lanes)
    try:
        drained = np.array([simulator.run(window)[1] for window in features], np.int32)
    finally:
        simulator.close()
    last: Int32Array = split_drained(network, drained)[-1].activation
    return last


class _RtlFactory:
    """The RTL core; ``rtl:verilator?lanes=64`` simulates it cycle by cycle."""

    about = "the RTL core, simulated cycle by cycle (rtl:verilator?lanes=64)"

    def __call__(self, argument: str, options: Mapping[str, str]) -> VerilatorBackend:
        if argument not in ("", "verilator"):
            raise UnknownNameError.of("RTL simulator", argument, ["verilator"])
        refuse_unknown_options(options, ["lanes"], of="rtl")
        text = options.get("lanes", "64")
        if not text.isdecimal():
            raise InvalidValueError(f"option lanes of rtl must be a whole number, but is {text!r}")
        return VerilatorBackend(Readmemh(int(text)).lanes)

    def missing(self) -> str | None:
        """Name the missing programs, or None."""
        lacking = [tool for tool in ("verilator", "g++", "make") if shutil.which(tool) is None]
        return f"needs {', '.join(lacking)}; apt-get install verilator g++ make" if lacking else None


rtl = _RtlFactory()
