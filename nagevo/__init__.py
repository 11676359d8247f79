"""Learn the accuracy–latency frontier of a search space once, then answer any budget by inference.

>>> import nagevo
>>> answer = nagevo.generate(5.0, device="cpu")          # doctest: +SKIP
>>> answer.architecture, answer.latency_bound_ms         # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from nagevo.foundation.errors import (
    ArchitectureError,
    BudgetError,
    BundleError,
    ConfigError,
    DataError,
    DeviceError,
    InfeasibleBudget,
    MissingDependency,
    NagevoError,
)

if TYPE_CHECKING:
    from nagevo.generator.answers import Answer, Generator
    from nagevo.generator.requests import Request

__version__ = "0.1.0"

__all__ = [
    "ArchitectureError",
    "BudgetError",
    "BundleError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "InfeasibleBudget",
    "MissingDependency",
    "NagevoError",
    "__version__",
    "generate",
    "load",
]


def load(bundle: str | os.PathLike | None = None) -> Generator:
    """Return the generator in a bundle, by default the latest one below ``results/``."""
    from nagevo.generator.storage import load_generator

    return load_generator(bundle)


def generate(
    budgets: Request | Iterable[Request],
    *,
    device: str | None = None,
    confidence: float = 0.9,
    n: int | None = None,
    bundle: str | os.PathLike | None = None,
) -> Answer | list[Answer] | list[list[Answer]]:
    """Return the most accurate architecture that holds a budget on a device; see :meth:`Generator.generate`.

    Parameters
    ----------
    budgets : float, mapping of str to float, or iterable of these
        A budget in ms, or limits by name as in ``{"latency_ms": 5.0, "parameters": 1e6}``.
    device : str, optional
        May be left out where the generator knows one device only.
    confidence : float
        Asked probability that the latency holds the budget.
    n : int, optional
        For a list of up to so many different networks in the place of each answer, the most accurate first.
    bundle : path, optional
        The latest one below ``results/`` by default.

    Raises
    ------
    InfeasibleBudget
        Carrying ``minimum``, the smallest budget that can be promised.
    """
    from nagevo.generator.bundle import MANIFEST
    from nagevo.generator.storage import latest_bundle

    folder = os.fspath(latest_bundle() if bundle is None else bundle)
    manifest = os.path.join(folder, MANIFEST)
    changed = os.path.getmtime(manifest) if os.path.exists(manifest) else None
    return _loaded(os.path.abspath(folder), changed).generate(budgets, device=device, confidence=confidence, n=n)


@lru_cache(maxsize=8)
def _loaded(folder: str, changed: float | None) -> Generator:
    """Return the generator of a folder, read again when its manifest has changed."""
    return load(folder)
