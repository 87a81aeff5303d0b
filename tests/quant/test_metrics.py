"""Our NeuroBench figures are the package's own, on the same network and windows."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from hil import Patches, TernaryLayer, TernaryNetwork, stream
from hil.testing import random_features, random_network, reference_layers
from quant.metrics import array_cost, neurobench_metrics

DENSE = random_network((30, 20, 10), rng=stream(1, "metrics", "dense"))
CONVOLUTION = random_network(
    (0, 6), rng=stream(1, "metrics", "conv"), patches=Patches(2, 6, 5, kernel=3, stride=2, padding=1)
)


def torch_twin(network):
    """Build the network of torch modules that the package can hook, requantisation as a kind of ReLU."""
    import torch
    from torch import nn

    class Requantise(nn.ReLU):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer
            self.register_buffer("multiplier", torch.tensor(layer.requantisation.multiplier))
            self.register_buffer("shift", torch.tensor(layer.requantisation.shift))

        def forward(self, product):
            n = len(product)
            sums = product.reshape(n, self.layer.channels, -1).numpy().astype(np.int64).transpose(0, 2, 1)
            biased = (sums + self.layer.bias).astype(np.int32)
            return torch.from_numpy(self.layer.fold(self.layer.requantisation.apply(biased)).astype(np.float32))

    modules = []
    for layer in network.layers:
        p = layer.patches
        if p is None:
            module = nn.Linear(layer.fan_in, layer.channels, bias=False)
        else:
            modules.append(nn.Unflatten(1, (p.in_channels, p.height, p.width)))
            module = nn.Conv2d(p.in_channels, layer.channels, p.kernel, p.stride, p.padding, bias=False)
        module.weight.data = torch.from_numpy(layer.weight.astype(np.float32)).reshape(module.weight.shape)
        module.weight.requires_grad = False
        module.register_buffer("integer_bias", torch.tensor(layer.bias))
        modules.append(module)
        if layer.requantisation is not None:
            modules.append(Requantise(layer))
    network_of_modules = nn.Sequential(*modules)
    network_of_modules.register_buffer("output_scale", torch.tensor(network.output_scale))
    return network_of_modules


NETWORKS = {"dense": DENSE, "convolution": CONVOLUTION}
GOLDEN = Path(__file__).parents[1] / "golden" / "neurobench" / "figures.json"


def package_figures(network):
    """Measure a network with the package itself: also the recipe of the golden file."""
    import torch
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel

    features = random_features(network, 6, rng=stream(2, "metrics"))
    data = torch.utils.data.TensorDataset(torch.from_numpy(features.astype(np.float32)), torch.zeros(6))
    metrics = [[Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations]]
    loader = torch.utils.data.DataLoader(data, batch_size=6)
    found = Benchmark(TorchModel(torch_twin(network)), loader, [], [], metrics).run(quiet=True)
    return {
        **{key: float(value) for key, value in found.items() if key != "SynapticOperations"},
        **{key: float(value) for key, value in found["SynapticOperations"].items()},
    }


def assert_equal(ours, theirs):
    assert ours.footprint_bytes == theirs["Footprint"]
    assert ours.connection_sparsity == theirs["ConnectionSparsity"]
    assert ours.activation_sparsity == pytest.approx(theirs["ActivationSparsity"])
    assert ours.effective_macs == pytest.approx(theirs["Effective_MACs"])
    assert ours.effective_acs == pytest.approx(theirs["Effective_ACs"])
    assert ours.dense_operations == pytest.approx(theirs["Dense"])


@pytest.mark.parametrize("kind", NETWORKS)
def test_figures_equal_those_the_neurobench_package_gave(kind):
    network = NETWORKS[kind]
    features = random_features(network, 6, rng=stream(2, "metrics"))
    ours = neurobench_metrics(network, features, reference_layers(network, features))
    assert_equal(ours, json.loads(GOLDEN.read_text())[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_golden_figures_are_still_those_of_the_package(kind):
    pytest.importorskip("neurobench", reason="the package neurobench is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert package_figures(NETWORKS[kind]) == pytest.approx(json.loads(GOLDEN.read_text())[kind])


def test_ternary_inputs_count_as_accumulates():
    layer = TernaryLayer(np.array([[1, 0, -1]], np.int8), np.zeros(1, np.int32), 1.0)
    network = TernaryNetwork("one", (layer,), np.ones(1, np.float32))
    features = np.array([[1, 1, 0], [-1, 0, 1]], np.int8)
    found = neurobench_metrics(network, features, reference_layers(network, features))
    assert (found.effective_acs, found.effective_macs, found.dense_operations) == (1.5, 0.0, 3.0)


def test_array_counts_driven_rows_cells_and_conversions():
    layer = TernaryLayer(np.ones((3, 200), np.int8), np.zeros(3, np.int32), 1.0)
    network = TernaryNetwork("one", (layer,), np.ones(3, np.float32))
    features = np.zeros((2, 200), np.int8)
    features[0, :10] = 5
    found = array_cost(network, features, reference_layers(network, features), rows=128, columns=4)
    assert found.cells == 2 * 600
    assert found.packed_bytes == 3 * 50
    assert found.adc_conversions == 3 * 2
    assert found.driven_rows == 5 * 2  # ten rows in one of two windows, columns spread over two tiles
    assert found.cell_reads == 5 * 6
