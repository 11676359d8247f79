"""NA-RS on neighborhoods whose flatness is known."""

import numpy as np
import pandas as pd
import pytest
from separable import SeparableSpace, measure

from nagevo.evaluate.comparison import neighborhood_spread
from nagevo.foundation.errors import ConfigError
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.measurements import Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.na_rs import NeighborhoodRandomSearch, nondominated_first, random_neighbors
from nagevo.spaces.base import unique, without

SPACE = SeparableSpace()  # five choices of three options: every architecture has ten neighbors
SHARP, FLAT = np.zeros(5, dtype=np.int8), np.full(5, 2, dtype=np.int8)


def landscape(choices):
    """Return accuracies: a sharp optimum of 90 % with neighbors of 50 %, a flat one of 85 % with 84 %, else 60 %."""
    far = [np.count_nonzero(choices != center, axis=1) for center in (SHARP, FLAT)]
    return np.select([far[0] == 0, far[0] == 1, far[1] == 0, far[1] == 1], [90.0, 50.0, 85.0, 84.0], 60.0)


def two_neighborhoods():
    choices = np.concatenate([SHARP[None], SPACE.neighbors(SHARP), FLAT[None], SPACE.neighbors(FLAT)])
    return Measurements(choices, np.zeros(22, dtype=int), landscape(choices), {"phone": np.ones(22)})


class Landscape(Evaluator):
    def evaluate(self, choices, *, split="validation"):
        return pd.DataFrame({"accuracy": landscape(choices), "status": "ok"})


@pytest.mark.parametrize("aggregate", ["mean", "median", "worst"])
def test_a_flat_optimum_is_preferred_to_a_sharp_one(aggregate):
    strategy = NeighborhoodRandomSearch(SPACE, ["phone"], aggregate=aggregate)
    strategy.tell(two_neighborhoods())
    np.testing.assert_array_equal(strategy.flat_frontier("phone"), FLAT[None])


def test_a_search_on_the_surrogate_measures_the_flat_optimum():
    others = without(SPACE.enumerate()[::6], np.stack([SHARP, FLAT]))
    known = unique(np.concatenate([SPACE.neighbors(SHARP), SPACE.neighbors(FLAT), others]))
    table = Measurements(known, np.zeros(len(known), dtype=int), landscape(known), {"phone": np.ones(len(known))})
    strategy = NeighborhoodRandomSearch(SPACE, ["phone"])
    strategy.tell(table)
    np.testing.assert_array_equal(strategy.ask(1), FLAT[None])


def test_measured_neighborhoods_are_centers_with_ten_neighbors_each():
    strategy = NeighborhoodRandomSearch(SPACE, ["phone"], mode="measured")
    proposed = strategy.ask(22)
    for center, *neighbors in np.split(proposed, 2):
        np.testing.assert_array_equal(np.count_nonzero(neighbors != center, axis=1), 1)


def test_a_neighborhood_that_a_round_cuts_is_completed_by_the_next():
    whole = NeighborhoodRandomSearch(SPACE, ["phone"], mode="measured").ask(22)
    strategy = NeighborhoodRandomSearch(SPACE, ["phone"], mode="measured")
    first = strategy.ask(15)
    strategy.tell(measure(first))
    np.testing.assert_array_equal(np.concatenate([first, strategy.ask(7)]), whole)


def test_random_neighbors_differ_in_exactly_one_choice():
    rng = np.random.default_rng(0)
    centers = SPACE.sample(8, rng=rng)
    near = random_neighbors(SPACE, centers, 20, rng=rng)
    np.testing.assert_array_equal(np.count_nonzero(near != centers[:, None], axis=2), 1)


def test_the_frontier_comes_first_then_the_frontier_of_the_rest():
    objectives = np.array([[3.0, 3.0], [1.0, 2.0], [2.0, 1.0], [4.0, 4.0]])
    order = nondominated_first(objectives, 4, rng=np.random.default_rng(0))
    assert (sorted(order[:2]), order[2:].tolist()) == ([1, 2], [0, 3])


def test_the_spread_is_that_over_the_neighborhood():
    # sharp: 90 and ten times 50: mean 590/11, variance 40² · 10 / 11²; flat: 1² · 10 / 11²
    spread = neighborhood_spread(SPACE, Landscape(SPACE), np.stack([SHARP, FLAT]))
    np.testing.assert_allclose(spread, [40 * 10**0.5 / 11, 10**0.5 / 11])


@pytest.mark.parametrize("options", [{"mode": "guessed"}, {"aggregate": "best"}, {"n_neighbors": 0}])
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ConfigError, match=r"strategy na_rs: .*: expected"):
        create_strategy("na_rs", SPACE, ["phone"], seed=0, evaluations=9, **options)
