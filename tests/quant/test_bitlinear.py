from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from hil.network import Patches  # noqa: E402
from hil.rng import stream  # noqa: E402
from quant.absmean import absmean_codes  # noqa: E402
from quant.bitlinear import BitConv2d, BitLinear  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCALES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


def layer_of(weight: np.ndarray) -> BitLinear:
    layer = BitLinear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
    return layer


@pytest.mark.slow
def test_codes_when_ten_million_weights_are_random_then_every_one_equals_the_oracle() -> None:
    compared = 0
    for scale in SCALES:
        weight = (scale * stream(1, "oracle", str(scale)).standard_normal((1200, 1250))).astype(np.float32)
        quantised = layer_of(weight).quant_weight()
        codes, oracle_scale = absmean_codes(weight)
        assert np.float32(quantised.scale.item()) == oracle_scale
        np.testing.assert_array_equal((quantised.value / quantised.scale).detach().numpy(), codes)
        compared += codes.size
    assert compared >= 10_000_000


@pytest.mark.parametrize("scale", SCALES)
def test_gradient_when_loss_is_random_then_it_is_that_of_a_detached_scale(scale: float) -> None:
    rng = stream(2, "gradient", str(scale))
    weight = (scale * rng.standard_normal((40, 60))).astype(np.float32)
    inputs, outer = (torch.from_numpy(rng.standard_normal(s).astype(np.float32)) for s in ((8, 60), (8, 40)))
    layer = layer_of(weight)
    (layer(inputs) * outer).sum().backward()
    expected = outer.double().T @ inputs.double()  # straight through: d(y)/d(W) as if no one had rounded
    assert layer.weight.grad is not None
    assert (layer.weight.grad - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_forward_when_weights_are_quantised_then_it_is_codes_times_scale() -> None:
    rng = stream(3, "forward")
    weight = rng.standard_normal((5, 9)).astype(np.float32)
    inputs = rng.integers(-9, 9, (4, 9)).astype(np.float32)
    codes, scale = absmean_codes(weight)
    outputs = layer_of(weight)(torch.from_numpy(inputs)).detach().numpy()
    np.testing.assert_allclose(outputs, inputs @ codes.T * scale, rtol=1e-6)


def test_convolution_when_seen_from_its_patches_then_it_is_the_same_product() -> None:
    patches = Patches(in_channels=3, height=8, width=7, kernel=3, stride=2, padding=1)
    layer = BitConv2d(patches, 5)
    inputs = stream(4, "convolution").integers(-128, 128, (6, patches.d_in)).astype(np.int8)
    codes, scale = absmean_codes(layer.weight.detach().numpy())
    product = patches.unfold(inputs).astype(np.float64) @ codes.reshape(5, -1).T * float(scale)
    outputs = layer(torch.from_numpy(inputs.astype(np.float32))).detach().flatten(1).numpy()
    np.testing.assert_allclose(outputs, product.transpose(0, 2, 1).reshape(6, -1), rtol=1e-4, atol=1e-3)


def test_float_twin_when_not_ternary_then_latent_weights_are_used() -> None:
    weight = stream(6, "twin").standard_normal((4, 6)).astype(np.float32)
    layer = layer_of(weight)
    layer.ternary = False
    np.testing.assert_allclose(layer(torch.eye(6)).detach().numpy(), weight.T)
