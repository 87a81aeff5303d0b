from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from hil.network import Patches  # noqa: E402
from hil.rng import stream  # noqa: E402
from quant.absmean import absmean_codes  # noqa: E402
from quant.bitlinear import BitConv2d, BitLinear  # noqa: E402
from quant.substrates import GaussianCells, product  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Stretched:
    """Codes become 2 c + 0.25; half of each current arrives; converters round to whole numbers."""

    def __init__(self, inputs_per_tile: int | None = None) -> None:
        self.inputs_per_tile = inputs_per_tile

    def begin(self, epoch: int) -> None:
        """Remember nothing."""

    def cells(self, layer: int, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 2 * codes + 0.25, torch.full_like(codes, 0.5)

    def convert(self, layer: int, sums: torch.Tensor) -> torch.Tensor:
        return sums.round()


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(stream(seed, "substrate").standard_normal(shape).astype(np.float32))


def test_cells_when_moved_then_forward_follows_them_and_gradient_what_arrives() -> None:
    calm, moved = BitLinear(6, 4), BitLinear(6, 4)
    moved.load_state_dict(calm.state_dict())
    moved.place(Stretched(), 0)
    inputs = random(0, 3, 6)
    codes, scale = absmean_codes(calm.weight.detach().numpy())
    np.testing.assert_allclose(
        moved(inputs).detach().numpy(), inputs.numpy() @ (2 * codes + 0.25).T * scale, rtol=1e-4, atol=1e-6
    )
    for layer in (calm, moved):
        layer(inputs).sum().backward()
    assert torch.allclose(moved.weight.grad, 0.5 * calm.weight.grad)


@pytest.mark.parametrize("rows", [1, 4, 7, 64])
def test_product_when_converters_step_then_each_strip_is_rounded_by_itself(rows: int) -> None:
    vectors, weight = random(1, 5, 10), random(2, 3, 10)
    expected = sum((vectors[:, i : i + rows] @ weight[:, i : i + rows].T).round() for i in range(0, 10, rows))
    assert torch.equal(product(Stretched(rows), 0, vectors, weight), expected)


def test_product_when_converters_step_then_gradient_is_that_of_the_exact_sum() -> None:
    vectors, weight = random(3, 5, 10), random(4, 3, 10).requires_grad_()
    product(Stretched(4), 0, vectors, weight).sum().backward()
    assert torch.allclose(weight.grad, vectors.sum(0).expand(3, 10), atol=1e-5)


def test_convolution_when_tiled_then_it_is_the_convolution_up_to_the_converters() -> None:
    patches = Patches(in_channels=3, height=7, width=6, kernel=3, stride=2, padding=1)
    layer = BitConv2d(patches, 5)
    inputs = torch.from_numpy(stream(5, "tiled").integers(-50, 50, (4, patches.d_in)).astype(np.float32))
    exact = layer(inputs)

    class Lossless(Stretched):
        def cells(self, layer: int, codes: torch.Tensor) -> tuple[torch.Tensor, None]:
            return codes, None

        def convert(self, layer: int, sums: torch.Tensor) -> torch.Tensor:
            return sums

    layer.place(Lossless(8), 0)
    assert torch.allclose(layer(inputs), exact, rtol=1e-4, atol=1e-3)


def test_gaussian_cells_when_drawn_often_then_mean_and_deviation_are_as_asked() -> None:
    torch.manual_seed(0)
    codes = torch.ones(200, 200)
    moved, share = GaussianCells(0.3).cells(0, codes)
    assert share is None
    # 40,000 numbers: standard error of the mean 0.0015, of the deviation 0.001
    assert abs(float(moved.mean()) - 1) < 0.006
    assert abs(float(moved.std()) - 0.3) < 0.005
