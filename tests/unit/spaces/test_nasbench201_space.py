"""The NAS-Bench-201 cells: which are equal, what surrogates see, and the networks."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import ArchitectureError
from nagevo.spaces.nasbench201 import paths
from nagevo.spaces.nasbench201.cell import EDGES, NONE, SKIP
from nagevo.spaces.nasbench201.space import NASBench201Space

CELLS = paths.all_cells()


def cell(text):
    return NASBench201Space().from_text([text])


def function_of(row):
    """Return a description of what a cell computes that is equal for, and only for, cells that compute the same.

    The value of a node is a sum of the input ("x") and of the outputs of operations, each an individual with its own
    weights. Individuals have no names: of all ways to number those that look alike the smallest description counts.
    """
    values, made = [Counter("x"), Counter(), Counter(), Counter()], {}
    for edge, (source, target) in enumerate(EDGES):
        if row[edge] == SKIP:
            values[target].update(values[source])
        elif row[edge] != NONE and values[source]:
            made[edge] = (row[edge], dict(values[source]))
            values[target][edge] += 1

    def look(term):
        return "x" if term == "x" else f"{made[term][0]}({sorted((look(t), n) for t, n in made[term][1].items())})"

    def needed(terms):
        inner = [t for t in terms if t != "x"]
        return set(inner).union(*(needed(made[t][1]) for t in inner))

    alike = defaultdict(list)
    for term in needed(values[3]):
        alike[look(term)].append(term)
    groups = [list(itertools.permutations(alike[name])) for name in sorted(alike)]

    def described(order):
        number = {"x": -1} | {term: i for i, term in enumerate(order)}
        sums = [values[3], *(made[term][1] for term in order)]
        renamed = tuple(tuple(sorted((number[t], n) for t, n in terms.items())) for terms in sums)
        return tuple(made[term][0] for term in order), renamed

    return min(described(tuple(itertools.chain(*orders))) for orders in itertools.product(*groups))


def test_cells_that_compute_the_same_function_have_one_representative():
    functions = [function_of(row) for row in CELLS.tolist()]
    pairs = set(zip(functions, paths.representatives().tolist(), strict=True))
    assert len(pairs) == len(set(functions)) == len(np.unique(paths.representatives())) == 5425


def test_a_representative_stands_for_itself_and_has_no_dead_edge():
    chosen = np.unique(paths.representatives())
    assert (paths.representatives()[chosen] == chosen).all()
    assert (paths.pruned(CELLS[chosen]) == CELLS[chosen]).all()


def test_equal_cells_are_measured_once_only_where_that_is_asked():
    dead = cell("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    live = cell("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    assert (NASBench201Space().canonical(dead) == live).all()
    assert (NASBench201Space().normal(dead) == dead).all()
    assert (NASBench201Space(merge_equal=True).normal(dead) == live).all()


def test_two_parallel_convolutions_are_not_one():
    space = NASBench201Space()
    one = cell("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
    two = cell("|skip_connect~0|+|none~0|none~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|")
    twice_the_same = cell("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")
    assert len(np.unique(space.canonical(np.concatenate([one, two, twice_the_same])), axis=0)) == 3


@pytest.mark.parametrize("space", [NASBench201Space(), NASBench201Space(merge_equal=True)], ids=["all", "merged"])
def test_the_features_tell_all_cells_apart_and_are_finite(space):
    cells = space.enumerate()
    features = space.features(cells)
    assert len(cells) == space.size
    assert features.shape == (space.size, 84)
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == space.size


def test_path_features_are_equal_for_cells_that_compute_the_same_function():
    assert (paths.path_features() == paths.path_features()[paths.representatives()]).all()


def test_path_features_are_those_counted_by_hand():
    # paths: 3×3; none; 1×1 then 3×3 over node 2; 3×3, skip, 3×3 over both: words 3, 23, 33
    row = cell("|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|")
    features = paths.path_features()[paths.numbers(row)[0]]
    expected = np.zeros(40)
    expected[[paths.WORDS.index(3), paths.WORDS.index(2 * 4 + 3), paths.WORDS.index(3 * 4 + 3)]] = 1
    assert features[:40].tolist() == expected.tolist()
    assert features[40:].tolist() == [3, 1, 2, 2]


@pytest.mark.parametrize(
    "text",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|",
        "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|",
        "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "",
        None,
    ],
)
def test_texts_that_are_no_cell_are_refused(text):
    with pytest.raises(ArchitectureError):
        NASBench201Space().from_text([text])


def test_the_cell_of_a_network_computes_what_its_text_says():
    torch = pytest.importorskip("torch")
    from nagevo.spaces.nasbench201.network import Cell

    # node 1 = pool(x); node 2 = x; output = node 1 + pool(node 2) = 2 pool(x)
    row = cell("|avg_pool_3x3~0|+|skip_connect~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|")[0]
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    # the mean of the corner's four pixels 0, 1, 3, 4 is 2; of all nine 4
    out = Cell(row, 1)(x)[0, 0]
    assert (out[0, 0].item(), out[1, 1].item()) == (4.0, 8.0)
    assert Cell(np.zeros(6, dtype=np.int8), 1)(x).abs().sum() == 0


@pytest.mark.parametrize("number", [0, 15624, 777, 9999])
def test_a_network_costs_what_is_counted(number):
    torch = pytest.importorskip("torch")
    space = NASBench201Space(width=4, cells=2, resolution=15, channels=1, classes=3)  # odd sizes: 15, 8, 4
    network = space.network(CELLS[number]).eval()
    macs = []

    def count(module, _, output):
        macs.append(module.weight.numel() * output[0, 0].numel())

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    assert network(torch.zeros(2, *space.input_shape)).shape == (2, 3)
    costs = space.costs(CELLS[[number]])
    assert costs["parameters"] == [sum(p.numel() for p in network.parameters())]
    assert costs["macs"] == [sum(macs) + 16 * 3]


def test_the_parameters_are_those_of_the_published_table(shared_data):
    table = pd.read_parquet(shared_data / "nasbench201.parquet")
    space = NASBench201Space()
    cells = space.from_text(table["architecture"].tolist())
    assert space.to_text(cells) == table["architecture"].tolist()
    alive = (paths.pruned(cells) == cells).all(axis=1)
    assert alive.sum() == 9445
    assert (space.costs(cells)["parameters"] == table["parameters"])[alive].all()


def test_merged_cells_differ_only_as_repeated_trainings_do(shared_data):
    table = pd.read_parquet(shared_data / "nasbench201.parquet")
    cells = NASBench201Space().from_text(table["architecture"].tolist())
    classes = paths.representatives()[paths.numbers(cells)]
    spread = table.groupby(classes)["cifar100_valid_accuracy"].std()
    shuffled = table.groupby(np.random.default_rng(0).permutation(classes))["cifar100_valid_accuracy"].std()
    assert spread.mean() < 0.3  # points; a random grouping spreads over many
    assert spread.max() < 1.5
    assert shuffled.mean() > 5
