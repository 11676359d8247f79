"""The space of a network made by hand at many widths."""

import pytest

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces import create_space


def test_the_network_at_width_1_is_the_published_one():
    space = create_space("mobilenetv3_small")
    (parameters,) = space.costs(space.from_text(["1.00"]))["parameters"]
    # torchvision counts 2,542,856 in its mobilenet_v3_small, whose hidden layer has 1,024 biases that ours has not
    assert parameters == 2_542_856 - 1024


def test_strides_are_those_of_the_layers_that_have_one():
    space = create_space("mobilenetv3_small", strides=[1, 2, 1, 2], channels=1, classes=10)
    (choices,) = space.from_text(["0.25"])
    assert [block.stride for block in space.layout(choices).blocks] == [1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1]
    with pytest.raises(ConfigError, match=r"strides: expected at least 4 values, got \[1, 2\]"):
        create_space("mobilenetv3_small", strides=[1, 2])


def test_a_width_that_is_not_listed_is_refused():
    with pytest.raises(ArchitectureError, match=r"'0\.33' is not an architecture"):
        create_space("mobilenetv3_small").from_text(["0.33"])
