"""The promises of every search space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces.base import SearchSpace, unique
from nagevo.testing.promises import equal, require

ENUMERABLE = 200_000
"""Maximum number of combinations of options for which a check enumerates a space."""
N = 64
"""Number of random architectures in a check."""


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
    require(len(space.choice_names) == space.n_choices, "there is one choice_name for each of n_options")
    require(all(1 <= n <= np.iinfo(np.int8).max for n in space.n_options), "every choice has 1 to 127 options")
    for row in space.sample(N, rng=rng):
        require(len(space.words(row)) == space.n_choices, "words says what an architecture takes for each choice")


def texts_round_trip(space: SearchSpace, rng: np.random.Generator) -> None:
    """A text is read as the network it was written from; other texts are refused."""
    raw = _raw(space, rng)
    normal = unique(space.normal(raw))
    texts = space.to_text(normal)
    equal(space.from_text(texts), normal, "from_text returns the rows in normal form that to_text wrote")
    require(len(set(texts)) == len(normal), "different normal forms have different texts")
    read = space.from_text(space.to_text(raw))
    equal(space.canonical(read), space.canonical(raw), "a row that is not in normal form keeps its meaning as text")
    nonsenses: tuple[Any, ...] = ("", "no architecture", None)
    for nonsense in nonsenses:
        try:
            space.from_text([nonsense])
        except ArchitectureError:
            continue
        raise AssertionError(f"{nonsense!r} is refused with an ArchitectureError")


def forms_are_stable(space: SearchSpace, rng: np.random.Generator) -> None:
    """Canonical and normal forms are idempotent, keep the network, and depend on the row only."""
    raw = _raw(space, rng)
    before = raw.copy()
    canonical, normal = space.canonical(raw), space.normal(raw)
    equal(raw, before, "canonical and normal leave their argument as it is")
    equal(space.canonical(canonical), canonical, "canonical of canonical is canonical")
    equal(space.normal(normal), normal, "normal of normal is normal")
    equal(space.canonical(normal), canonical, "normal keeps the meaning")
    equal(space.canonical(raw[::-1])[::-1], canonical, "canonical looks at each row by itself")
    for form in (canonical, normal, space.canonical(raw[:0])):
        require(form.dtype == np.int8 and form.shape[1:] == (space.n_choices,), "forms are int8 rows of choices")
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
        equal(space.normal(space.check(rows)), rows, f"{name} returns rows in normal form")
        equal(operator(np.random.default_rng(1)), rows, f"{name} returns the same for the same seed")
    equal(parents, before, "operators leave their arguments as they are")
    equal(space.mutate(parents, rng=rng, rate=0.0), parents, "mutation at rate 0 changes nothing")
    equal(space.crossover(parents, parents, rng=rng), parents, "equal parents have children like themselves")
    neighbors = space.neighbors(parents[0])
    require(len(unique(neighbors)) == len(neighbors), "neighbors are distinct")
    require(not (neighbors == parents[0]).all(axis=1).any(), "an architecture is no neighbor of itself")


def distinct_samples_are_distinct(space: SearchSpace, rng: np.random.Generator) -> None:
    """Distinct sampling returns different rows, none of them an excluded one, and says when there are too few."""
    n = int(min(N, space.size // 2))
    first = space.sample_distinct(n, rng=rng)
    second = space.sample_distinct(n, rng=rng, exclude=first)
    both = np.concatenate([first, second])
    require(len(unique(both)) == 2 * n, "sample_distinct returns different rows, none of them excluded")
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
    require(features.dtype == np.float32 and features.ndim == 2, "features are a table of float32")
    require(bool(np.isfinite(features).all()), "features are finite")
    equal(space.features(raw), space.features(space.normal(raw)), "features are equal for equal normal forms")
    require(len(np.unique(features, axis=0)) == len(normal), "features differ for different normal forms")
    equal(space.features(normal[:1]), features[:1], "features look at each row by itself")
    require(space.features(normal[:0]).shape == (0, features.shape[1]), "no rows have no features, in as many columns")


def size_is_what_is_enumerated(space: SearchSpace, rng: np.random.Generator) -> None:
    """Where a space can be listed, the list has ``size`` different rows in normal form."""
    require(space.size >= 2, "a space has at least two architectures")
    if np.prod([float(n) for n in space.n_options]) > ENUMERABLE:
        return
    rows = space.enumerate()
    require(len(rows) == len(unique(rows)) == space.size, "enumerate returns every architecture once: size of them")
    equal(space.normal(rows), rows, "enumerate returns rows in normal form")


def costs_belong_to_the_network(space: SearchSpace, rng: np.random.Generator) -> None:
    """Costs are equal for equal networks, and the smallest architecture costs no more than the largest."""
    raw = _raw(space, rng)
    smallest_and_largest = space.costs(space.extremes())
    for name, values in space.costs(raw).items():
        require(name in ("parameters", "macs"), "costs are called parameters and macs")
        equal(values, space.costs(space.canonical(raw))[name], f"{name} are equal for equal networks")
        smallest, largest = smallest_and_largest[name]
        require(0 <= smallest <= largest, f"the first of the extremes has no more {name} than the second")


def networks_run(space: SearchSpace, rng: np.random.Generator) -> None:
    """Where a space builds networks they take its inputs, and have the parameters and operations it counts."""
    try:
        space.input_shape  # noqa: B018
    except ConfigError:
        return
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from nagevo.spaces.traced import inputs_for

    for row in np.concatenate([space.extremes(), space.sample(1, rng=rng)]):
        network = space.network(row).eval()
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            outputs = network(*inputs_for(network, space.input_shape_of(row), 2))
        scores = outputs[0] if isinstance(outputs, tuple) else outputs  # (2, classes), or (2, length, vocabulary)
        of_tokens = space.vocabulary is not None
        require(scores.ndim == 2 + of_tokens and len(scores) == 2, "a network returns one row of scores for each input")
        require(bool(scores.isfinite().all()), "a new network returns finite scores")
        macs = counter.get_total_flops() // 2 // len(scores)  # a multiplication and an addition are two operations
        counted = {"parameters": sum(p.numel() for p in network.parameters()), "macs": macs}
        for name, values in space.costs(row[None]).items():
            equal(values, np.array([counted[name]]), f"costs counts the {name} of the network")


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


def _raw(space: SearchSpace, rng: np.random.Generator) -> np.ndarray:
    """Return random rows that need not be in any form."""
    return rng.integers(0, space.n_options, size=(N, space.n_choices), dtype=np.int8)
