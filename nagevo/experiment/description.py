"""How an experiment is described in the bundle of its generator."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nagevo.experiment.config import Experiment
from nagevo.foundation.machine import describe_machine
from nagevo.measure.latency.condition import Condition
from nagevo.spaces.base import SearchSpace

PACKAGES = ("nagevo", "torch", "numpy", "xgboost", "xgboost-cpu", "deap", "scikit-learn", "onnxruntime")
"""Packages whose versions a bundle states, if they are installed."""


def describe(
    experiment: Experiment, space: SearchSpace, evaluations: int, conditions: Mapping[str, Condition]
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
    """
    references = space.to_text(space.extremes())
    return {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "space": {"name": experiment.space.name, **experiment.space.options},
        "accuracy": {"evaluator": experiment.accuracy.name, **experiment.accuracy.options},
        "evaluations": evaluations,
        "backends": {
            name: {"backend": device.backend.name, **device.backend.options}
            for name, device in experiment.devices.items()
        },
        "conditions": {device: condition.described(references) for device, condition in conditions.items()},
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
