"""Learn the accuracy–latency frontier of a search space once, then answer any budget by inference.

>>> import nagevo
>>> answer = nagevo.generate(0.1)                        # doctest: +SKIP
>>> answer.architecture, answer.latency_bound_ms         # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, overload

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
    from nagevo.generator.answer import Answer
    from nagevo.generator.generator import Generator
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
    """Return the generator in a bundle, by default the one below ``results/`` that was distilled last.

    A bundle names Python code (its space, functions that build networks), which is imported and called when it is used:
    load bundles only from people whom you trust.
    """
    from nagevo.generator.generator import Generator

    return Generator.open(bundle)


@overload
def generate(
    budgets: Request,
    *,
    device: str | None = None,
    confidence: float = 0.9,
    n: None = None,
    bundle: str | os.PathLike | None = None,
) -> Answer: ...
@overload
def generate(
    budgets: Request,
    *,
    device: str | None = None,
    confidence: float = 0.9,
    n: int,
    bundle: str | os.PathLike | None = None,
) -> list[Answer]: ...
@overload
def generate(
    budgets: Iterable[Request],
    *,
    device: str | None = None,
    confidence: float = 0.9,
    n: None = None,
    bundle: str | os.PathLike | None = None,
) -> list[Answer]: ...
@overload
def generate(
    budgets: Iterable[Request],
    *,
    device: str | None = None,
    confidence: float = 0.9,
    n: int,
    bundle: str | os.PathLike | None = None,
) -> list[list[Answer]]: ...
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
        A budget in ms, or limits by name as in ``{"latency_ms": 5.0, "parameters": 1e6}``. Of two limits on one
        quantity the tighter one counts.
    device : str, optional
        May be left out where the generator knows one device only.
    confidence : float
        Asked probability that the latency holds the budget.
    n : int, optional
        Largest number of different networks for each request; the result then holds lists of them, the most accurate
        first.
    bundle : path, optional
        By default the one below ``results/`` that was distilled last.

    Raises
    ------
    InfeasibleBudget
        Carrying ``minimum``, the smallest budget that can be promised.
    """
    from nagevo.generator.bundle import MANIFEST, find_bundle

    folder = os.fspath(find_bundle() if bundle is None else bundle)
    manifest = os.path.join(folder, MANIFEST)
    written = os.stat(manifest) if os.path.exists(manifest) else None
    version = None if written is None else (written.st_mtime_ns, written.st_ino, written.st_size)
    generator = _loaded(os.path.abspath(folder), version)
    return generator.generate(budgets, device=device, confidence=confidence, n=n)


@lru_cache(maxsize=8)
def _loaded(folder: str, version: tuple[int, int, int] | None) -> Generator:
    """Return the generator in a folder; it is read again when its manifest was written again."""
    return load(folder)
