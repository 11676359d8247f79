"""How an experiment is described in the bundle of its generator."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from nagevo.foundation.machine import describe_machine

if TYPE_CHECKING:
    from nagevo.experiment.config import Experiment
    from nagevo.measure.latency.condition import Condition
    from nagevo.spaces.base import SearchSpace

PACKAGES = ("nagevo", "torch", "numpy", "xgboost", "xgboost-cpu", "deap", "scikit-learn", "onnxruntime")
"""Packages whose versions a bundle states, if they are installed."""


def describe(
    experiment: Experiment,
    space: SearchSpace,
    evaluations: int,
    conditions: Mapping[str, Condition],
    cheap_readings: int = 0,
) -> dict[str, Any]:
    """Return what a bundle says of the experiment that it is from, of its devices, and of the machine that makes it.

    Parameters
    ----------
    experiment : Experiment
    space : SearchSpace
        The space of the experiment.
    evaluations : int
        Number of architectures whose accuracy was read.
    conditions : mapping of str to Condition
        By device that was timed.
    cheap_readings : int
        Number of architectures whose accuracy was read cheaply.
    """
    cost = experiment.fidelity.cost if experiment.fidelity is not None and cheap_readings else None
    references = space.to_text(space.extremes())
    return {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "space": {"name": experiment.space.name, **experiment.space.options},
        "accuracy": {"evaluator": experiment.accuracy.name, **experiment.accuracy.options},
        "evaluations": evaluations,
        **({} if cost is None else {"cheap_readings": {"number": cheap_readings, "cost": cost}}),
        "backends": {
            name: {"backend": device.backend.name, **device.backend.options}
            for name, device in experiment.devices.items()
        },
        "conditions": {device: condition.described(references) for device, condition in conditions.items()},
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def cheap_cost(description: Mapping[str, Any]) -> float:
    """Return the cost of the cheap readings of a bundle's search, in units of full ones."""
    cheap = description.get("cheap_readings", {"number": 0, "cost": 0})
    return cheap["number"] * cheap["cost"]


def effort(description: Mapping[str, Any]) -> str:
    """Return how many accuracies the search of a bundle read, and at what cost, in words.

    >>> effort({"evaluations": 70})
    '70 evaluations'
    >>> effort({"evaluations": 70, "cheap_readings": {"number": 500, "cost": 0.06}})
    '70 evaluations and 500 cheap readings at 0.06 each, together at the cost of 100 evaluations'
    """
    full, cheap = description["evaluations"], description.get("cheap_readings")
    if cheap is None:
        return f"{full} evaluations"
    number, cost = cheap["number"], cheap["cost"]
    total = full + cheap_cost(description)
    return (
        f"{full} evaluations and {number} cheap readings at {cost:g} each, "
        f"together at the cost of {total:.4g} evaluations"
    )


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
