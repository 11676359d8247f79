"""AutoShrink's graphs and their networks."""

from __future__ import annotations

import numpy as np
import pytest

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces import create_space
from nagevo.spaces.base import unique
from nagevo.spaces.dag.space import DAGSpace

FOUR = DAGSpace(nodes=4, operations=["separable_3x3", "conv_1x1", "conv_1x1"], width=2, channels=1, classes=3)


def test_the_published_graph_has_28_edges():
    space = DAGSpace()
    assert space.n_choices == 28
    assert space.to_text(space.extremes()[1:]) == ["1/11/111/1111/11111/111111/1111111"]
    assert sorted(space.operations).count("separable_3x3") == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0/01/110", "0/00/100"),  # node 1 is not reached; node 2 read only node 1; node 3 still reads the input
        ("0/01/001", "0/00/000"),  # nothing is reached
        ("1/01/001", "1/01/001"),  # a chain
        ("1/00/000", "1/00/000"),  # one node, which is the output
    ],
)
def test_what_the_input_does_not_reach_does_not_count(text, expected):
    assert FOUR.to_text(FOUR.canonical(FOUR.from_text([text]))) == [expected]


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_the_number_of_graphs_is_that_of_all_canonical_ones(nodes):
    space = DAGSpace(nodes=nodes)
    grid = np.indices(space.n_options, dtype=np.int8).reshape(space.n_choices, -1).T
    assert len(unique(space.canonical(grid))) == space.size


def test_costs_are_those_counted_by_hand():
    # the chain 0 → 1 (separable) and 0 → 2 (1×1); node 3 is not reached; on 32 × 32, 16 × 16 and 8 × 8 positions
    costs = FOUR.costs(FOUR.from_text(["1/10/000"]))
    stem, first = 9 * 2, 2 * 9 + 2 * 2 + 2 * 2  # both nodes read 2 channels and put out 2
    second, third = 4 * 9 + 4 * 4 + 4 * 4, 8 * 9 + 8 * 8 + 8 * 8  # both read the 4 (then 8) of the cell before
    normalizations = 2 * (2 + 2 * 2 + 2 * 4 + 2 * 8)
    assert costs["parameters"].tolist() == [stem + first + second + third + normalizations + 17 * 3]
    assert costs["macs"].tolist() == [(stem + first) * 1024 + second * 256 + third * 64 + 16 * 3]


def test_features_are_those_counted_by_hand():
    # 0 → 1, 0 → 2, 1 → 2; 3 is not reached
    features = FOUR.features(FOUR.from_text(["1/11/000"]))[0]
    edges, degree, depth, summary = np.split(features[:-2], [6, 9, 12])
    assert edges.tolist() == [1, 1, 1, 0, 0, 0]
    assert degree.tolist() == [1, 2, 0]
    assert depth.tolist() == [1, 2, 0]
    assert summary.tolist() == [3, 1, 1, 1, 2, 1]  # edges, separable, 1×1, outputs, greatest and mean depth


def test_removing_an_edge_makes_a_network_cheaper_but_at_new_outputs():
    space = DAGSpace()
    full = np.ones((28, 28), dtype=np.int8)
    costs = space.costs(np.concatenate([full[:1], full - np.eye(28, dtype=np.int8)]))
    for values in costs.values():
        assert (values[1:-1] < values[0]).all()
        assert values[-1] > values[0]  # only node 7 reads node 6


def test_a_node_works_on_the_concatenation_of_what_it_reads():
    torch = pytest.importorskip("torch")
    from nagevo.spaces.dag.network import DAGCell

    reads = FOUR.reads(FOUR.from_text(["1/00/110"]))[0]  # 1 reads the input, 3 reads the input and 1
    cell = DAGCell(reads, FOUR.operations, in_width=5, width=2).eval()
    x = torch.rand(1, 5, 4, 4)
    one = cell.nodes["1"](x)
    assert torch.equal(cell(x), cell.nodes["3"](torch.cat([x, one], 1)))
    assert cell.out_width == 2


def test_without_edges_a_cell_passes_its_input_on():
    torch = pytest.importorskip("torch")
    from nagevo.spaces.dag.network import DAGCell

    x = torch.rand(1, 5, 4, 4)
    assert torch.equal(DAGCell(np.zeros((4, 4), dtype=bool), FOUR.operations, in_width=5, width=2)(x), x)


@pytest.mark.parametrize("text", ["1/01", "1/01/11", "1/01/112", "1/01/110/1111", "1/0a/110", ""])
def test_texts_that_are_no_graph_are_refused(text):
    with pytest.raises(ArchitectureError, match="expected 3 groups"):
        FOUR.from_text([text])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": 1}, "expected at least 2"),
        ({"operations": ["conv_1x1"]}, "expected 7 names"),
        ({"nodes": 2, "operations": ["conv_1x2"]}, 'did you mean "conv_1x1"'),
    ],
)
def test_mistakes_in_the_config_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        create_space("dag", **options)
