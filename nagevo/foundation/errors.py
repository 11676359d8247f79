"""Every exception that a user of nagevo can cause.

Each says what was expected, what was got, and where. Commands print it as one line and exit with its ``exit_code``.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nagevo.foundation.rounding import rounded_up

EXTRAS = {
    "botorch": "botorch",
    "datasets": "images",
    "deap": "train",
    "matplotlib": "report",
    "mlxtend": "train",
    "nas_bench_graph": "graph",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "export",
    "openvino": "openvino",
    "optuna": "peers",
    "PIL": "train",
    "pymoo": "peers",
    "pynvml": "energy",
    "sklearn": "train",
    "snakemake": "workflow",
    "torch": "train",
    "torch_pruning": "slim",
    "xgboost": "train",
}
"""The extra of nagevo that installs each optional package, by the name under which it is imported."""


class NagevoError(Exception):
    """Root of all errors that a user can cause; ``str(error)`` is always one line of characters that can be shown.

    >>> str(NagevoError("got \\0\\x1b[31m:\\nred"))
    'got \\\\x00\\\\x1b[31m: red'
    """

    exit_code = 2

    def __str__(self) -> str:
        line = " ".join(super().__str__().splitlines())
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


class ConfigError(NagevoError, ValueError):
    """A configuration that does not describe an experiment."""


class ArchitectureError(NagevoError, ValueError):
    """A text or an array that is not an architecture of its space."""


class DataError(NagevoError, ValueError):
    """A table, an image set or another input file that cannot be used as it is."""


class OutputError(NagevoError, ValueError):
    """A file or folder that cannot be written, or that holds what nagevo did not write."""


class BundleError(NagevoError, ValueError):
    """A generator bundle that is damaged, foreign or absent."""


class DeviceError(NagevoError, RuntimeError):
    """A device that cannot be opened or cannot measure anything."""


class ExportError(NagevoError, RuntimeError):
    """An exported network that does not compute what the network in torch computes."""


class BudgetError(NagevoError, ValueError):
    """A budget, a confidence or a device name that cannot be asked for."""


class MissingDependency(NagevoError, ImportError):
    """An optional package that the asked feature needs."""


class InfeasibleBudget(NagevoError, ValueError):
    """A budget, or limits, that no architecture is known to hold.

    Attributes
    ----------
    budget : float
        Asked budget in the unit of the device's quantity; `inf` if unlimited.
    minimum : float
        The smallest budget that can be answered at the asked confidence; infinite where the other limits alone
        cannot be kept.
    limits : dict of str to float
        Everything that was asked, by name.
    binding : str
        The limit that the nearest architecture exceeds most.
    nearest : dict of str to float
        The nearest limits, together, that can be answered.
    """

    exit_code = 3

    def __init__(
        self,
        budget: float,
        minimum: float,
        device: str,
        limits: Mapping[str, float],
        binding: str,
        nearest: Mapping[str, float],
    ):
        self.budget, self.minimum, self.device, self.binding = float(budget), float(minimum), device, binding
        self.limits, self.nearest = dict(limits), dict(nearest)
        if list(limits) == ["latency_ms"]:
            asked = f"budget {self.budget:g} ms"
            least = f"the smallest that can be promised is {rounded_up(minimum)} ms"
        else:
            asked = " with ".join(f"{name} {limit:.6g}" for name, limit in limits.items())
            possible = " with ".join(f"{name} {rounded_up(limit, digits=6)}" for name, limit in nearest.items())
            least = f"{binding} binds; the nearest that can be promised is {possible}"
        super().__init__(f"{asked} is infeasible on {device}: {least}")

    def __reduce__(self):
        return type(self), (self.budget, self.minimum, self.device, self.limits, self.binding, self.nearest)


@contextmanager
def optional_packages(user: str = "") -> Iterator[None]:
    """Turn the failed import of an optional package into the line that says how to install it; also a decorator.

    Parameters
    ----------
    user : str
        Name of the part that needs the package, as in ``strategy "optuna_tpe"``.

    Raises
    ------
    MissingDependency

    >>> with optional_packages('backend "onnxruntime"'):
    ...     raise ModuleNotFoundError(name="onnxruntime")
    Traceback (most recent call last):
    nagevo.foundation.errors.MissingDependency: backend "onnxruntime" needs onnxruntime: pip install 'nagevo[onnx]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        sentence = f"{user} needs {package}" if user else f"{package} is not installed"
        raise MissingDependency(f"{sentence}: pip install 'nagevo[{EXTRAS[package]}]'") from None


def check_installed(package: str) -> None:
    """Check that an optional package is installed, without importing it.

    Raises
    ------
    MissingDependency
    """
    if importlib.util.find_spec(package) is None:
        with optional_packages():
            raise ModuleNotFoundError(name=package)


def in_own_code(error: BaseException) -> str:
    """Return what code of the user's own raised, with its place, in one line; empty where other code raised it.

    The innermost frame counts that is not in an installed package: one of nagevo's is a fault of nagevo.
    """
    import sysconfig
    import traceback

    package, library = str(Path(__file__).parents[1]), sysconfig.get_path("stdlib")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(f"{package}{os.sep}"):
            return ""
        if "-packages" not in frame.filename and not frame.filename.startswith((library, "<")):
            return f"{described(error)} ({frame.filename}:{frame.lineno}, in {frame.name})"
    return ""


def described(error: BaseException) -> str:
    """Return the kind of an exception and what it says, in one line.

    >>> described(ValueError("too\\nlong"))
    'ValueError: too long'
    """
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unknown(what: str, name: object, choices: Iterable[str]) -> str:
    """Return the sentence for a name that is not among the choices, the nearest of them first.

    >>> unknown("strategy", "evolutoin", ["random", "evolution"])
    'strategy "evolutoin" is unknown; did you mean "evolution"? choose one of evolution, random'
    """
    choices = sorted(choices)
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    return f'{what} "{name}" is unknown; {hint}choose one of {", ".join(choices)}'
