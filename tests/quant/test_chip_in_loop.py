from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from hil.inference import infer  # noqa: E402
from hil.network import TernaryNetwork  # noqa: E402
from hil.rng import stream  # noqa: E402
from hil.types import FeatureBatch  # noqa: E402
from quant.chip_in_loop import ChipSettings, fine_tune  # noqa: E402
from quant.freezing import freeze  # noqa: E402
from quant.recipe import LayerPlan, Recipe  # noqa: E402
from quant.training import Training, new_encoder, reproducible, train  # noqa: E402
from tests.quant.distorted import Distorted  # noqa: E402
from tests.quant.toy import D_OUT, SHAPE, Toy, captions  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RECIPE = Recipe((LayerPlan(16), LayerPlan(16)), epochs=6, batch=16)


def broken(sums: np.ndarray, layer: int) -> np.ndarray:
    """Lose half of the first layer's channels, as a column of dead drivers would, and bend what is left."""
    if layer:
        return sums
    lost = stream(0, "lost").random(sums.shape[-1]) < 0.5
    return np.where(lost, 0, 40 * np.tanh(sums / 40))


def cosine_to_captions(network: TernaryNetwork, target: Distorted) -> float:
    data = Toy().epoch(77)
    times = np.arange(len(data.labels), dtype=np.int64)
    batch = FeatureBatch(data.features, times, times + 1, times * 0)
    outputs = infer(target.program(network, seed=0), network, batch).outputs
    directions = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    return float((directions * captions().vectors[data.labels]).sum(1).mean())


@pytest.mark.slow
def test_fine_tune_when_chip_is_broken_then_later_layers_make_up_for_it() -> None:
    target = Distorted(broken)
    with reproducible(1):
        encoder = train(Toy(), None, Training(RECIPE, captions(), new_encoder(RECIPE, D_OUT, SHAPE, seed=1), seed=1))
        before = cosine_to_captions(freeze(encoder, name="before", captions=captions()), target)
        settings = ChipSettings(RECIPE, measurements=2, seed=1)
        done: list[int] = []
        tuned = fine_tune(
            encoder, target, Toy(), captions(), settings, name="tuned", on_progress=lambda i, _: done.append(i)
        )
    after = cosine_to_captions(tuned, target)
    assert after > before + 0.05
    assert done == [1, 2, 3]
    assert "distorted" in tuned.metadata["tuned_on"]
