"""Surrogates on disk: one safetensors file, whose header describes them as JSON; no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nagevo.foundation.errors import BundleError
from nagevo.foundation.files import one_line
from nagevo.foundation.writing import replacing
from nagevo.learn.conformal import Residuals
from nagevo.learn.device_process import Basis, DeviceProcesses
from nagevo.learn.gaussian import GaussianProcess, Kernel
from nagevo.learn.regression import ProcessRegression
from nagevo.learn.surrogate import AccuracySurrogate, ErrorScale, LatencySurrogate, LogOf
from nagevo.learn.transfer import AdaptedLatency
from nagevo.learn.trees import BoostedTrees

Surrogate = AccuracySurrogate | LatencySurrogate | AdaptedLatency

CLASSES = {
    part.__name__: part
    for part in (
        AccuracySurrogate,
        AdaptedLatency,
        Basis,
        BoostedTrees,
        DeviceProcesses,
        ErrorScale,
        GaussianProcess,
        Kernel,
        LatencySurrogate,
        LogOf,
        ProcessRegression,
        Residuals,
    )
}
HEADER = "surrogates"


def save_surrogates(path: str | os.PathLike, surrogates: Mapping[str, Surrogate]) -> None:
    """Write surrogates to a file, by the names under which :func:`load_surrogates` returns them.

    Notes
    -----
    The header's text ``surrogates`` is JSON: an object for each surrogate, with its ``class``, its numbers, its parts
    as further objects, and for each array ``{"array": name}`` with its name in the file.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    header = json.dumps({name: _packed(surrogate, name, arrays) for name, surrogate in surrogates.items()})
    with replacing(Path(path)) as temporary:
        save_file(arrays, temporary, metadata={HEADER: header})


def load_surrogates(path: str | os.PathLike) -> dict[str, Surrogate]:
    """Return the surrogates in a file by name.

    Raises
    ------
    BundleError
        If the file is absent, damaged, or not one of surrogates.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {name: _unpacked(description, arrays) for name, description in header.items()}
    except KeyError as error:
        raise BundleError(f"{path} is not a file of surrogates: it lacks {error}") from None
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as a file of surrogates: {one_line(error)}") from None


def surrogate_files(folder: str | os.PathLike, devices: Iterable[str]) -> list[Path]:
    """Return where the workflow keeps the surrogates of the accuracy and of the latency on some devices."""
    return [Path(folder) / f"{name}.safetensors" for name in ("accuracy", *(f"latency_{each}" for each in devices))]


def _packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return JSON that describes a value, whose arrays are collected under names that begin with its own."""
    if isinstance(value, np.ndarray):
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if is_dataclass(value):
        parts = {each.name: _packed(getattr(value, each.name), f"{name}.{each.name}", arrays) for each in fields(value)}
        return {"class": type(value).__name__, **parts}
    if isinstance(value, tuple):
        return [_packed(item, f"{name}.{number}", arrays) for number, item in enumerate(value)]
    return value


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the value that JSON of :func:`_packed` describes."""
    if isinstance(value, list):
        return tuple(_unpacked(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    parts = {key: _unpacked(item, arrays) for key, item in value.items() if key != "class"}
    return CLASSES[value["class"]](**parts)
