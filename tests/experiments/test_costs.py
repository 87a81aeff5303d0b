"""A score carries what the network costs, by NeuroBench's definitions and by ours."""

import dataclasses

import numpy as np

from experiments.scoring import score_network
from hil import CaptionSet, open_target, stream
from hil.testing import random_features, random_network, reference_layers
from quant.metrics import array_cost, neurobench_metrics


def test_score_document_holds_the_costs_of_the_reference_whatever_the_target():
    captions = CaptionSet(("one", "two"), np.eye(2, 16, dtype=np.float32), "none", "0" * 64)
    network = dataclasses.replace(random_network((40, 24, 16), rng=stream(1, "costs")), captions=captions)
    features = random_features(network, 6, rng=stream(2, "costs"))
    labels = np.zeros(6, np.int64)
    layers = reference_layers(network, features)
    for target in ("ternary", "float", "packed"):
        document = score_network(network, features, labels, backend=open_target(target), seed=0).as_document()
        assert document["neurobench"] == neurobench_metrics(network, features, layers).as_document()
        assert document["arrays"] == array_cost(network, features, layers).as_document()
