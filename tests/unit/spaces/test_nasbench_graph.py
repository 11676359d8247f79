"""NAS-Bench-Graph: the space against the package, its accuracies and latencies."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from nagevo.foundation.errors import ArchitectureError, ConfigError, DeviceError
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.latency import create_device
from nagevo.spaces import create_space, nasbench_graph

package = pytest.importorskip("nas_bench_graph")

SPACE = create_space("nasbench_graph")
PROTEINS = ("skip", "fc", "sage", "arma", "gcn")


def test_the_example_in_the_docstring_of_the_count_holds():
    assert doctest.testmod(nasbench_graph).failed == 0


def test_every_architecture_is_enumerated_once_and_stands_for_itself():
    rows = SPACE.enumerate()
    assert len(np.unique(rows, axis=0)) == len(rows) == SPACE.size == 26206
    fresh = create_space("nasbench_graph")  # has not enumerated: asks the package
    some = rows[::97]
    assert (fresh.canonical(some) == some).all()
    assert set(SPACE.keys(rows).tolist()) == set(package.light_read("cora"))


def test_texts_mean_the_same_network_where_the_package_says_so():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, SPACE.n_options, size=(300, SPACE.n_choices), dtype=np.int8)
    rows[:100, 3:] = rng.integers(0, 2, size=(100, 4))  # many skip connections
    rows = rows[(rows[:, 3:] > 0).any(axis=1)]
    texts = SPACE.to_text(rows)
    assert (SPACE.from_text(texts) == rows).all()
    parts = [text.split(":") for text in texts]
    expected = [package.Arch([int(i) for i in links.split(",")], ops.split(",")).valid_hash() for links, ops in parts]
    assert SPACE.keys(rows).tolist() == expected
    assert SPACE.keys(SPACE.canonical(rows)).tolist() == expected


@pytest.mark.parametrize(
    ("operations", "n_raw"),
    [(("skip", "fc"), 24 * 2**4 - 24), (("gin", "gat"), 24 * 2**4), (("skip", "gcn", "gat"), 24 * 3**4 - 24)],
)
def test_there_are_as_many_networks_as_different_numbers_in_the_package(operations, n_raw):
    space = create_space("nasbench_graph", operations=operations)
    grid = np.indices(space.n_options, dtype=np.int8).reshape(space.n_choices, -1).T
    skips = space.operations[0] == "skip"
    rows = grid[(grid[:, 3:] > 0).any(axis=1)] if skips else grid
    assert len(rows) == n_raw
    assert len(set(space.keys(rows).tolist())) == space.size == len(space.enumerate())


def test_the_restricted_space_of_proteins_is_what_was_measured_there():
    space = create_space("nasbench_graph", operations=PROTEINS)
    scores = create_evaluator("nasbench_graph", space, dataset="proteins").evaluate(space.enumerate())
    assert space.size == 2021
    assert (scores["status"] == "ok").all()


def test_accuracies_and_latencies_are_those_of_the_package():
    choices = SPACE.from_text(["0,1,2,1:gcn,gin,fc,cheb"])
    info = package.light_read("arxiv")[package.Arch([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"]).valid_hash()]
    evaluator = create_evaluator("nasbench_graph", SPACE, dataset="arxiv")
    assert evaluator.evaluate(choices)["accuracy"].tolist() == [pytest.approx(100 * info["valid_perf"])]
    assert evaluator.evaluate(choices, split="test")["accuracy"].tolist() == [pytest.approx(100 * info["perf"])]
    device = create_device("nasbench_graph", dataset="arxiv")
    assert device.measure(SPACE, choices)["latency_ms"].tolist() == [pytest.approx(1000 * info["latency"])]


def test_what_was_not_measured_has_a_status():
    choices = SPACE.from_text(["0,0,0,0:gat,gat,gat,gat"])
    for rows in (
        create_evaluator("nasbench_graph", SPACE, dataset="proteins").evaluate(choices),
        create_device("nasbench_graph", dataset="proteins").measure(SPACE, choices),
    ):
        assert rows["status"].tolist() == ["unknown: not measured on proteins"]
        assert rows.iloc[0, 0] != rows.iloc[0, 0]


def test_features_describe_the_tree_as_counted_by_hand():
    # gcn → gin → fc and gcn → cheb: two nodes go to the output, after two messages each
    features = SPACE.features(SPACE.from_text(["0,1,2,1:gcn,gin,fc,cheb"]))[0]
    counts, first, last, rest = np.split(features[45:], [9, 18, 27])
    names = np.array(SPACE.operations)
    assert set(names[counts > 0]) == {"gcn", "gin", "fc", "cheb"}
    assert names[first > 0].tolist() == ["gcn"]
    assert set(names[last > 0]) == {"fc", "cheb"}
    assert rest.tolist() == [2, 2, 2]


def test_features_tell_all_networks_apart():
    features = SPACE.features(SPACE.enumerate())
    assert len(np.unique(features, axis=0)) == SPACE.size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,2:gcn,gin,fc", "expected 4 inputs"),
        ("0,2,1,0:gcn,gin,fc,fc", "node before it"),
        ("0,1,2,3:gcn,gin,fc,conv", "operation conv is not one of skip, "),
        ("0,1,2,3:skip,skip,skip,skip", "does not exist"),
        ("gcn", "not an architecture"),
    ],
)
def test_texts_that_are_no_network_are_refused(text, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACE.from_text([text])


def test_mistakes_in_the_config_name_what_would_be_right():
    with pytest.raises(ConfigError, match='did you mean "cora"'):
        create_evaluator("nasbench_graph", SPACE, dataset="coral")
    with pytest.raises(ConfigError, match='did you mean "gcn"'):
        create_space("nasbench_graph", operations=["gcnn"])
    with pytest.raises(ConfigError, match="at least one operation"):
        create_space("nasbench_graph", operations=["skip"])
    other = create_space("nasbench201")
    with pytest.raises(ConfigError, match="nasbench_graph only"):
        create_evaluator("nasbench_graph", other)
    with pytest.raises(DeviceError, match="nasbench_graph only"):
        create_device("nasbench_graph").measure(other, other.extremes())
