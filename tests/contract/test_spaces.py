"""What every search space promises; a new space is tested by registering it."""

from __future__ import annotations

import numpy as np
import pytest

from nagevo.foundation.errors import MissingDependency
from nagevo.spaces import SPACES, create_space
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.testing import CHECKS, check_space

SMALL = {
    "catalog": {"build": "resnets:named", "networks": ["resnet-4", "resnet-8"], "input_shape": [3, 8, 8]},
    "conv1d": {"length": 64, "channels": 2, "classes": 3, "widths": [[2, 4], [4, 8]], "head_width": 8},
    "dag": {"width": 2, "resolution": 9, "channels": 1, "classes": 3},
    "mobilenetv3": {"resolution": 16, "channels": 1, "classes": 3, "width_multiplier": 0.25, "divisor": 4},
    "mobilenetv3_small": {"resolution": 16, "channels": 1, "classes": 3, "divisor": 4},
    "nasbench201": {"width": 4, "cells": 1, "resolution": 9, "channels": 1, "classes": 3},
    "rnn_dag": {"width": 4, "vocabulary": 5, "length": 6},
    "slimmed": {"model": "resnets:resnet", "input_shape": [3, 8, 8], "round_to": 4},
}
"""Options that make networks small enough to be built in a test."""
VARIANTS = {name: (name, SMALL.get(name, {})) for name in sorted(SPACES)} | {
    "conv1d of one stage, odd length": (
        "conv1d",
        {"length": 37, "channels": 1, "widths": [[3, 5, 9]], "stem_stride": 2, "strides": [3, 2], "dropout": 0.5},
    ),
    "dag of four nodes": ("dag", SMALL["dag"] | {"nodes": 4, "cells": 2}),
    "mobilenetv3 elastic": ("mobilenetv3", SMALL["mobilenetv3"] | {"resolutions": [8, 16], "widths": [0.5, 1, 1.1, 2]}),
    "mobilenetv3 elastic by stage": (
        "mobilenetv3",
        SMALL["mobilenetv3"] | {"resolutions": [9, 12, 16], "widths": [0.5, 1], "widths_by": "stage"},
    ),
    "nasbench201 merged": ("nasbench201", SMALL["nasbench201"] | {"merge_equal": True}),
    "slimmed, tied, at two resolutions": (
        "slimmed",
        SMALL["slimmed"] | {"options": {"blocks": 3}, "most_choices": 8, "resolutions": [8, 12]},
    ),
    "rnn_dag of four nodes": ("rnn_dag", SMALL["rnn_dag"] | {"nodes": 4, "activations": ["relu", "relu", "tanh"]}),
    "nasbench201 in two precisions": ("nasbench201", SMALL["nasbench201"] | {"precisions": ["fp32", "int8"]}),
    "mobilenetv3 elastic in two precisions": (
        "mobilenetv3",
        SMALL["mobilenetv3"] | {"resolutions": [8, 16], "widths": [0.5, 1], "precisions": ["int8", "fp32"]},
    ),
    "dag in int8": ("dag", SMALL["dag"] | {"nodes": 4, "precisions": ["int8"]}),
    "nasbench_graph without skip": ("nasbench_graph", {"operations": ["fc", "gcn", "gat"]}),
}


@pytest.fixture(scope="module", params=VARIANTS)
def space(request):
    name, options = VARIANTS[request.param]
    try:
        return create_space(name, **options)
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_space_keeps_its_promises(space, check):
    check(space, np.random.default_rng(0))


class Unstable(NASBench201Space):
    """Its canonical form is not its own canonical form."""

    def canonical(self, choices):
        return (choices + 1) % 5


class Blurred(NASBench201Space):
    """Its surrogates see a few columns only."""

    def features(self, choices):
        return super().features(choices)[:, -6:]


class Miscounted(NASBench201Space):
    """It leaves the classifier out of the count."""

    def costs(self, choices):
        return {name: values - 30 for name, values in super().costs(choices).items()}


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Unstable, "keeps its meaning as text|canonical of canonical"),
        (Blurred, "features differ for different normal forms"),
        (Miscounted, "costs counts the parameters of the network"),
    ],
)
def test_a_space_that_breaks_a_promise_is_told_which(broken, promise):
    with pytest.raises(AssertionError, match=promise):
        check_space(broken(**SMALL["nasbench201"]))
