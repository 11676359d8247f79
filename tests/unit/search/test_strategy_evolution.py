"""The default strategy and its infill criterion."""

from dataclasses import replace

import moocore
import numpy as np
import pandas as pd
import pytest
from separable import SeparableSpace, mean_shortfall, measure, search

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.frontier import frontier, is_nondominated
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.predictor import Predictor
from nagevo.learn.prior import best_known, fit_cheap, fit_readings
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search.improvement import Frontier, best_batch, expected_share
from nagevo.search.surrogate_evolution import SurrogateEvolution, initial_design
from nagevo.spaces.base import row_keys
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

SPACE = SeparableSpace()
OBJECTIVES = np.array([[40.0, 1.0], [30.0, 2.0], [20.0, 5.0]])
"""Error and latency, scaled to (1, 0), (0.5, 0.25), (0, 1)."""


def scaled(objectives):
    return (objectives - [20.0, 1.0]) / [20.0, 4.0]


def gain(point, members=OBJECTIVES):
    """Return by how much one more architecture enlarges the hypervolume, as moocore has it."""
    before = moocore.hypervolume(scaled(members), ref=[1.1, 1.1])
    return moocore.hypervolume(scaled(np.vstack([members, point])), ref=[1.1, 1.1]) - before


@pytest.mark.parametrize("point", [[25.0, 3.0], [35.0, 1.5], [10.0, 0.5], [45.0, 6.0], [15.0, 5.2], [41.0, 0.9]])
def test_without_uncertainty_the_improvement_is_the_hypervolume_gained(point):
    improvement = Frontier.of(OBJECTIVES).expected_improvement(np.array([point[0]]), np.zeros(1), np.array([point[1]]))
    assert improvement[0] == pytest.approx(gain(point), abs=1e-6)


def test_with_uncertainty_the_improvement_is_the_mean_over_what_may_be():
    errors = np.random.default_rng(0).normal(28.0, 4.0, size=4000)
    simulated = np.mean([gain([error, 3.0]) for error in errors])
    improvement = Frontier.of(OBJECTIVES).expected_improvement(np.array([28.0]), np.array([4.0]), np.array([3.0]))
    assert improvement[0] == pytest.approx(simulated, rel=0.05)  # standard error of the simulation: 2 %


def test_what_was_chosen_promises_nothing_a_second_time():
    front = Frontier.of(OBJECTIVES)
    point = np.array([25.0]), np.zeros(1), np.array([3.0])
    assert front.expected_improvement(*point) > 0.01
    assert front.extended(25.0, 3.0).expected_improvement(*point) == pytest.approx(0.0, abs=1e-6)


def test_the_frontier_is_found_with_fewer_evaluations_than_by_chance():
    strategies = [SurrogateEvolution(SPACE, ["phone"], seed=seed, population=40, generations=10) for seed in range(2)]
    assert mean_shortfall(strategies, [10, 10, 10, 10]) < 0.5  # random search: 3.5


def test_the_rounds_begin_with_a_design_of_at_most_a_quarter():
    assert SurrogateEvolution.round_sizes(50, 9) == [12, 5, 5, 5, 5, 5, 5, 4, 4]
    assert SurrogateEvolution.round_sizes(200, 8) == [25, 25, 25, 25, 25, 25, 25, 25]
    assert SurrogateEvolution.round_sizes(200)[:2] == [25, 5]
    assert SurrogateEvolution.round_sizes(200, 2) == [100, 100]


def test_the_design_begins_with_the_extremes_and_spreads_over_all_sizes():
    space = MobileNetV3Space()
    design = initial_design(space, 200, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(design[:2], space.extremes())
    macs = [np.log(space.costs(rows)["macs"]) for rows in (design, space.sample(200, rng=np.random.default_rng(0)))]
    assert macs[0].std() > 1.5 * macs[1].std()


def test_known_latencies_are_used_instead_of_predictions():
    # On this device a single architecture that is as accurate as the best is as fast as the fastest: nothing but its
    # known latency tells.
    everything = SPACE.enumerate()
    told = measure(everything[::4])
    bargain = np.array([2, 2, 2, 2, 1], dtype=np.int8)
    rest = everything[[not (row == told.choices).all(axis=1).any() for row in everything]]
    latencies = measure(rest).values["phone"]
    latencies[(rest == bargain).all(axis=1)] = 1.0
    unknown = np.full(len(rest), np.nan)
    extra = Measurements(rest, np.full(len(rest), EXTRA_ROUND), unknown, {"phone": latencies})
    strategy = SurrogateEvolution(SPACE, ["phone"])
    strategy.tell(extra.extended(told))
    assert strategy.ask(1).tolist() == [bargain.tolist()]


def test_the_device_that_is_served_worst_gets_the_proposals():
    everything = measure(SPACE.enumerate())
    latency_ms = {**everything.values, "board": 1.0 + everything.choices @ np.array([0.5, 4.0, 1.0, 3.0, 2.0])}
    table = Measurements(everything.choices, everything.round, everything.accuracy, latency_ms)
    on_frontier = {device: is_nondominated(table.objectives(device)) for device in table.devices}
    some = np.arange(len(table)) % 25 == 0
    strategy = SurrogateEvolution(SPACE, ["phone", "board"], population=40, generations=10)
    strategy.tell(table.rows(on_frontier["phone"] | some))  # nothing is left to gain on the phone
    asked = np.isin(row_keys(table.choices), row_keys(strategy.ask(6)))
    assert (asked & on_frontier["board"]).sum() >= 4  # 0.3 of six random ones


def test_the_search_is_the_same_for_the_same_seed():
    first, second = (search(SurrogateEvolution(SPACE, ["phone"], seed=4), [10, 4]) for _ in range(2))
    np.testing.assert_array_equal(first.choices, second.choices)


def test_after_the_design_evaluations_go_into_the_range_alone():
    small = {"population": 40, "generations": 10, "range": {"latency_ms": [8.0, 12.0]}}
    table = search(SurrogateEvolution(SPACE, ["phone"], **small), [12, 6, 6, 6])
    later = table.values["phone"][table.round > 0]
    assert ((later >= 7.0) & (later <= 13.0)).all()  # latencies are predicted
    free = search(SurrogateEvolution(SPACE, ["phone"], population=40, generations=10), [12, 6, 6, 6])
    elsewhere = free.values["phone"][free.round > 0]
    assert ((elsewhere > 13.0) | (elsewhere < 7.0)).any()


def test_where_latencies_are_known_the_design_lies_in_the_range_too():
    everything = SPACE.enumerate()
    values = measure(everything).values["phone"]
    known = Measurements(
        everything, np.full(len(everything), EXTRA_ROUND), np.full(len(everything), np.nan), {"phone": values}
    )
    strategy = SurrogateEvolution(SPACE, ["phone"], range={"latency_ms": (8.0, 12.0)})
    strategy.tell(known)
    proposed = measure(strategy.ask(12)).values["phone"]
    assert ((proposed >= 8.0) & (proposed <= 12.0)).all()


@pytest.mark.parametrize("limits", [[3.0], [3.0, 2.0], [1.0, 2.0, 3.0]])
def test_a_range_without_two_ascending_numbers_is_refused(limits):
    with pytest.raises(ConfigError, match="range: latency_ms"):
        SurrogateEvolution(SPACE, ["phone"], range={"latency_ms": limits})


def test_proposals_are_rows_of_the_table_of_candidates(tmp_path):
    rows = SPACE.sample_distinct(30, rng=np.random.default_rng(0))
    pd.DataFrame({"architecture": SPACE.to_text(rows)}).to_csv(tmp_path / "rows.csv", index=False)
    settings = {"candidates": str(tmp_path / "rows.csv"), "population": 40, "generations": 5}
    table = search(SurrogateEvolution(SPACE, ["phone"], evaluations=30, **settings), [12, 12, 6])
    assert set(row_keys(table.choices).tolist()) == set(row_keys(rows).tolist())
    with pytest.raises(ConfigError, match="expected at most 30"):
        SurrogateEvolution(SPACE, ["phone"], evaluations=31, **settings)


def test_the_hypervolume_gained_is_what_moocore_says():
    earlier = OBJECTIVES[:2]
    expected = moocore.hypervolume(scaled(OBJECTIVES), ref=[1.1, 1.1]) - moocore.hypervolume(
        scaled(earlier), ref=[1.1, 1.1]
    )
    assert Frontier.of(OBJECTIVES).gain_over(earlier) == pytest.approx(expected)


@pytest.mark.slow
def test_a_search_with_little_left_to_gain_ends_and_stays_ended():
    small = {"population": 40, "generations": 10}
    sizes = [12, *[6] * 8]
    table = search(SurrogateEvolution(SPACE, ["phone"], stop={"gain": 0.02, "rounds": 2}, **small), sizes)
    counts = [int((table.round == number).sum()) for number in range(len(sizes))]
    ended = counts.index(0)
    assert 2 < ended < len(sizes)
    assert counts[ended:] == [0] * (len(sizes) - ended)
    before = table.rows(table.round < ended - 2)
    gained = Frontier.of(table.objectives("phone")).gain_over(before.objectives("phone"))
    assert gained < 0.02 * Frontier.of(table.objectives("phone")).hypervolume
    whole = search(SurrogateEvolution(SPACE, ["phone"], **small), sizes)
    np.testing.assert_array_equal(table.choices, whole.choices[: len(table)])


def test_the_best_batch_counts_nothing_twice_and_searches_where_it_may():
    # Of two equal architectures the second adds nothing; the third would gain more and is not searched for.
    error, latency = np.array([25.0, 25.0, 15.0]), np.array([[3.0, 3.0, 3.0]])
    front, searched = Frontier.of(OBJECTIVES), np.array([[True, True, False]])
    chosen, expected = best_batch([front], error, np.zeros(3), latency, 2, searched=searched)
    assert chosen.tolist() == [0, 1]
    assert expected == pytest.approx(gain([25.0, 3.0]), abs=1e-6)
    chosen, expected = best_batch([front], error, np.zeros(3), latency, 5)
    assert chosen[0] == 2
    assert expected == pytest.approx(gain([15.0, 3.0]), abs=1e-6)


def test_the_best_batch_is_that_of_improvements_that_are_all_computed():
    rng = np.random.default_rng(0)
    error, std, latency = rng.normal(30, 5, 700), rng.uniform(1, 5, 700), rng.uniform(0, 6, (2, 700))
    start = [Frontier.of(np.column_stack([error + 5.0, values + 0.5])[:20]) for values in latency]
    chosen, _ = best_batch(start, error, std, latency, 10)
    fronts, new = start, np.ones(len(error))
    for row in chosen:
        parts = [front.expected_improvement(error, std, values) for front, values in zip(fronts, latency, strict=True)]
        bounds = [front.improvement_bound(error, std, values) for front, values in zip(fronts, latency, strict=True)]
        assert (np.array(parts) <= np.array(bounds)).all()
        assert row == (new * np.sum(parts, axis=0)).argmax()
        new[row] = 0.0
        fronts = [front.extended(error[row], values[row]) for front, values in zip(fronts, latency, strict=True)]


def test_a_space_that_was_evaluated_whole_has_nothing_left_to_gain():
    choices = SPACE.enumerate()
    every = measure(choices)
    surrogates = fit_accuracy(SPACE.features(choices), every.accuracy), {"phone": None}
    assert expected_share(Predictor(SPACE, every, *surrogates, exact=["phone"]), "phone", choices, 10) == 0.0
    few = measure(choices[::40])
    latency = fit_latency(SPACE.features(few.choices), few.values["phone"])
    predictor = Predictor(SPACE, few, surrogates[0], {"phone": latency}, ["phone"])
    front = Frontier.of(few.objectives("phone"))
    gained = Frontier.of(every.objectives("phone")).gain_over(few.objectives("phone"))
    assert 0.1 * gained < expected_share(predictor, "phone", choices, 25) * front.hypervolume


@pytest.fixture
def history(tmp_path):
    """The table of an earlier search on another device, whose accuracies are lower."""
    choices = SPACE.enumerate()[::3]
    known = Measurements(
        choices,
        np.zeros(len(choices), dtype=int),
        0.8 * measure(choices).accuracy,
        {"board": 1.0 + choices.sum(axis=1)},
    )
    known.to_frame(SPACE).to_csv(tmp_path / "history.csv", index=False)
    return known, str(tmp_path / "history.csv")


def test_a_search_with_a_prior_begins_with_the_frontier_known_there(history):
    known, path = history
    strategy = SurrogateEvolution(SPACE, ["phone"], prior=path, population=20, generations=3)
    first = strategy.ask(10)
    best = known.choices[frontier(known.objectives("board"))]
    assert np.isin(row_keys(first[:5]), row_keys(best)).all()
    assert len(np.unique(row_keys(first))) == 10


@pytest.mark.slow
def test_a_prior_makes_a_short_search_better(history):
    small = {"population": 40, "generations": 10}
    with_it, without_it = (
        mean_shortfall(
            [SurrogateEvolution(SPACE, ["phone"], seed=seed, **small, **prior) for seed in range(3)], [6, 4, 4]
        )
        for prior in ({"prior": history[1]}, {})
    )
    assert with_it < without_it


def test_a_prior_without_accuracies_is_refused_in_one_line(history, tmp_path):
    table = pd.read_csv(history[1], dtype={"architecture": str}).assign(accuracy=np.nan)
    table.to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(DataError, match=r"none\.csv: expected at least 2 accuracies, got 0"):
        SurrogateEvolution(SPACE, ["phone"], prior=str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match=r"absent\.csv"):
        SurrogateEvolution(SPACE, ["phone"], prior=str(tmp_path / "absent.csv"))


def test_of_a_prior_without_devices_the_most_accurate_are_best(history):
    known = history[0].for_devices([])
    best = best_known(known, 3)
    assert np.sort(known.accuracy)[-3:][::-1].tolist() == (0.8 * measure(best).accuracy).tolist()


class Cheap(SurrogateEvolution):
    """It is told, after the first round, noisy accuracies of all architectures that are too low."""

    def tell(self, measurements):
        if measurements.n_rounds:
            choices = SPACE.enumerate()
            full = measure(choices)
            accuracy = 0.5 * full.accuracy + np.random.default_rng(0).normal(0, 0.5, len(full))
            measurements = replace(measurements, cheap=replace(full, accuracy=accuracy, values={}))
        super().tell(measurements)


@pytest.mark.slow
def test_cheap_readings_make_a_short_search_better():
    small = {"population": 40, "generations": 10}
    with_them, without = (
        mean_shortfall([kind(SPACE, ["phone"], seed=seed, **small) for seed in range(3)], [6, 4, 4])
        for kind in (Cheap, SurrogateEvolution)
    )
    assert with_them < without


def test_where_all_cheap_readings_failed_the_prior_remains():
    measured, options = measure(SPACE.enumerate()[::4]), {"surrogate": "xgboost", "seed": 0}
    prior = fit_readings(SPACE, measured, **options)
    failed = replace(measured, accuracy=np.full(len(measured), np.nan))
    assert fit_cheap(SPACE, failed, prior=prior, **options) is prior
    assert fit_cheap(SPACE, None, prior=prior, **options) is prior
    assert fit_cheap(SPACE, measured, prior=prior, **options) is not prior
