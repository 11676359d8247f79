import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces import create_space
from nagevo.spaces.base import unique
from nagevo.spaces.mobilenetv3.layout import N_SLOTS, N_STAGES, Widths
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

PNAG_CPU_30 = "2,2,3,3,3:5,5,0,0,5,5,0,0,7,5,7,0,3,5,5,0,7,5,5,0:3,3,0,0,4,3,0,0,4,3,3,0,6,4,4,0,6,6,6,0"
PNAG_MOBILE_200 = "4,4,4,4,4:5,5,5,5,5,7,3,5,7,5,5,3,3,5,5,3,5,3,3,5:6,6,6,6,4,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6"
SPACE = MobileNetV3Space()
seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, n: int = 5) -> np.ndarray:
    """Return n architectures that need not be canonical."""
    return np.random.default_rng(seed).integers(0, 3, size=(n, SPACE.n_choices), dtype=np.int8)


def test_the_space_has_as_many_architectures_as_published():
    # A stage holds 9² + 9³ + 9⁴ = 7371 designs; five stages hold 7371⁵, about 2·10¹⁹.
    assert SPACE.size == 7371**5
    assert SPACE.n_choices == len(SPACE.choice_names) == 45


def test_the_widths_at_multiplier_1_2_are_those_of_once_for_all():
    assert SPACE.elastic.widths == (Widths(24, 24, (32, 48, 96, 136, 192), 1152, 1536),)
    # The stem halves 224 pixels; then come the first block and two layers for each stage, strides 2, 2, 2, 1, 2.
    assert SPACE.layout(SPACE.extremes()[0]).sizes == (112, 112, 56, 56, 28, 28, 14, 14, 14, 14, 7, 7)


@pytest.mark.parametrize("text", [PNAG_CPU_30, PNAG_MOBILE_200])
def test_a_published_text_is_read_and_written_unchanged(text):
    assert SPACE.to_text(SPACE.from_text([text])) == [text]


def test_a_text_becomes_option_indices_in_the_order_of_the_text():
    choices = SPACE.from_text([PNAG_CPU_30])[0]
    assert choices[:N_STAGES].tolist() == [0, 0, 1, 1, 1]
    assert choices[N_STAGES : N_STAGES + 12].tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 2, 1, 2, 0]
    assert choices[N_STAGES + N_SLOTS :][:12].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]


def test_texts_that_differ_in_unused_layers_only_mean_the_same_network():
    other = PNAG_CPU_30.replace(":5,5,0,0,", ":5,5,7,3,", 1)
    rows = SPACE.from_text([PNAG_CPU_30, other])
    assert not (rows[0] == rows[1]).all()
    assert len(unique(SPACE.canonical(rows))) == 1
    assert SPACE.to_text(rows) == [PNAG_CPU_30] * 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2,2,2,2,2", "expected 5 depths, 20 kernels and 20 expansions"),
        (PNAG_CPU_30.replace("2,2,3,3,3", "2,2,3,3,5"), "depth 5 is not one of 2, 3, 4"),
        (PNAG_CPU_30.replace(":5,5,0", ":5,0,0", 1), "kernel 0 is not one of 3, 5, 7"),
        (PNAG_CPU_30.replace("6,6,6,0", "6,6,5,0"), "expansion 5 is not one of 3, 4, 6"),
        ("two", "invalid literal"),
    ],
)
def test_a_wrong_text_is_refused_with_the_reason(text, complaint):
    with pytest.raises(ArchitectureError, match=complaint):
        SPACE.from_text([text])


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_text_and_the_features_tell_exactly_the_networks_apart(seed):
    choices = drawn(seed)
    canonical = SPACE.canonical(choices)
    np.testing.assert_array_equal(SPACE.from_text(SPACE.to_text(choices)), canonical)
    np.testing.assert_array_equal(SPACE.canonical(canonical), canonical)
    np.testing.assert_array_equal(SPACE.features(choices), SPACE.features(canonical))
    assert len(unique(SPACE.features(choices)[:, :135])) == len(unique(canonical))


def test_features_of_unused_layers_are_zero():
    one_hot = SPACE.features(SPACE.from_text([PNAG_CPU_30]))[0, :120].reshape(2, N_SLOTS, 3)
    used = [slot < depth for depth in (2, 2, 3, 3, 3) for slot in range(4)]
    np.testing.assert_array_equal(one_hot.sum(axis=2), [used, used])
    assert one_hot[0, 0].tolist() == [0, 1, 0]  # kernel 5 is the second option


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_child_has_only_layers_that_a_parent_has(seed):
    first, second = SPACE.canonical(drawn(seed)), SPACE.canonical(drawn(seed + 1))
    child = SPACE.crossover(first, second, rng=np.random.default_rng(seed))
    used = SPACE.used(child).reshape(len(child), -1)
    for half in (slice(N_STAGES, N_STAGES + N_SLOTS), slice(N_STAGES + N_SLOTS, None)):
        parents = [
            (parent[:, half] == child[:, half]) & SPACE.used(parent).reshape(len(child), -1)
            for parent in (first, second)
        ]
        assert (np.logical_or(*parents) | ~used).all()


def test_a_layer_added_by_mutation_is_drawn_from_all_options():
    smallest = np.repeat(SPACE.extremes()[:1], 2000, axis=0)
    mutants = SPACE.mutate(smallest, rng=np.random.default_rng(0))
    added = SPACE.used(mutants) & ~SPACE.used(smallest)
    kernels = mutants[:, N_STAGES : N_STAGES + N_SLOTS].reshape(added.shape)[added]
    assert np.bincount(kernels, minlength=3).min() > len(kernels) / 5
    changed = (mutants[:, :N_STAGES] != smallest[:, :N_STAGES]).mean()
    assert changed == pytest.approx(1 / 45, rel=0.2)


def test_neighbors_differ_in_one_choice():
    # The smallest architecture: 2 other depths for each stage, 2 other options for each choice of its 10 layers.
    smallest, largest = SPACE.extremes()
    assert len(SPACE.neighbors(smallest)) == 5 * 2 + 10 * 2 * 2
    assert len(SPACE.neighbors(largest)) == 5 * 2 + 20 * 2 * 2


def test_costs_are_those_published_for_2162_networks(shared_data):
    table = pd.read_csv(shared_data / "ofa_mobilenetv3" / "imagenet_top1_width1.0.csv")
    space = MobileNetV3Space(width_multiplier=1.0)
    costs = space.costs(space.from_text(table["architecture"].tolist()))
    np.testing.assert_array_equal(costs["parameters"], table["parameters"])
    np.testing.assert_array_equal(costs["macs"], table["macs"])


def test_costs_are_those_of_one_published_network():
    text = "2,3,2,4,3:5,7,0,0,3,3,3,0,5,5,0,0,7,3,3,3,5,5,5,0:4,3,0,0,4,6,3,0,4,3,0,0,3,6,6,6,4,3,4,0"
    space = MobileNetV3Space(width_multiplier=1.0)
    costs = space.costs(space.from_text([text]))
    assert (costs["parameters"][0], costs["macs"][0]) == (5_029_656, 255_502_624)


def test_the_smallest_architecture_costs_least():
    smallest, largest = SPACE.extremes()
    costs = SPACE.costs(np.stack([smallest, *SPACE.sample(50, rng=np.random.default_rng(0)), largest]))
    for values in costs.values():
        assert values.argmin() == 0
        assert values.argmax() == len(values) - 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"strides": [2, 2]}, "strides: expected at least 5 values, got"),
        ({"activations": ["relu"] * 4 + ["hswsh"]}, 'did you mean "hswish"'),
        ({"width": [1]}, 'key "width" is unknown'),
        ({"widths_by": "layer"}, "widths_by"),
    ],
)
def test_a_wrong_option_is_named(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        create_space("mobilenetv3", **options)
