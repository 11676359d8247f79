"""NSGA-II on whole arrays."""

import random

import moocore
import numpy as np
import pytest
from deap import base, creator, tools
from separable import SeparableSpace, accuracy, latency_ms

from nagevo.search.nsga2 import evolve, fronts
from nagevo.spaces.base import row_keys

SPACE = SeparableSpace()


def objective(choices):
    """Return error and latency."""
    return np.column_stack([100.0 - accuracy(choices), latency_ms(choices)])


def run(function=objective, **options):
    return evolve(SPACE, function, **{"population": 24, "generations": 12, "rng": np.random.default_rng(0)} | options)


def test_the_exact_frontier_of_a_small_space_is_found():
    everything = objective(SPACE.enumerate())
    exact = np.unique(everything[moocore.is_nondominated(everything)], axis=0)
    np.testing.assert_array_equal(np.unique(run(generations=60).objectives, axis=0), exact)


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_fronts_and_crowding_distances_are_those_of_deap(n_objectives):
    objectives = np.random.default_rng(0).random((60, n_objectives))
    rank, crowding = fronts(objectives)
    fitness, individual = f"Minimized{n_objectives}", f"Numbered{n_objectives}"
    creator.create(fitness, base.Fitness, weights=(-1.0,) * n_objectives)
    creator.create(individual, int, fitness=getattr(creator, fitness))
    individuals = [getattr(creator, individual)(row) for row in range(60)]
    for each, values in zip(individuals, objectives, strict=True):
        each.fitness.values = tuple(values)
    for number, members in enumerate(tools.sortLogNondominated(individuals, 60), start=1):
        assert sorted(members) == np.flatnonzero(rank == number).tolist()
        tools.emo.assignCrowdingDist(members)
        theirs = [n_objectives * member.fitness.crowding_dist for member in members]  # a mean, ours is a sum
        np.testing.assert_allclose(crowding[np.array(members, dtype=int)], theirs)


def test_members_come_fastest_first_and_none_is_dominated():
    found = run()
    assert (np.diff(found.objectives[:, 1]) > 0).all()
    np.testing.assert_array_equal(found.objectives, objective(found.choices))
    assert moocore.is_nondominated(found.objectives).all()


def test_each_generation_is_evaluated_as_one_array_and_nothing_twice():
    seen = []

    def counted(choices):
        seen.append(choices)
        return objective(choices)

    found = run(counted)
    assert len(seen) <= len(found.log)
    keys = row_keys(np.concatenate(seen))
    assert len(np.unique(keys)) == len(keys) == found.log["evaluations"].iloc[-1]


def test_the_hypervolume_in_the_log_never_falls():
    log = run().log
    assert list(log["generation"]) == list(range(len(log)))
    assert (np.diff(log["hypervolume"]) >= 0).all()
    assert log["hypervolume"].iloc[-1] > log["hypervolume"].iloc[0]


def test_the_run_ends_when_the_space_is_exhausted():
    found = run(population=SPACE.size, generations=50)
    assert found.log["evaluations"].tolist()[-1] == SPACE.size
    assert len(found.log) < 5


def test_all_initial_architectures_are_evaluated_however_many_they_are():
    start = SPACE.enumerate()[:100]
    found = run(initial=start, generations=0)
    assert found.log["evaluations"].tolist() == [101]  # and the largest of the two extremes, which is not among them


def test_three_objectives_are_searched_at_once():
    def two_devices(choices):
        return np.column_stack([objective(choices), 1.0 + choices @ np.array([0.5, 4.0, 1.0, 3.0, 2.0])])

    everything = two_devices(SPACE.enumerate())
    exact = everything[moocore.is_nondominated(everything)]
    reference = everything.max(axis=0) + 1
    found = moocore.hypervolume(run(two_devices, generations=30).objectives, ref=reference)
    assert found >= 0.98 * moocore.hypervolume(exact, ref=reference)


def test_the_same_seed_finds_the_same_and_the_global_generator_is_left_alone():
    random.seed(5)
    expected = random.Random(5).random()
    first, second = run(), run()
    assert random.random() == expected
    np.testing.assert_array_equal(first.choices, second.choices)
    assert first.log.equals(second.log)


@pytest.mark.parametrize("n", [1, 2])
def test_a_population_smaller_than_the_extremes_still_runs(n):
    assert len(run(population=n, generations=2).choices)
