"""The firmware on emulated microcontrollers: exact on every core, and within its budget of instructions."""

import numpy as np
import pytest

from boards.driver import BoardSession, DriverSettings
from boards.link import LinkSession
from boards.qemu import MACHINES, QemuBoard
from boards.verify import divergence_from_reference
from hil import Patches, stream
from hil.errors import MissingToolError, TargetUnavailableError, UnknownNameError
from hil.registry import open_target
from hil.testing import BackendTests, random_features, random_network

ARM = ("qemu-system-arm", "arm-none-eabi-gcc", "make")
RISCV = ("qemu-system-riscv32", "riscv64-unknown-elf-gcc", "make")
NETWORK = random_network((40, 24, 16), rng=stream(1, "qemu"))


class OnEmulatedCore:
    """What is asked of every core; two of them go through the whole suite of backends."""

    windows = 2
    cpu = ""

    def test_dense_network_is_exact_in_every_layer(self):
        features, times = random_features(NETWORK, 2, rng=stream(9, "qemu")), np.arange(2)
        with self.backend().program(NETWORK, seed=0) as session:
            answer = session.infer(features, t_us=times, trace=True)
        assert divergence_from_reference(NETWORK, features, answer, t_us=times) is None

    def backend(self):
        return open_target(f"qemu:{self.cpu}")

    def test_capabilities_are_what_the_board_says(self):
        backend = self.backend()
        info = backend.identify()
        promised = backend.capabilities
        assert (promised.max_fan_in, promised.max_channels) == (info.vector_capacity, info.channel_capacity)
        assert promised.time_source == info.time_source == "instructions"
        assert self.cpu.replace("riscv32", "rv32imac").replace("stm32f4", "cortex-m4") in info.name

    def test_both_kernels_are_exact_on_a_convolution(self):
        patches = Patches(in_channels=2, height=6, width=5, kernel=3, stride=1, padding=1)
        network = random_network((0, 9), rng=stream(2, "qemu"), patches=patches, channels=17)
        features = random_features(network, 2, rng=stream(3, "qemu"))
        times = np.arange(2)
        for kernel in ("columns", "rows"):
            with open_target(f"qemu:{self.cpu}?kernel={kernel}").program(network, seed=0) as session:
                answer = session.infer(features, t_us=times, trace=True)
            assert divergence_from_reference(network, features, answer, t_us=times) is None


@pytest.mark.tool(*ARM)
class TestCortexM3(OnEmulatedCore):
    cpu = "cortex-m3"


@pytest.mark.tool(*ARM)
class TestCortexM4(OnEmulatedCore, BackendTests):
    cpu = "cortex-m4"


@pytest.mark.tool(*ARM)
class TestCortexM7(OnEmulatedCore):
    cpu = "cortex-m7"


@pytest.mark.tool(*ARM)
class TestCortexM33(OnEmulatedCore):
    cpu = "cortex-m33"


@pytest.mark.tool(*ARM)
class TestCortexM55(OnEmulatedCore):
    cpu = "cortex-m55"


@pytest.mark.tool(*RISCV)
class TestRiscV32(OnEmulatedCore, BackendTests):
    cpu = "riscv32"


@pytest.mark.tool(*ARM)
class TestStm32F4(OnEmulatedCore):
    cpu = "stm32f4"


@pytest.mark.tool(*ARM)
def test_protocol_network_stays_within_its_budget_on_cortex_m4():
    """2312->512->384 at 5 % active inputs: instructions, link overhead and loading time of the roadmap."""
    network = random_network((2312, 512, 384), rng=stream(4, "budget"))
    features = random_features(network, 4, rng=stream(5, "budget"), active=0.05)
    with open_target("qemu:cortex-m4").program(network, seed=0) as session:
        telemetry = session.infer(features, t_us=np.arange(4)).telemetry
    assert telemetry.time / len(features) <= 0.9e6
    assert 1.0 - telemetry.counters["link_payload_bytes"] / telemetry.counters["link_wire_bytes"] < 0.10
    assert telemetry.counters["load_wall_s_max"] < 1.0


@pytest.mark.tool(*ARM)
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55", "stm32f4"])
def test_instructions_are_the_same_from_run_to_run_and_grow_with_active_inputs(cpu):
    """A tick is many instructions and a byte arrives anywhere within one, so the firmware starts a tick of its own."""
    network = random_network((600, 64, 16), rng=stream(6, "count"))
    sparse = random_features(network, 1, rng=stream(7, "count"), active=0.05)
    dense = random_features(network, 1, rng=stream(7, "count"), active=1.0)
    counts = set()
    for _ in range(2):
        with open_target(f"qemu:{cpu}").program(network, seed=0) as session:
            counts |= {session.infer(sparse, t_us=np.zeros(1, np.int64)).telemetry.time for _ in range(8)}
            most = session.infer(dense, t_us=np.zeros(1, np.int64)).telemetry.time
    assert len(counts) == 1
    assert most > 3 * counts.pop()


@pytest.fixture
def board():
    board = QemuBoard("cortex-m4")
    yield board
    board.close()


@pytest.mark.tool(*ARM)
def test_reset_and_flipped_weight_are_met_on_an_emulated_board_too(board):
    features, times = random_features(NETWORK, 2, rng=stream(8, "qemu")), np.arange(2)
    with BoardSession(board, LinkSession(board.connect), NETWORK, settings=DriverSettings(recover="reload")) as session:
        board.reset()
        memory = board.program_memory(session.info)
        memory.write(200, bytes([memory.read(200, 1)[0] ^ 1]))
        answer = session.infer(features, t_us=times, trace=True)
        assert session.reloads == 1
    assert divergence_from_reference(NETWORK, features, answer, t_us=times) is None
    assert "QEMU" in answer.telemetry.provenance["emulator"]


@pytest.mark.tool(*ARM)
def test_stopped_emulator_is_unavailable_and_stays_stopped(board):
    process = board._process._process
    board.close()
    board.close()
    assert process.poll() is not None
    with pytest.raises(TargetUnavailableError, match="has been stopped"):
        board.connect()


@pytest.mark.tool(*ARM)
def test_emulator_that_dies_says_why_and_is_started_again(board):
    board._process._process.kill()
    board._process._process.wait(5.0)
    with pytest.raises(TargetUnavailableError, match="ended with code -9"):
        board.connect()
    board.restart()
    board.connect().close()


def test_missing_emulator_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    for cpu, machine in MACHINES.items():
        with pytest.raises(MissingToolError, match=f"{machine.program}.*apt-get install {machine.package}"):
            QemuBoard(cpu)


def test_unknown_core_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="cortex-m4"):
        QemuBoard("6502")
