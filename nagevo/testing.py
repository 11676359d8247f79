"""What every search space promises, as checks that a test of a space of one's own calls.

>>> from nagevo.spaces import create_space
>>> check_space(create_space("nasbench201"))
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nagevo.errors import ArchitectureError, ConfigError
from nagevo.spaces.base import SearchSpace, unique

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


def texts_round_trip(space: SearchSpace, rng: np.random.Generator) -> None:
    """A text is read as the network it was written from; what is no architecture is refused."""
    raw = _raw(space, rng)
    normal = unique(space.normal(raw))
    texts = space.to_text(normal)
    _equal(space.from_text(texts), normal, "from_text returns the rows in normal form that to_text wrote")
    _require(len(set(texts)) == len(normal), "different normal forms have different texts")
    read = space.from_text(space.to_text(raw))
    _equal(space.canonical(read), space.canonical(raw), "a row that is not in normal form keeps its meaning as text")
    for nonsense in ("", "no architecture", None):
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
    """Where a space builds networks they take its images, and have the parameters and operations it counts."""
    try:
        shape = space.input_shape
    except ConfigError:
        return
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    for row in np.concatenate([space.extremes(), space.sample(1, rng=rng)]):
        network = space.network(row).eval()
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            outputs = network(torch.zeros(2, *shape))  # (2, classes)
        _require(outputs.ndim == 2 and len(outputs) == 2, "a network returns one row of scores for each image")
        _require(bool(outputs.isfinite().all()), "a new network returns finite scores")
        macs = counter.get_total_flops() // 2 // len(outputs)  # a multiplication and an addition are two operations
        counted = {"parameters": sum(p.numel() for p in network.parameters()), "macs": macs}
        for name, values in space.costs(row[None]).items():
            _equal(values, [counted[name]], f"costs counts the {name} of the network")


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


def _require(condition: bool, promise: str) -> None:
    if not condition:
        raise AssertionError(f"broken promise: {promise}")


def _equal(first: np.ndarray, second: np.ndarray, promise: str) -> None:
    np.testing.assert_array_equal(first, second, err_msg=f"broken promise: {promise}")
