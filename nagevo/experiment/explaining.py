"""Why an answer takes as long as it does: its layers, how it is timed now, and how its neighbors differ from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nagevo.experiment.config import Experiment
from nagevo.experiment.profiling import LAYERS, compared, delivered_layers, elsewhere, profiled
from nagevo.foundation.errors import DeviceError
from nagevo.foundation.quantities import LATENCY
from nagevo.generator.answer import Answer
from nagevo.generator.generator import Generator
from nagevo.measure.latency import BACKENDS
from nagevo.measure.latency.condition import Condition, conditions, judged, parsed_conditions, restated
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from nagevo.measure.latency.base import Device

PROFILING_BACKENDS = ("onnxruntime", "torch")
"""Backends that profile layers, which a bundle may name to be opened; any other device is named by the user."""
MOST_LAYERS = 5
"""Number of layers that are shown of each network."""


def explain(generator: Generator, answer: Answer, device: Device | None) -> dict[str, Any]:
    """Return why an answer takes as long as it does, ready for JSON.

    Parameters
    ----------
    generator : Generator
    answer : Answer
    device : Device or None
        The answer's device, to time and profile it now; None if it cannot be opened here.

    Returns
    -------
    dict
        ``answer``; ``now`` (see :func:`timed_now`) or None; ``layers`` (``layer``, ``operator``, ``place``, ``ms``, and
        where the network was delivered ``then``) or None; ``slower`` (names of the layers that are slower than they
        were, beyond what all are); ``elsewhere`` (names of those that do not run where the device runs networks); and
        ``faster`` and ``better`` (see :func:`neighbors`).
    """
    space, result = generator.space, {"answer": answer.describe()}
    now = None if device is None else timed_now(generator, answer, device)
    layers = None
    if device is not None and answer.quantity == LATENCY:
        row = space.from_text([answer.architecture])[0]
        layers = profiled(space, row, device, answer.value if now is None else now["value"])
    then, slower = _kept(generator, answer), list[str]()
    if layers is not None and then is not None:
        layers, slower = compared(layers, then)
    away = [] if layers is None or device is None else elsewhere(layers, device.place)
    shown = None if layers is None else layers.astype(object).where(layers.notna(), None).to_dict("records")
    return {**result, "now": now, "layers": shown, "slower": slower, "elsewhere": away} | neighbors(generator, answer)


def neighbors(generator: Generator, answer: Answer) -> dict[str, dict[str, Any] | None]:
    """Return the next ``faster`` and the next ``better`` answer on the same device, None where there is none.

    Each has its ``architecture``, its ``changes`` in the words of the space, and its differences from the answer: of
    the ``value``, in the unit of the device, and of the accuracy, in ``points``.
    """
    steps = generator.steps(device=answer.device, confidence=answer.confidence)
    place = [step.architecture for step in steps].index(answer.architecture)
    return {
        "faster": _difference(generator.space, answer, steps[place - 1]) if place else None,
        "better": _difference(generator.space, answer, steps[place + 1]) if place + 1 < len(steps) else None,
    }


def device_of(generator: Generator, name: str, experiment: Experiment | None) -> Device | None:
    """Return a device of an experiment, or one that the bundle describes and is safe to open; None without both."""
    if experiment is not None:
        return experiment.device(name).create()
    entry = dict(generator.description.get("backends", {}).get(name, {}))
    backend = entry.pop("backend", None)
    return BACKENDS.create(backend, **entry) if backend in PROFILING_BACKENDS else None


def timed_now(generator: Generator, answer: Answer, device: Device) -> dict[str, Any]:
    """Return how the network of an answer is timed now, beside the references.

    Returns
    -------
    dict
        ``value`` as promises are judged, ``raw`` as it was just now, ``slowdown`` (factor of the references over their
        quiet speed, 1 if not known), ``kept`` (whether the value holds the budget), and ``machine`` (what the promise
        is for, if that is another machine, else None).

    Raises
    ------
    DeviceError
        If the network cannot be measured.
    """
    space, name = generator.space, answer.device
    table = device.measure(space, space.from_text([answer.architecture]))
    status = table["status"].iloc[0]
    if not np.isfinite(table[answer.quantity].iloc[0]):
        raise DeviceError(f"{answer.architecture} cannot be measured on {name}: {status}")
    table.insert(0, "architecture", answer.architecture)
    table.insert(1, "device", name)
    known = parsed_conditions(generator.description.get("conditions", {}), "the bundle")
    known = {name: known[name]} if name in known else {}
    (stated,) = restated({"now": table}, known or None).values()
    row = judged(stated, known).iloc[0]
    seen = conditions({"now": table}, known).get(name)
    return {
        "value": float(row["measured"]),
        "raw": float(row["raw"]),
        "slowdown": float(np.exp(seen.states[0])) if seen is not None and known else 1.0,
        "kept": bool(row["measured"] <= answer.budget),
        "machine": _other_machine(known.get(name), seen),
    }


def _kept(generator: Generator, answer: Answer) -> pd.DataFrame | None:
    """Return the layers of the answer as they were when it was delivered, None if it was not."""
    if generator.bundle is None:
        return None
    folder = generator.bundle.place.parent / "networks" / answer.device
    if not (folder / LAYERS).is_file():
        return None
    table = delivered_layers(folder)
    rows = table[table["architecture"] == answer.architecture]
    return rows if len(rows) else None


def _difference(space: SearchSpace, answer: Answer, other: Answer) -> dict[str, Any]:
    before, after = space.from_text([answer.architecture, other.architecture])
    return {
        "architecture": other.architecture,
        "changes": space.differences(before, after),
        "value": other.value - answer.value,
        "points": other.accuracy - answer.accuracy,
    }


def _other_machine(known: Condition | None, seen: Condition | None) -> Mapping[str, Any] | None:
    if known is None or seen is None or known.machine is None or seen.machine is None:
        return None
    return None if dict(known.machine) == dict(seen.machine) else known.machine
