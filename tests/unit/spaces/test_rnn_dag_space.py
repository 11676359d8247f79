"""AutoShrink's recurrent cells and their networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError
from nagevo.spaces import create_space
from nagevo.spaces.rnn_dag.space import RNNDAGSpace

torch = pytest.importorskip("torch")

THREE = RNNDAGSpace(nodes=3, activations=["relu", "identity"], width=1, vocabulary=2, length=3)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_published_cell_has_15_edges():
    space = RNNDAGSpace()
    assert space.n_choices == 15
    assert space.to_text(space.extremes()) == ["0/00/000/0000/00000", "1/11/111/1111/11111"]
    assert set(space.activations) == {"tanh", "relu", "sigmoid", "identity"}


def test_nodes_that_the_input_does_not_reach_do_not_count():
    assert THREE.to_text(THREE.canonical(THREE.from_text(["0/01"]))) == ["0/00"]


def test_costs_are_those_of_one_token_counted_by_hand():
    space = RNNDAGSpace(width=64, vocabulary=100, length=7)
    costs = space.costs(space.from_text(["1/01/000/0000/10000", "0/00/000/0000/00000"]))
    # node 0 reads token and state, each edge one node: 2 · 64² weights each; the classifier has 100 more, its biases
    macs = [(2 + 3) * 2 * 64**2 + 6400, 2 * 2 * 64**2 + 6400]
    assert costs["macs"].tolist() == macs
    assert costs["parameters"].tolist() == [each + 100 for each in macs]


def test_features_are_those_counted_by_hand():
    space = RNNDAGSpace(nodes=4)
    features = space.features(space.from_text(["1/11/000"]))[0]  # 0 → 1, 0 → 2, 1 → 2; 3 is not reached
    edges, degree, depth, summary = np.split(features, [6, 9, 12])
    assert edges.tolist() == [1, 1, 1, 0, 0, 0]
    assert degree.tolist() == [1, 2, 0]
    assert depth.tolist() == [1, 2, 0]
    assert summary.tolist() == [3, 2, 1, 2, 1]  # edges, reached nodes, outputs, greatest and mean depth


def test_the_neighbors_of_a_cell_have_one_edge_more_or_less():
    chain = THREE.from_text(["1/01"])[0]
    assert sorted(THREE.to_text(THREE.neighbors(chain))) == ["0/00", "1/00", "1/11"]


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (["relu"], r"space\.activations: expected 2 names, one for each node but the input, got 1"),
        (["relu", "gelu"], "gelu"),
    ],
)
def test_activations_that_do_not_fit_are_refused(activations, message):
    with pytest.raises(ConfigError, match=message):
        create_space("rnn_dag", nodes=3, activations=activations)


def test_the_next_state_is_that_computed_by_hand():
    network = THREE.network(THREE.from_text(["1/11"])[0])
    weights = {
        "embedding.weight": [[0.5], [-1.0]],
        "token": [[0.2, 0.4]],
        "state": [[-0.3, 0.7]],
        "edges.1": [[[0.6, -0.9]]],
        "edges.2": [[[0.1, 0.8]], [[-0.5, 0.3]]],
        "bias": [0.05, -0.05],
    }
    network.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})
    logits, state = network(torch.tensor([[1]]), torch.tensor([[0.25]]))
    x, h = -1.0, 0.25
    s0 = h + sigmoid(0.2 * x - 0.3 * h) * (math.tanh(0.4 * x + 0.7 * h) - h)
    s1 = s0 + sigmoid(0.6 * s0) * (max(-0.9 * s0, 0) - s0)
    from_0 = s0 + sigmoid(0.1 * s0) * (0.8 * s0 - s0)
    from_1 = s1 + sigmoid(-0.5 * s1) * (0.3 * s1 - s1)
    s2 = (from_0 + from_1) / 2
    assert math.isclose(state.item(), s2, rel_tol=1e-5)
    np.testing.assert_allclose(logits.detach().numpy(), [[[0.5 * s2 + 0.05, -s2 - 0.05]]], rtol=1e-5)


def test_the_state_is_the_mean_of_the_nodes_that_nothing_reads():
    torch.manual_seed(0)
    both, first, second = (THREE.network(THREE.from_text([text])[0]) for text in ("1/10", "1/00", "0/10"))
    state = torch.tensor([[0.4]])
    for alone in (first, second):
        alone.load_state_dict(both.state_dict(), strict=False)
    last = [network(torch.tensor([[0]]), state)[1] for network in (both, first, second)]
    torch.testing.assert_close(last[0], (last[1] + last[2]) / 2)


def test_a_sequence_gives_the_logits_of_its_tokens_one_by_one():
    space = RNNDAGSpace(width=3, vocabulary=5, length=4)
    torch.manual_seed(0)
    network = space.network(space.sample(1, rng=np.random.default_rng(0))[0])
    tokens, state = torch.randint(5, (2, 4)), torch.zeros(2, 3)
    logits = network(tokens)  # (2, 4, 5)
    for at in range(4):
        step, state = network(tokens[:, at : at + 1], state)
        torch.testing.assert_close(step[:, 0], logits[:, at])


def test_a_part_of_the_supernet_is_the_network_with_its_weights():
    space = RNNDAGSpace(width=3, vocabulary=5, length=4)
    torch.manual_seed(0)
    supernet, tokens = space.supernet(), torch.randint(5, (2, 4))
    for row in [*space.extremes(), *space.sample(3, rng=np.random.default_rng(1))]:
        network = supernet.subnetwork(row)
        torch.testing.assert_close(network(tokens), supernet(tokens, row, dropout=True))
        assert not {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in supernet.parameters()}


def test_a_device_runs_the_exported_network_token_by_token(tmp_path):
    from nagevo.deploy.export import difference_from_torch, export_onnx, onnx_for_timing, run_onnx

    space = RNNDAGSpace(width=4, vocabulary=5, length=6)
    torch.manual_seed(0)
    network = space.network(space.extremes()[1])
    export_onnx(network, space.input_shape, tmp_path / "network.onnx")
    (tmp_path / "timed.onnx").write_bytes(onnx_for_timing(network, space.input_shape))
    tokens = torch.randint(5, (1, 6))
    expected = network(tokens).detach().numpy()
    for name in ("network.onnx", "timed.onnx"):
        run = run_onnx(tmp_path / name)
        assert difference_from_torch(run, network, space.input_shape, name) < 1e-5
        state = np.zeros((1, 4), dtype=np.float32)
        for at in range(6):
            logits, state = run(tokens[:, at : at + 1].numpy(), state)
            np.testing.assert_allclose(logits[:, 0], expected[:, at], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_both_backends_time_one_token(backend):
    from nagevo.measure.latency import create_device

    space = RNNDAGSpace(width=4, vocabulary=5, length=6)
    table = create_device(backend, rounds=1).measure(space, space.extremes())
    assert table["status"].tolist() == ["ok", "ok"]
    assert (table["latency_ms"] > 0).all()
