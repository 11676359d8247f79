"""MobileNetV3 architectures that choose their resolution and widths."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from nagevo.foundation.errors import ArchitectureError
from nagevo.spaces.base import unique
from nagevo.spaces.mobilenetv3.layout import Widths
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

LAYERS = "2,2,3,3,3:5,5,0,0,5,5,0,0,7,5,7,0,3,5,5,0,7,5,5,0:3,3,0,0,4,3,0,0,4,3,3,0,6,4,4,0,6,6,6,0"
RESOLUTIONS = (128, 160, 192, 224)
SPACE = MobileNetV3Space(resolutions=RESOLUTIONS, widths=(0.5, 0.75, 1.0))
BY_STAGE = MobileNetV3Space(resolutions=RESOLUTIONS, widths=(0.5, 0.75, 1.0), widths_by="stage")


@pytest.mark.parametrize("suffix", ["", "@r128", "@w0.5", "@r192@w0.75"])
def test_a_suffix_says_what_is_not_the_default(suffix):
    choices = SPACE.from_text([LAYERS + suffix])
    assert SPACE.to_text(choices) == [LAYERS + suffix]
    assert choices.shape == (1, 47)


@pytest.mark.parametrize("suffix", ["", "@r160", "@w0.75,1,1,0.5,1", "@r192@w0.5,0.5,0.5,0.5,0.5"])
def test_widths_by_stage_are_written_for_each_stage(suffix):
    choices = BY_STAGE.from_text([LAYERS + suffix])
    assert BY_STAGE.to_text(choices) == [LAYERS + suffix]
    assert choices.shape == (1, 51)


def test_defaults_may_be_written_and_one_width_serves_all_stages():
    assert SPACE.to_text(SPACE.from_text([f"{LAYERS}@r224@w1"])) == [LAYERS]
    assert BY_STAGE.to_text(BY_STAGE.from_text([f"{LAYERS}@w0.5"])) == [f"{LAYERS}@w0.5,0.5,0.5,0.5,0.5"]


def test_without_choices_the_texts_are_those_of_once_for_all():
    fixed = MobileNetV3Space(resolution=176)
    assert fixed.n_options == (3,) * 45
    assert fixed.to_text(fixed.from_text([f"{LAYERS}@r176"])) == [LAYERS]


@pytest.mark.parametrize(
    ("suffix", "complaint"),
    [
        ("@r176", "resolution 176 is not one of 128, 160, 192, 224"),
        ("@w0.8", "width multiplier 0.8 is not one of 0.5, 0.75, 1"),
        ("@w1,1,1,1,1", "expected one resolution and 1 width multipliers"),
        ("@w1@r128", "expected after the layers at most @r…, then @w…"),
        ("@r128@r128", "expected after the layers at most @r…, then @w…"),
        ("@x3", "expected after the layers at most"),
        ("@r", "could not convert"),
    ],
)
def test_a_wrong_suffix_is_refused_with_the_reason(suffix, complaint):
    with pytest.raises(ArchitectureError, match=complaint):
        SPACE.from_text([LAYERS + suffix])


def test_multipliers_that_round_to_the_same_widths_are_one():
    # Widths 24 to 960 at divisor 8: 1.0 and 1.001 round alike, 0.5 does not.
    space = MobileNetV3Space(width_multiplier=1.0, widths=(0.5, 1.0, 1.001), feature_width=960)
    rows = space.from_text([LAYERS, f"{LAYERS}@w1.001", f"{LAYERS}@w0.5"])
    assert len(unique(space.canonical(rows))) == 2
    assert space.size == 2 * 7371**5
    by_stage = MobileNetV3Space(width_multiplier=1.0, widths=(0.5, 1.0, 1.001), feature_width=960, widths_by="stage")
    assert by_stage.size == 2**5 * 7371**5


def test_the_space_has_every_resolution_of_every_network():
    assert SPACE.size == 4 * 3 * 7371**5
    assert BY_STAGE.size == 4 * 3**5 * 7371**5


def test_each_part_has_the_width_of_its_stage():
    first = BY_STAGE.layout(BY_STAGE.from_text([f"{LAYERS}@r128@w0.5,1,1,0.75,0.5"])[0])
    half, three_quarters, full = BY_STAGE.elastic.widths
    assert full == Widths(24, 24, (32, 48, 96, 136, 192), 1152, 1536)
    assert (first.input_size, first.stem_width, first.blocks[0].out_width) == (128, half.stem, half.first)
    ends = [block.out_width for block in first.blocks[1:]]
    assert ends == [half.stages[0]] * 2 + [48] * 2 + [96] * 3 + [three_quarters.stages[3]] * 3 + [half.stages[4]] * 3
    assert (first.head_width, first.feature_width) == (half.head, half.feature)
    assert [block.in_width for block in first.blocks[1:]] == [half.first, *ends[:-1]]


def test_the_input_shape_is_that_of_the_architecture():
    small, large = SPACE.from_text([f"{LAYERS}@r128", LAYERS])
    assert SPACE.input_shape_of(small) == (3, 128, 128)
    assert SPACE.input_shape_of(large) == SPACE.input_shape == (3, 224, 224)


def test_an_elastic_architecture_costs_as_one_of_its_own_resolution():
    fixed = MobileNetV3Space(resolution=160)
    expected = fixed.costs(fixed.from_text([LAYERS]))
    for space in (SPACE, BY_STAGE):
        costs = space.costs(space.from_text([f"{LAYERS}@r160"]))
        assert {name: values.tolist() for name, values in costs.items()} == {
            name: values.tolist() for name, values in expected.items()
        }


def test_costs_grow_with_resolution_and_width():
    texts = [f"{LAYERS}@r{pixels}@w{width}" for pixels, width in ((128, 0.5), (160, 0.5), (160, 0.75), (224, 1))]
    macs = SPACE.costs(SPACE.from_text(texts))["macs"]
    assert (np.diff(macs) > 0).all()


def test_features_end_with_resolution_and_widths():
    features = BY_STAGE.features(BY_STAGE.from_text([f"{LAYERS}@r128@w0.5,1,1,1,0.5"]))[0]
    np.testing.assert_allclose(features[147:], [7.0, -1, 0, 0, 0, -1])
    assert SPACE.features(SPACE.from_text([f"{LAYERS}@w0.75"]))[0, 147:] == pytest.approx([log2(224), log2(0.75)])


def test_neighbors_change_one_resolution_or_width():
    row = SPACE.from_text([LAYERS])[0]
    texts = SPACE.to_text(SPACE.neighbors(row))
    assert {text.removeprefix(LAYERS) for text in texts if text.startswith(LAYERS)} == {
        "@r128",
        "@r160",
        "@r192",
        "@w0.5",
        "@w0.75",
    }


def test_the_smallest_architecture_has_the_lowest_resolution_and_width():
    smallest, largest = SPACE.to_text(SPACE.extremes())
    assert smallest.endswith("@r128@w0.5")
    assert "@" not in largest


def test_layers_resolution_and_widths_are_sampled_small_to_large_each():
    drawn = SPACE.sample_range(2000, rng=np.random.default_rng(0))
    layers, resolution, width = (drawn[:, :5].mean(axis=1), drawn[:, -2], drawn[:, -1])  # the depths stand for layers
    depths = np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]
    assert depths > 0.3
    assert np.abs(np.corrcoef([layers, resolution, width])[np.triu_indices(3, 1)]).max() < 0.1
