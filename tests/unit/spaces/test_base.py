"""The base class of spaces: distinct architectures, and the limit on the options of a choice."""

from __future__ import annotations

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError
from nagevo.spaces.base import MOST_OPTIONS, RowIndex, SearchSpace, unique


class Counts(SearchSpace):
    """As many options as are asked for, for each choice."""

    def __init__(self, *n_options):
        self.n_options = n_options
        self.choice_names = tuple(f"choice {number}" for number in range(len(n_options)))

    def to_text(self, choices):
        return [",".join(map(str, row)) for row in choices.tolist()]

    def _parse(self, text):
        return [int(part) for part in text.split(",") if part]


def test_without_choices_there_is_one_architecture():
    space, rows = Counts(), np.empty((3, 0), dtype=np.int8)
    assert unique(rows).shape == (1, 0)
    assert RowIndex(rows).rows(rows).tolist() == [2, 2, 2]
    assert space.sample_distinct(1, rng=np.random.default_rng(0)).shape == space.enumerate().shape == (1, 0)
    with pytest.raises(ConfigError, match="expected at most 1 new architectures"):
        space.sample_distinct(2, rng=np.random.default_rng(0))


def test_a_choice_has_as_many_options_as_an_index_can_name():
    space = Counts(2, MOST_OPTIONS)
    every = space.enumerate()
    assert every.shape == (2 * MOST_OPTIONS, 2)
    assert (every.min(), every.max()) == (0, MOST_OPTIONS - 1)
    np.testing.assert_array_equal(space.from_text(space.to_text(every)), every)
    assert space.sample_distinct(200, rng=np.random.default_rng(0)).shape == (200, 2)


@pytest.mark.parametrize("use", ["enumerate", "sample_distinct", "from_text"])
def test_a_choice_with_more_options_is_one_clear_line(use):
    arguments = {"sample_distinct": {"n": 1, "rng": np.random.default_rng(0)}, "from_text": {"texts": ["0,0"]}}
    with pytest.raises(ConfigError, match=r"expected at most 128 options of a choice, got 129 of choice 2$"):
        getattr(Counts(2, MOST_OPTIONS + 1), use)(**arguments.get(use, {}))
