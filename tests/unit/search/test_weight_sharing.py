"""The weight-sharing network and the searches on it, on networks small enough for a test."""

import numpy as np
import pytest
import torch

from nagevo.foundation.errors import ConfigError
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.gaea import ExponentiatedMixture
from nagevo.search.methods.na_darts import NeighborhoodMixture
from nagevo.search.methods.relaxation import Simplices
from nagevo.search.methods.weight_sharing import ExpectedLatency, SupernetRecipe, SupernetSearch
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.spaces.nasbench201.supernet import MixtureNetwork
from nagevo.training.datasets import SPLITS, Pool, Source
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.examples import Examples

SPACE = NASBench201Space(width=4, cells=1, resolution=8, channels=1)
SUPERNET = {
    "dataset": {"name": f"{__name__}:stripes"},
    "epochs": 2,
    "width": 4,
    "cells": 1,
    "shift_pixels": 0,
    "flip": False,
    "accelerator": "cpu",
}
COSTS_MS = np.array([0.0, 0.1, 0.5, 1.0, 3.0])


def latencies(n=200, seed=0):
    """Return cells whose latency on the device ``phone`` is 1 ms and the sum of the costs of their operations."""
    cells = SPACE.sample_distinct(n, rng=np.random.default_rng(seed))
    nothing = np.full(n, np.nan)
    return Measurements(cells, np.full(n, EXTRA_ROUND), nothing, {"phone": 1.0 + COSTS_MS[cells].sum(axis=1)})


def stripes():
    """Return grey images of ten classes: one bright row, or a dark image, and noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(256) % 10
    pixels = rng.integers(0, 60, size=(256, 8, 8)).astype(np.uint8)
    bright = np.flatnonzero(labels < 8)
    pixels[bright, labels[bright]] = 255
    return Source("stripes", tuple("0123456789"), dict.fromkeys(SPLITS, Pool(pixels, labels)))


def images(n):
    """Return grey images, each filled with its own number."""
    pixels = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    return Examples(pixels, torch.zeros(n, dtype=torch.int64), ImageInputs((1, 8, 8), mean=(0.0,), std=(1.0,)))


def test_a_mixture_with_one_operation_on_each_edge_is_the_network_of_the_cell():
    cell = np.array([4, 3, 2, 1, 4, 3], dtype=np.int8)
    mixture = MixtureNetwork(width=4, cells=1, channels=1, classes=10).eval()
    plain = SPACE.network(cell).eval()
    state = mixture.network.state_dict()
    for name in plain.state_dict():
        source = name
        for edge, key in enumerate(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")):
            source = source.replace(f"edges.{key}.", f"edges.{edge}.{cell[edge]}.")
        plain.state_dict()[name].copy_(state[source])
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    weights = Simplices((5,) * 6).corners(cell[None]).view(6, 5)
    torch.testing.assert_close(mixture(x, weights), plain(x))


def test_expected_latency_is_the_mean_over_the_cells_of_a_mixture():
    latency = ExpectedLatency(latencies(), "phone")
    weights = torch.rand(6, 5, generator=torch.Generator().manual_seed(0))
    shares = (weights / weights.sum(1, keepdim=True)).numpy()
    # latencies add up over the edges: so does their expectation
    assert float(latency(weights)) == pytest.approx(1.0 + (shares * COSTS_MS).sum(), rel=1e-4)


def test_expected_latency_without_the_zero_operation_knows_the_others():
    latency = ExpectedLatency(latencies(), "phone")
    convolutions = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(6, -1)  # skip, pool, 1×1, 3×3
    assert float(latency(convolutions)) == pytest.approx(1.0 + 6 * 3.0, rel=1e-4)


def test_too_few_latencies_are_refused():
    with pytest.raises(ConfigError, match=r"devices\.phone\.extra_measurements \(got 20\)"):
        ExpectedLatency(latencies(20), "phone")


def test_two_levels_never_share_an_image_and_one_level_shares_all():
    for single_level, shared in ((True, 120), (False, 0)):
        recipe = SupernetRecipe(dataset={}, batch_size=10, single_level=single_level, shift_pixels=0, flip=False)
        search = SupernetSearch(recipe, SPACE, images(120), seed=0)
        seen = [[set(part[0][:, 0, 0, 0].tolist()) for part in pair] for pair in search.batches()]
        first, second = (set().union(*parts) for parts in zip(*seen, strict=True))
        assert len(first & second) == shared


@pytest.mark.parametrize("edge_weights", [False, True])
def test_a_step_of_gaea_equals_the_closed_form(edge_weights):
    mixture = ExponentiatedMixture(5, rate=0.5, edge_weights=edge_weights)
    slopes = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    mixture.step(lambda weights: (weights * slopes).sum())
    edges = np.array([1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])[:, None] if edge_weights else np.ones((6, 1))
    operations = np.exp(-0.5 * slopes.numpy() * edges)
    operations /= operations.sum(axis=1, keepdims=True)
    if edge_weights:
        edges = edges * np.exp(-0.5 * slopes.numpy().mean(axis=1, keepdims=True))
        edges /= np.array([edges[:1].sum(), *[edges[1:3].sum()] * 2, *[edges[3:].sum()] * 3])[:, None]
    np.testing.assert_allclose(mixture.weights(), operations * edges, rtol=1e-5)


def test_na_darts_moves_to_the_operation_of_least_loss():
    mixture = NeighborhoodMixture(5, rate=0.1, n_neighbors=8, generator=torch.Generator().manual_seed(0))
    for _ in range(50):
        mixture.step(lambda weights: weights[:, 2].sum() - 2 * weights[:, 4].sum())
    assert mixture.options().tolist() == [4] * 6


@pytest.mark.parametrize("name", ["gaea", "na_darts"])
def test_a_heavy_penalty_leads_to_the_cheapest_cell(name):
    supernet = SUPERNET | {"penalties": [100.0]}
    strategy = create_strategy(
        name, SPACE, ["phone"], seed=0, evaluations=2, mode="weight_sharing", rate=0.5, supernet=supernet
    )
    strategy.tell(latencies())
    np.testing.assert_array_equal(strategy.ask(2)[0], [1] * 6)  # skip connections: the zero operation is excluded


def test_weight_sharing_first_proposes_what_each_run_ended_in():
    supernet = SUPERNET | {"penalties": [0.0, 100.0], "single_level": False, "exclude_zero": False}
    proposed = []
    for _ in range(2):
        strategy = create_strategy(
            "gaea", SPACE, ["phone"], seed=0, evaluations=4, mode="weight_sharing", rate=0.5, supernet=supernet
        )
        strategy.tell(latencies())
        proposed.append(strategy.ask(4))
    np.testing.assert_array_equal(*proposed)
    np.testing.assert_array_equal(proposed[0][1], [0] * 6)  # the run with the penalty ended in no operation at all


def test_another_space_is_refused():
    from nagevo.spaces.dag.space import DAGSpace

    with pytest.raises(ConfigError, match="weight_sharing is for the space nasbench201"):
        create_strategy("gaea", DAGSpace(), ["phone"], seed=0, evaluations=2, mode="weight_sharing")
