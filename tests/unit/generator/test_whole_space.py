"""A generator of a space in which every architecture was measured."""

from __future__ import annotations

import numpy as np
from made_up import CONFIG

from nagevo import load
from nagevo.experiment.config import parse_config
from nagevo.experiment.learning import learn
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace


class Grid(SearchSpace):
    """Five widths of two layers."""

    n_options, choice_names = (5, 5), ("first", "second")

    def to_text(self, choices):
        return [f"{first}-{second}" for first, second in choices]

    def _parse(self, text):
        return [int(part) for part in text.split("-")]


def test_no_model_is_trained_where_nothing_is_left_to_propose(tmp_path):
    choices = Grid().enumerate()
    cost = 1.0 + choices.sum(axis=1)
    accuracy = 50.0 + 5 * choices[:, 0] + 3.0 * choices[:, 1]
    table = Measurements(choices, np.zeros(25, dtype=int), accuracy, {"exact": cost})
    config = parse_config(
        {**CONFIG, "space": {"name": "test_whole_space:Grid"}, "devices": {"exact": CONFIG["devices"]["exact"]}}
    )
    learn(config, table, tmp_path / "generator")
    generator = load(tmp_path / "generator")
    assert generator.description["expected_gain"] == {"evaluations": 25, "devices": {"exact": 0.0}}
    assert generator.bundle.arrays("model.safetensors") == {}
    # of all that cost 5, the one with the largest first layer: 50 + 5 · 4
    assert generator.generate(5.0).architecture == "4-0"
    adapted = generator.adapt(
        "twice", {text: 2 * (1 + sum(map(int, text.split("-")))) for text in ("0-0", "2-1", "4-4")}
    )
    assert adapted.generate(40, device="twice", confidence=0.6).architecture == "4-4"
