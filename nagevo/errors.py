"""Every exception that a user of nagevo can cause.

Each says what was expected, what was got, and where. Commands print it as one line and exit with its ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NagevoError(Exception):
    """Root of all errors that a user can cause; as text each is one line, whatever it quotes."""

    exit_code = 2

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())


class ConfigError(NagevoError, ValueError):
    """A configuration that does not describe an experiment."""


class ArchitectureError(NagevoError, ValueError):
    """A text or an array that is not an architecture of its space."""


class DataError(NagevoError, ValueError):
    """A table, an image set or another input file that cannot be used as it is."""


class BundleError(NagevoError, ValueError):
    """A generator bundle that is damaged, foreign or absent."""


class DeviceError(NagevoError, RuntimeError):
    """A device that cannot be opened or cannot measure anything."""


class BudgetError(NagevoError, ValueError):
    """A budget, a confidence or a device name that cannot be asked for."""


class MissingDependency(NagevoError, ImportError):
    """An optional package that the asked feature needs."""


class InfeasibleBudget(NagevoError, ValueError):
    """A budget that no architecture is known to hold.

    Attributes
    ----------
    budget : float
        What was asked, in ms.
    minimum : float
        The smallest budget in ms that can be answered at the asked confidence.
    device : str
    """

    exit_code = 3

    def __init__(self, budget: float, minimum: float, device: str):
        self.budget, self.minimum, self.device = float(budget), float(minimum), device
        super().__init__(
            f"budget {budget:g} ms is infeasible on {device}: the smallest that can be promised is {minimum:.4g} ms"
        )

    def __reduce__(self):
        return type(self), (self.budget, self.minimum, self.device)


def unknown(what: str, name: object, choices: Iterable[str]) -> str:
    """Return the sentence for a name that is not among the choices, the nearest of them first.

    >>> unknown("strategy", "evolutoin", ["random", "evolution"])
    'strategy "evolutoin" is unknown; did you mean "evolution"? choose one of evolution, random'
    """
    choices = sorted(choices)
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    return f'{what} "{name}" is unknown; {hint}choose one of {", ".join(choices)}'
