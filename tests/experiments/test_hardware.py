from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emulators.devices.presets import rram_wan2022  # noqa: E402
from emulators.wires import Wires, solve  # noqa: E402
from experiments.hardware import substrate_of  # noqa: E402
from hil.errors import InvalidValueError  # noqa: E402
from hil.network import TernaryLayer, TernaryNetwork  # noqa: E402
from hil.registry import open_target  # noqa: E402
from hil.rng import stream  # noqa: E402


def codes_of(channels: int, fan_in: int) -> torch.Tensor:
    return torch.from_numpy(stream(0, "codes").integers(-1, 2, (channels, fan_in)).astype(np.float32))


def test_cells_when_device_is_ideal_then_codes_are_codes() -> None:
    codes = codes_of(20, 50)
    moved, share = substrate_of("crossbar:ideal", seed=0).cells(0, codes)
    assert share is None
    assert torch.allclose(moved, codes, atol=1e-6)


def test_cells_when_device_is_published_then_errors_have_its_statistics() -> None:
    codes = codes_of(200, 400)
    substrate = substrate_of("crossbar:rram_wan2022", seed=1)
    substrate.begin(0)
    moved, _ = substrate.cells(0, codes)
    zero = (moved - codes)[codes == 0]
    # two off cells: sqrt(2) of the spread that the device itself shows at its off level
    targets = np.full((200, 400), rram_wan2022.off_siemens)
    rng = stream(5, "device")
    read = rram_wan2022.read(rram_wan2022.program(targets, rng=rng), t_s=1.0, rng=rng)
    expected = np.sqrt(2) * read.std() / rram_wan2022.span_siemens
    assert float(zero.std()) == pytest.approx(expected, rel=0.03)  # over 25,000 cells


def test_cells_when_epoch_begins_again_then_the_same_cells_are_drawn() -> None:
    codes = codes_of(10, 30)
    substrate = substrate_of("crossbar:rram_wan2022", seed=2, redraw_every=2)
    drawn = []
    for epoch in (0, 1, 0):
        substrate.begin(epoch)
        drawn.append([substrate.cells(0, codes)[0] for _ in range(3)])
    assert torch.equal(drawn[0][0], drawn[0][1])  # two passes share a draw
    assert not torch.equal(drawn[0][1], drawn[0][2])
    assert not torch.equal(drawn[0][0], drawn[1][0])
    for first, again in zip(drawn[0], drawn[2], strict=True):
        assert torch.equal(first, again)


def test_share_when_wires_resist_then_it_is_what_the_solver_says() -> None:
    codes = codes_of(6, 9)
    target = "crossbar:ideal?wires=50&tile=16&adc_bits=lossless"
    moved, share = substrate_of(target, seed=0).cells(0, codes)
    weight = codes.numpy()
    device = open_target(target).device
    expected = np.zeros((6, 9))
    for sign in (1, -1):
        array = np.full((16, 16), device.off_siemens)
        array[:9, :6] = device.off_siemens + device.span_siemens * (sign == weight.T)
        answer = solve(array, np.eye(16), Wires(50.0, 50.0)).column_current_ampere
        expected += sign * answer[:9, :6].T / device.span_siemens
    used = weight != 0
    np.testing.assert_allclose(moved.numpy()[used], expected[used], rtol=1e-5)
    assert share is not None
    assert 0.3 < float(share.min()) < float(share.max()) <= 1.0


def test_convert_when_adc_has_few_bits_then_sums_lie_on_its_steps() -> None:
    substrate = substrate_of("crossbar:ideal?adc_bits=4&tile=32", seed=0)
    assert substrate.inputs_per_tile == 32
    sums = torch.from_numpy(stream(3, "sums").standard_normal((100, 2, 5)).astype(np.float32))
    first = substrate.convert(0, sums)
    for strip in range(2):
        largest = float(sums[:, strip].abs().max())
        steps = first[:, strip] / (largest / 7)
        assert torch.allclose(steps, steps.round(), atol=1e-4)
        assert float((first[:, strip] - sums[:, strip]).abs().max()) <= largest / 14 * 1.001
    clipped = substrate.convert(0, 3 * sums)  # the range stays that of the epoch's first batch
    assert torch.allclose(clipped.abs().amax(dim=(0, 2)), first.abs().amax(dim=(0, 2)))


@pytest.mark.parametrize("target", ["ternary", "crossbar:ideal?mapping=tnn_iv", "crossbar:ideal?inputs=bit_serial"])
def test_substrate_when_target_is_of_another_kind_then_refused(target: str) -> None:
    with pytest.raises(InvalidValueError, match="training"):
        substrate_of(target, seed=0)


def test_substrate_when_compared_with_the_backend_then_accumulators_correlate_cell_by_cell() -> None:
    """The training view and the emulator must lose the same currents: the ideal cells make both deterministic."""
    weight = stream(4, "agree").integers(-1, 2, (40, 100)).astype(np.int8)
    layer = TernaryLayer(weight, np.zeros(40, np.int32), 1.0)
    network = TernaryNetwork("one", (layer,), np.ones(40, np.float32))
    target = "crossbar:ideal?wires=20&tile=64&adc_bits=lossless&dac_bits=lossless&column_fit=off"
    features = stream(5, "agree").integers(0, 40, (30, 100)).astype(np.int8)
    with open_target(target).program(network, seed=0) as session:
        emulated = session.infer(features, t_us=np.arange(30), trace=True).layers[0].accumulator
    moved, _ = substrate_of(target, seed=0).cells(0, torch.from_numpy(weight.astype(np.float32)))
    trained = features.astype(np.float64) @ moved.numpy().T
    scale = np.abs(emulated).max()
    assert np.abs(trained - emulated).max() < 0.02 * scale
    assert np.abs(features.astype(int) @ weight.T - emulated).max() > 0.1 * scale
