"""The RTL core under two simulators and a synthesiser, against the integer contract."""

import io
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from boards.rtl import memh
from boards.rtl.backend import VERILOG, VerilatorBackend, rtl
from boards.rtl.core import CoreSize, drained_per_window, ideal_cycles, split_drained, verilog_sources
from boards.rtl.kit import READ_ME
from boards.rtl.memh import Readmemh, readmemh
from hil import Patches, load_network, stream
from hil.errors import InputError, InvalidValueError, LinkError, UnknownNameError
from hil.sealed import seal, unseal
from hil.testing import BackendTests, WeightFormatTests, random_features, random_network, reference_layers

NETWORKS = {
    "dense": random_network((70, 33, 9), rng=stream(1, "rtl", "dense")),
    "convolution": random_network(
        (0, 11),
        rng=stream(1, "rtl", "conv"),
        patches=Patches(in_channels=3, height=7, width=6, kernel=3, stride=2, padding=1),
        channels=5,
    ),
}


class TestReadmemh(WeightFormatTests):
    def weight_format(self):
        return readmemh


class TestReadmemhWithOddLanes(WeightFormatTests):
    damaged_bytes = 5

    def weight_format(self):
        return Readmemh(lanes=3)


@pytest.mark.tool("verilator", "g++", "make")
@pytest.mark.slow
class TestVerilator(BackendTests):
    windows = 3

    def backend(self):
        return VerilatorBackend(lanes=8)


def test_weight_image_holds_lane_zero_in_the_lowest_bits():
    network = random_network((2, 2), rng=stream(1, "image"))
    images = Readmemh(lanes=4).images(network)
    for k, line in enumerate(images["weights.memh"].decode().split()):
        word = int(line, 16)
        codes = [((word >> 2 * lane) & 3) for lane in range(4)]
        assert codes[:2] == [int(w) & 3 for w in network.layers[0].weight[:, k]]
        assert codes[2:] == [0, 0]


@pytest.mark.tool("iverilog", "vvp")
@pytest.mark.parametrize("kind", NETWORKS)
def test_icarus_agrees_with_the_contract_in_every_channel_and_counts_few_cycles_over_the_ideal(kind, tmp_path):
    network, lanes = NETWORKS[kind], 16
    features = random_features(network, 2, rng=stream(2, "rtl", kind))
    for name, content in Readmemh(lanes).images(network).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "features.memh").write_text("\n".join(f"{int(v) & 255:02x}" for v in features.ravel()))
    size = CoreSize.of(network, lanes)
    parameters = {**size.parameters(), "FEATURE_WORDS": features.size}
    overrides = [f"-Ptestbench.{name}={value}" for name, value in parameters.items()]
    sources = [str(path) for path in verilog_sources(*VERILOG, "testbench.v")]
    subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-s", "testbench", *overrides, "-o", "run", *sources],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    arguments = ["+features=features.memh", f"+d_in={network.d_in}", "+windows=2"]
    run = subprocess.run(
        ["vvp", "-n", "run", *arguments], cwd=tmp_path, check=True, timeout=100, capture_output=True, text=True
    )
    lines = [line.split() for line in run.stdout.splitlines() if line and not line.startswith("WARNING")]
    cycles = [int(b) for a, b in lines if a == "cycles"]
    drained = np.array([[int(a), int(b)] for a, b in lines if a != "cycles"], np.int32)
    traces = split_drained(network, drained.reshape(2, drained_per_window(network.layers), 2))
    for got, wanted in zip(traces, reference_layers(network, features), strict=True):
        np.testing.assert_array_equal(got.accumulator, wanted.accumulator)
        np.testing.assert_array_equal(got.activation, wanted.activation)
    overhead = 21 * len(network.layers) + sum(x.positions * -(-x.channels // lanes) for x in network.layers) + 4
    assert ideal_cycles(network, lanes) < cycles[0] == cycles[1] <= ideal_cycles(network, lanes) + overhead


@pytest.mark.tool("verilator", "g++", "make")
@pytest.mark.slow
def test_core_of_64_lanes_is_within_15_percent_of_the_ideal_cycles():
    network = random_network((1734, 512, 384), rng=stream(3, "rtl", "cycles"))
    features = random_features(network, 2, rng=stream(3, "rtl", "features"))
    with VerilatorBackend(lanes=64).program(network, seed=0) as session:
        inference = session.infer(features, t_us=np.arange(2), trace=True)
    assert inference.telemetry.counters["cycles_per_inference"] < 1.15 * ideal_cycles(network, 64)
    np.testing.assert_array_equal(inference.layers[-1].activation, reference_layers(network, features)[-1].activation)


def test_target_with_an_unknown_simulator_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="verilator"):
        rtl("modelsim", {})


@pytest.mark.parametrize("lanes", ["0", "x", "-3", "5000"])
def test_target_with_impossible_lanes_is_refused(lanes):
    with pytest.raises(InputError, match=r"lanes"):
        rtl("verilator", {"lanes": lanes})


def test_windows_of_another_width_are_refused():
    class Silent:
        def close(self):
            pass

    from boards.rtl.backend import VerilatorSession

    session = VerilatorSession(NETWORKS["dense"], Silent(), {}, 8)
    with pytest.raises(InvalidValueError, match="70"):
        session.infer(np.zeros((1, 3), np.int8), t_us=np.zeros(1, int))


@pytest.mark.tool("verilator", "g++", "make")
@pytest.mark.slow
def test_core_that_was_killed_is_a_link_error_and_leaves_nothing_behind():
    network = NETWORKS["dense"]
    features = random_features(network, 2, rng=stream(9, "killed"))
    with VerilatorBackend(lanes=8).program(network, seed=0) as session:
        simulator = session._simulator
        simulator._process.kill()
        simulator._process.wait(5.0)
        with pytest.raises(LinkError, match="stopped with exit code"):
            session.infer(features, t_us=np.arange(2))
    assert not Path(simulator._folder).exists()


@pytest.mark.tool("verilator", "g++", "make", "iverilog", "vvp")
@pytest.mark.slow
def test_images_of_a_large_network_are_run_by_verilator_in_every_window(monkeypatch):
    monkeypatch.setattr(memh, "STEPS_A_WINDOW", 0)  # large is whatever has an input
    network, written = NETWORKS["dense"], Readmemh(lanes=8)
    reading = written.read_independently(written.encode(network), network)
    assert reading.reader == "Icarus Verilog, run by Verilator"
    assert reading.most_windows is None
    features = random_features(network, 3, rng=stream(11, "large"), active=0.5)
    np.testing.assert_array_equal(reading.run(features), reference_layers(network, features)[-1].activation)


@pytest.mark.tool("iverilog", "vvp", "bash")
@pytest.mark.parametrize("kind", NETWORKS)
def test_archive_runs_in_a_clean_folder_as_its_own_page_says(kind, tmp_path):
    network = NETWORKS[kind]
    with zipfile.ZipFile(io.BytesIO(Readmemh(lanes=4).encode(network))) as archive:
        archive.extractall(tmp_path)
    said = (tmp_path / "README.txt").read_text()
    commands = said[said.index("    iverilog") : said.index("For a tool")]
    run = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, timeout=100, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("equal")
    assert len((tmp_path / "expected.txt").read_text().split()) == network.d_out


def test_page_tells_the_same_steps_as_the_archive():
    page = (Path(__file__).parents[2] / "docs" / "rtl.md").read_text("utf-8")
    network = load_network("digits")
    said = READ_ME.format(d_in=network.d_in, d_out=network.d_out)
    for line in said.splitlines()[2:4]:
        assert line.strip().removesuffix(chr(92)).strip() in page


def test_archive_without_the_kit_is_read_as_before():
    network = NETWORKS["dense"]
    files = unseal(readmemh.encode(network))
    kept = {name: files[name] for name in ("weights.memh", "channels.memh", "layers.memh", "network.json")}
    assert readmemh.decode(seal(kept)).digest == network.digest
