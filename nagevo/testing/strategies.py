"""The promises of every strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nagevo.foundation.registry import create
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search import Strategy, resolve_strategy
from nagevo.spaces.base import SearchSpace, unique, without
from nagevo.testing.promises import equal, require


class LadderSpace(SearchSpace):
    """Four choices of three options each, 81 architectures: small enough to be exhausted by a check."""

    n_options = (3,) * 4
    choice_names = tuple("abcd")
    size = 3**4

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        return choices.astype(np.int8)

    def to_text(self, choices: np.ndarray) -> list[str]:
        return ["".join(map(str, row)) for row in choices.tolist()]

    def _parse(self, text: str) -> list[int]:
        return [int(option) for option in text]


ROUNDS = (12, 5, 1, 6)
"""Sizes of the rounds in which strategies are checked."""

Build = Callable[..., Strategy]
"""From the names of devices to a strategy that serves them in a :class:`LadderSpace`."""


def check_strategy(strategy: str | type[Strategy], *, seed: int = 0, **options: Any) -> None:
    """Run every check of a strategy.

    Parameters
    ----------
    strategy : str or type
        Name of a strategy (built in, or ``package.module:Class``), or a class.
    **options
        Both of the strategy.

    Raises
    ------
    AssertionError
        Naming the promise that the strategy breaks.
    """
    cls = resolve_strategy(strategy) if isinstance(strategy, str) else strategy

    def build(*devices: str) -> Strategy:
        return create(
            f"strategy {cls.__name__}", cls, LadderSpace(), devices, seed=seed, evaluations=sum(ROUNDS), **options
        )

    for check in STRATEGY_CHECKS:
        check(build)


def rounds_add_up(build: Build) -> None:
    """The rounds hold all evaluations, however many rounds are asked for."""
    cls = type(build("phone"))
    for evaluations, rounds in ((1, None), (7, 3), (200, None), (200, 8), (5, 50), (30, 1)):
        sizes = cls.round_sizes(evaluations, rounds)
        require(sum(sizes) == evaluations and min(sizes) > 0, "round_sizes are positive and add up to the evaluations")
        require(rounds is None or len(sizes) <= rounds, "there are no more rounds than asked for")


def proposals_are_new(build: Build) -> None:
    """Every round proposes as many new, different architectures as asked, for one device and for three."""
    _searched(build, ("phone",))
    _searched(build, ("phone", "server", "board"))


def a_rebuilt_strategy_proposes_the_same(build: Build) -> None:
    """Proposals depend on the seed and the measurements alone, not on the history of the object."""
    table = _searched(build, ("phone",))
    last = table.round == len(ROUNDS) - 1
    rebuilt = build("phone")
    rebuilt.tell(table.rows(~last))
    equal(rebuilt.ask(ROUNDS[-1]), table.choices[last], "same seed and measurements, same proposals")


def failures_are_survived(build: Build) -> None:
    """Accuracies and latencies that failed, some or all of them, do not end a search."""

    def spoiled(table: Measurements, failed: np.ndarray) -> Measurements:
        latency_ms = {name: np.where(failed[::-1], np.nan, values) for name, values in table.values.items()}
        return Measurements(table.choices, table.round, np.where(failed, np.nan, table.accuracy), latency_ms)

    _searched(build, ("phone", "server"), lambda table: spoiled(table, np.arange(len(table)) % 3 == 1))
    _searched(build, ("phone",), lambda table: spoiled(table, np.ones(len(table), dtype=bool)))


def known_latencies_are_no_evaluations(build: Build) -> None:
    """Architectures whose latency alone was read may still be proposed."""
    choices = LadderSpace().enumerate()
    evaluated = _measured(choices[::5], 0, ("phone",))
    others = _measured(without(choices, evaluated.choices), EXTRA_ROUND, ("phone",))
    known = Measurements(others.choices, others.round, np.full(len(others), np.nan), others.values)
    strategy = build("phone")
    strategy.tell(known.extended(evaluated))
    _expect_new(strategy.ask(9), evaluated.choices, 9)


def cheap_readings_are_no_evaluations(build: Build) -> None:
    """Architectures whose accuracy was read cheaply alone may still be proposed."""
    choices = LadderSpace().enumerate()
    evaluated, cheap = _measured(choices[::5], 0, ("phone",)), _measured(choices[:-3], 0, ())
    strategy = build("phone")
    strategy.tell(replace(evaluated, cheap=cheap))
    _expect_new(strategy.ask(9), evaluated.choices, 9)


def the_last_architectures_are_found(build: Build) -> None:
    """In a nearly exhausted space exactly the remaining architectures are proposed."""
    choices = LadderSpace().enumerate()
    strategy = build("phone")
    strategy.tell(_measured(choices[:-2], 0, ("phone",)))
    _expect_new(strategy.ask(5), choices[:-2], 2)


STRATEGY_CHECKS = (
    rounds_add_up,
    proposals_are_new,
    a_rebuilt_strategy_proposes_the_same,
    failures_are_survived,
    known_latencies_are_no_evaluations,
    cheap_readings_are_no_evaluations,
    the_last_architectures_are_found,
)
"""All checks of strategies; each takes a :data:`Build`."""


def _searched(
    build: Build, devices: tuple[str, ...], spoil: Callable[[Measurements], Measurements] = lambda table: table
) -> Measurements:
    """Return what a search measured, each round as ``spoil`` leaves it."""
    strategy = build(*devices)
    table = Measurements.empty(strategy.space, devices)
    for number, n in enumerate(ROUNDS):
        strategy.tell(table)
        proposed = strategy.ask(n)
        _expect_new(proposed, table.choices, n)
        table = table.extended(spoil(_measured(proposed, number, devices)))
    return table


def _expect_new(proposed: np.ndarray, known: np.ndarray, n: int) -> None:
    LadderSpace().check(proposed)
    require(proposed.dtype == np.int8, "proposals are int8 rows")
    require(len(proposed) == n, f"ask returns as many architectures as asked or left, {n}, not {len(proposed)}")
    require(len(unique(proposed)) == n, "ask returns no architecture twice")
    require(len(without(proposed, known)) == n, "ask returns no architecture that was evaluated before")


def _measured(choices: np.ndarray, number: int, devices: tuple[str, ...]) -> Measurements:
    """Return made-up measurements of one round: accuracy and every latency rise with the options."""
    costs_ms = np.array([4.0, 1.0, 3.0, 0.5])
    latency_ms = {name: 1.0 + choices @ np.roll(costs_ms, shift) for shift, name in enumerate(devices)}
    accuracy = 50.0 + choices @ np.array([8.0, 5.0, 3.0, 2.0])
    return Measurements(choices, np.full(len(choices), number), accuracy, latency_ms)
