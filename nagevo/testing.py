"""The promises of every search space and every strategy, as checks that a test of one's own class calls.

>>> from nagevo.spaces import create_space
>>> check_space(create_space("nasbench201"))
>>> check_strategy("random")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.foundation.registry import create
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search import Strategy, resolve_strategy
from nagevo.spaces.base import SearchSpace, unique, without

ENUMERABLE = 200_000
"""Most combinations of options for which a space is enumerated by a check."""
N = 64
"""Random architectures that a check looks at."""


def check_space(space: SearchSpace, *, seed: int = 0) -> None:
    """Run every check of this module on a space.

    Raises
    ------
    AssertionError
        Naming the promise that the space breaks.
    """
    for check in CHECKS:
        check(space, np.random.default_rng(seed))


def choices_are_described(space: SearchSpace, rng: np.random.Generator) -> None:
    """Every choice has a name and options that an int8 can number."""
    _require(len(space.choice_names) == space.n_choices, "there is one choice_name for each of n_options")
    _require(all(1 <= n <= np.iinfo(np.int8).max for n in space.n_options), "every choice has 1 to 127 options")
    for row in space.sample(N, rng=rng):
        _require(len(space.words(row)) == space.n_choices, "words says what an architecture takes for each choice")


def texts_round_trip(space: SearchSpace, rng: np.random.Generator) -> None:
    """A text is read as the network it was written from; other texts are refused."""
    raw = _raw(space, rng)
    normal = unique(space.normal(raw))
    texts = space.to_text(normal)
    _equal(space.from_text(texts), normal, "from_text returns the rows in normal form that to_text wrote")
    _require(len(set(texts)) == len(normal), "different normal forms have different texts")
    read = space.from_text(space.to_text(raw))
    _equal(space.canonical(read), space.canonical(raw), "a row that is not in normal form keeps its meaning as text")
    nonsenses: tuple[Any, ...] = ("", "no architecture", None)
    for nonsense in nonsenses:
        try:
            space.from_text([nonsense])
        except ArchitectureError:
            continue
        raise AssertionError(f"{nonsense!r} is refused with an ArchitectureError")


def forms_are_stable(space: SearchSpace, rng: np.random.Generator) -> None:
    """Canonical and normal form are their own forms, leave the meaning, and depend on nothing but the row."""
    raw = _raw(space, rng)
    before = raw.copy()
    canonical, normal = space.canonical(raw), space.normal(raw)
    _equal(raw, before, "canonical and normal leave their argument as it is")
    _equal(space.canonical(canonical), canonical, "canonical of canonical is canonical")
    _equal(space.normal(normal), normal, "normal of normal is normal")
    _equal(space.canonical(normal), canonical, "normal keeps the meaning")
    _equal(space.canonical(raw[::-1])[::-1], canonical, "canonical looks at each row by itself")
    for form in (canonical, normal, space.canonical(raw[:0])):
        _require(form.dtype == np.int8 and form.shape[1:] == (space.n_choices,), "forms are int8 rows of choices")
        space.check(form)


def operators_return_normal_rows(space: SearchSpace, rng: np.random.Generator) -> None:
    """Sampling, mutation, crossover and neighbors return rows in normal form, and the same for the same seed."""
    parents = space.sample(N, rng=rng)
    others = space.sample(N, rng=rng)
    before = parents.copy()
    operators: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "sample": lambda r: space.sample(N, rng=r),
        "sample_distinct": lambda r: space.sample_distinct(2, rng=r),
        "mutate": lambda r: space.mutate(parents, rng=r, rate=0.5),
        "crossover": lambda r: space.crossover(parents, others, rng=r),
        "neighbors": lambda _: space.neighbors(parents[0]),
        "extremes": lambda _: space.extremes(),
    }
    for name, operator in operators.items():
        rows = operator(np.random.default_rng(1))
        _equal(space.normal(space.check(rows)), rows, f"{name} returns rows in normal form")
        _equal(operator(np.random.default_rng(1)), rows, f"{name} returns the same for the same seed")
    _equal(parents, before, "operators leave their arguments as they are")
    _equal(space.mutate(parents, rng=rng, rate=0.0), parents, "mutation at rate 0 changes nothing")
    _equal(space.crossover(parents, parents, rng=rng), parents, "equal parents have children like themselves")
    neighbors = space.neighbors(parents[0])
    _require(len(unique(neighbors)) == len(neighbors), "neighbors are distinct")
    _require(not (neighbors == parents[0]).all(axis=1).any(), "an architecture is no neighbor of itself")


def distinct_samples_are_distinct(space: SearchSpace, rng: np.random.Generator) -> None:
    """Distinct sampling returns different rows, none of them an excluded one, and says when there are too few."""
    n = int(min(N, space.size // 2))
    first = space.sample_distinct(n, rng=rng)
    second = space.sample_distinct(n, rng=rng, exclude=first)
    both = np.concatenate([first, second])
    _require(len(unique(both)) == 2 * n, "sample_distinct returns different rows, none of them excluded")
    try:
        space.sample_distinct(space.size + 1, rng=rng)
    except ConfigError:
        return
    raise AssertionError("more architectures than the space has are refused with a ConfigError")


def features_describe_the_normal_form(space: SearchSpace, rng: np.random.Generator) -> None:
    """Features are finite, equal for equal and different for different normal forms, whatever else is in the batch."""
    raw = _raw(space, rng)
    normal = unique(space.normal(raw))
    features = space.features(normal)
    _require(features.dtype == np.float32 and features.ndim == 2, "features are a table of float32")
    _require(bool(np.isfinite(features).all()), "features are finite")
    _equal(space.features(raw), space.features(space.normal(raw)), "features are equal for equal normal forms")
    _require(len(np.unique(features, axis=0)) == len(normal), "features differ for different normal forms")
    _equal(space.features(normal[:1]), features[:1], "features look at each row by itself")
    _require(space.features(normal[:0]).shape == (0, features.shape[1]), "no rows have no features, in as many columns")


def size_is_what_is_enumerated(space: SearchSpace, rng: np.random.Generator) -> None:
    """Where a space can be listed, the list has ``size`` different rows in normal form."""
    _require(space.size >= 2, "a space has at least two architectures")
    if np.prod([float(n) for n in space.n_options]) > ENUMERABLE:
        return
    rows = space.enumerate()
    _require(len(rows) == len(unique(rows)) == space.size, "enumerate returns every architecture once: size of them")
    _equal(space.normal(rows), rows, "enumerate returns rows in normal form")


def costs_belong_to_the_network(space: SearchSpace, rng: np.random.Generator) -> None:
    """Costs are equal for equal networks, and the smallest architecture costs no more than the largest."""
    raw = _raw(space, rng)
    smallest_and_largest = space.costs(space.extremes())
    for name, values in space.costs(raw).items():
        _require(name in ("parameters", "macs"), "costs are called parameters and macs")
        _equal(values, space.costs(space.canonical(raw))[name], f"{name} are equal for equal networks")
        smallest, largest = smallest_and_largest[name]
        _require(0 <= smallest <= largest, f"the first of the extremes has no more {name} than the second")


def networks_run(space: SearchSpace, rng: np.random.Generator) -> None:
    """Where a space builds networks they take its inputs, and have the parameters and operations it counts."""
    try:
        space.input_shape  # noqa: B018
    except ConfigError:
        return
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from nagevo.deploy.export import inputs_for

    for row in np.concatenate([space.extremes(), space.sample(1, rng=rng)]):
        network = space.network(row).eval()
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            outputs = network(*inputs_for(network, space.input_shape_of(row), 2).values())
        scores = outputs[0] if isinstance(outputs, tuple) else outputs  # (2, classes), or (2, length, vocabulary)
        of_tokens = space.vocabulary is not None
        _require(
            scores.ndim == 2 + of_tokens and len(scores) == 2, "a network returns one row of scores for each input"
        )
        _require(bool(scores.isfinite().all()), "a new network returns finite scores")
        macs = counter.get_total_flops() // 2 // len(scores)  # a multiplication and an addition are two operations
        counted = {"parameters": sum(p.numel() for p in network.parameters()), "macs": macs}
        for name, values in space.costs(row[None]).items():
            _equal(values, np.array([counted[name]]), f"costs counts the {name} of the network")


CHECKS = (
    choices_are_described,
    texts_round_trip,
    forms_are_stable,
    operators_return_normal_rows,
    distinct_samples_are_distinct,
    features_describe_the_normal_form,
    size_is_what_is_enumerated,
    costs_belong_to_the_network,
    networks_run,
)
"""All checks; each takes a space and a random generator."""


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
        return create("strategy", cls, LadderSpace(), devices, seed=seed, evaluations=sum(ROUNDS), **options)

    for check in STRATEGY_CHECKS:
        check(build)


def rounds_add_up(build: Build) -> None:
    """The rounds hold all evaluations, however many rounds are asked for."""
    cls = type(build("phone"))
    for evaluations, rounds in ((1, None), (7, 3), (200, None), (200, 8), (5, 50), (30, 1)):
        sizes = cls.round_sizes(evaluations, rounds)
        _require(sum(sizes) == evaluations and min(sizes) > 0, "round_sizes are positive and add up to the evaluations")
        _require(rounds is None or len(sizes) <= rounds, "there are no more rounds than asked for")


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
    _equal(rebuilt.ask(ROUNDS[-1]), table.choices[last], "a strategy rebuilt and told the same table asks the same")


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


def the_last_architectures_are_found(build: Build) -> None:
    """In a space that is nearly exhausted all that is left is proposed, and nothing else."""
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
    _require(proposed.dtype == np.int8, "proposals are int8 rows")
    _require(len(proposed) == n, f"ask returns as many architectures as asked or left, {n}, not {len(proposed)}")
    _require(len(unique(proposed)) == n, "ask returns no architecture twice")
    _require(len(without(proposed, known)) == n, "ask returns no architecture that was evaluated before")


def _measured(choices: np.ndarray, number: int, devices: tuple[str, ...]) -> Measurements:
    """Return made-up measurements of one round: accuracy and every latency rise with the options."""
    costs_ms = np.array([4.0, 1.0, 3.0, 0.5])
    latency_ms = {name: 1.0 + choices @ np.roll(costs_ms, shift) for shift, name in enumerate(devices)}
    accuracy = 50.0 + choices @ np.array([8.0, 5.0, 3.0, 2.0])
    return Measurements(choices, np.full(len(choices), number), accuracy, latency_ms)


def _raw(space: SearchSpace, rng: np.random.Generator) -> np.ndarray:
    """Return random rows that need not be in any form."""
    return rng.integers(0, space.n_options, size=(N, space.n_choices), dtype=np.int8)


def _require(condition: bool, promise: str) -> None:
    if not condition:
        raise AssertionError(f"broken promise: {promise}")


def _equal(first: np.ndarray, second: np.ndarray, promise: str) -> None:
    np.testing.assert_array_equal(first, second, err_msg=f"broken promise: {promise}")
