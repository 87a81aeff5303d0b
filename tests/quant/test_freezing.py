from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from hil.errors import InvalidValueError  # noqa: E402
from hil.rng import stream  # noqa: E402
from hil.testing.networks import reference_layers  # noqa: E402
from hil.types import Int8Array  # noqa: E402
from quant.encoder import Encoder  # noqa: E402
from quant.freezing import fold, freeze, requantisation  # noqa: E402
from quant.recipe import LayerPlan  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHAPE = (4, 9, 8)
PLANS = {
    "dense": (LayerPlan(48), LayerPlan(32)),
    "convolution": (LayerPlan(12, kernel=3, stride=2, padding=1), LayerPlan(16, kernel=2), LayerPlan(20)),
}


def trained_like(plans: tuple[LayerPlan, ...], seed: int = 0) -> tuple[Encoder, Int8Array]:
    """Return an encoder whose norms and scales are as far from neutral as after training, and features."""
    torch.manual_seed(seed)
    rng = stream(seed, "freezing")
    features = rng.poisson(1.5, (400, int(np.prod(SHAPE)))).clip(0, 127).astype(np.int8)
    encoder = Encoder(SHAPE, plans, 24)
    encoder.train()
    for stage in encoder.stages:
        torch.nn.init.normal_(stage.norm.weight, 1.0, 0.7)  # some negative
        torch.nn.init.normal_(stage.norm.bias, 0.0, 0.5)
        stage.norm.momentum = None
    with torch.no_grad():
        encoder(torch.from_numpy(features).float())
    encoder.eval()
    return encoder, features


def test_freeze_when_encoder_has_real_weights_then_refused() -> None:
    with pytest.raises(InvalidValueError, match="only a ternary encoder"):
        freeze(Encoder(SHAPE, PLANS["dense"], 24, precision="float"), name="twin")


def stage_outputs(encoder: Encoder, features: Int8Array) -> list[np.ndarray]:
    values, outputs = torch.from_numpy(features).float(), []
    with torch.no_grad():
        for stage in encoder.stages:
            values = stage(values)
            outputs.append(values.double().numpy())
    return outputs


@pytest.mark.parametrize("kind", PLANS)
def test_frozen_first_layer_when_run_in_integers_then_it_is_the_torch_layer_up_to_the_stated_rounding(
    kind: str,
) -> None:
    encoder, features = trained_like(PLANS[kind])
    network = freeze(encoder, name="test")
    layer = network.layers[0]
    ours = reference_layers(network, features)[0].activation.astype(np.float64)
    theirs = stage_outputs(encoder, features)[0]  # fake-quantised, halves to even
    scale = encoder.stages[0].activation.scale.item()
    folded = fold(encoder.stages[0], 1.0)
    slope = np.repeat(folded.gain / scale, layer.positions)
    moved = slope * np.repeat(np.rint(folded.offset) - folded.offset, layer.positions)
    # apart from the bias, whose rounding is known, only the multiplier's 15 bits and the way of halves remain
    product = layer.fold(layer.unfold(features).astype(np.float64) @ (folded.codes.T.astype(np.float64)))
    real = slope * (product + np.repeat(folded.offset, layer.positions))
    np.testing.assert_array_less(np.abs(np.rint(real.clip(0, 127)) - theirs / scale), 1 + 1e-3)
    biased = (real + moved).clip(0, 127)
    near_half = np.abs(biased - np.floor(biased) - 0.5) < 127 * 2.0**-14
    assert (ours == np.floor(biased + 0.5))[~near_half].all()
    assert near_half.mean() < 0.05


@pytest.mark.parametrize("kind", PLANS)
def test_frozen_network_when_run_in_integers_then_embedding_points_where_torch_points(kind: str) -> None:
    encoder, features = trained_like(PLANS[kind])
    network = freeze(encoder, name="test")
    ours = network.embed(reference_layers(network, features)[-1].activation).astype(np.float64)
    theirs = stage_outputs(encoder, features)[-1]
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() > 0.95
    assert cosine.mean() > 0.99


def test_folded_layer_when_nothing_is_rounded_then_it_is_the_torch_layer_exactly() -> None:
    encoder, features = trained_like(PLANS["dense"])
    stage = encoder.stages[0]
    folded = fold(stage, 1.0)
    exact = folded.gain * (features.astype(np.float64) @ folded.codes.T.astype(np.float64) + folded.offset)
    with torch.no_grad():
        theirs = stage.norm(stage.linear(torch.from_numpy(features).float())).numpy()
    np.testing.assert_allclose(exact, theirs, rtol=1e-4, atol=1e-4)


@given(hnp.arrays(np.float64, 5, elements=st.floats(1e-9, 8000)))
def test_requantisation_when_gain_is_positive_then_factor_is_within_15_bits(gain: np.ndarray) -> None:
    factors = requantisation(gain)
    made = factors.multiplier.astype(np.float64) / 2.0 ** factors.shift.astype(np.float64)
    assert (np.abs(made - gain) <= gain * 2.0**-14).all()
    assert factors.multiplier.max() < 2**15


@pytest.mark.parametrize("gain", [-1.0, np.inf, 1e6])
def test_requantisation_when_gain_is_impossible_then_refused(gain: float) -> None:
    with pytest.raises(InvalidValueError, match="gains must lie"):
        requantisation(np.array([gain]))


def test_freeze_when_a_norm_has_collapsed_then_refused() -> None:
    encoder, _ = trained_like(PLANS["dense"])
    with torch.no_grad():
        encoder.stages[0].norm.weight[3] = 0.0
        encoder.stages[0].norm.bias[3] = 1.0
    with pytest.raises(InvalidValueError, match="bias of layer 0"):
        freeze(encoder, name="test")
