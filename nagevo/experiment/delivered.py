"""Delivered networks, timed again on any later day or machine: which of their promises hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.deploy.config import DELIVERED, INDEX
from nagevo.deploy.models import built
from nagevo.foundation.errors import ConfigError, DataError, unknown
from nagevo.foundation.files import content_of, read_json
from nagevo.measure.latency import BACKENDS
from nagevo.measure.latency.command import CommandDevice
from nagevo.measure.latency.condition import Condition, conditions, judged, restated
from nagevo.measure.latency.timing import Build, TimedDevice
from nagevo.measure.status import refuse_all_failed
from nagevo.spaces import SPACES

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nagevo.measure.latency.base import Device


def delivered_on(folder: str | os.PathLike, device: str | None = None) -> dict[str, Path]:
    """Return the folders of delivered networks by device, in the folder of an experiment's networks or of one device's.

    Raises
    ------
    DataError
        If there are none.
    ConfigError
        If none are for the device.
    """
    place = Path(folder)
    found = {}
    for path in sorted([*place.glob(INDEX), *place.glob(f"*/{INDEX}")]):
        index = read_json(path)
        if isinstance(index, dict) and "device" in index:
            found[str(index["device"])] = path.parent
    if not found:
        raise DataError(f"{folder} holds no networks that nagevo delivered: expected results/<experiment>/networks")
    if device is not None and device not in found:
        raise ConfigError(unknown("device", device, found))
    return found if device is None else {device: found[device]}


def measured_again(folder: Path, device: Device | None = None) -> dict[str, Any]:
    """Time the networks that were delivered for a device, with their references in the same bursts.

    Parameters
    ----------
    folder : Path
        As :func:`delivered_on` returns it.
    device : Device, optional
        As it is described in the folder by default.

    Returns
    -------
    dict
        ``device``, ``quantity``, ``confidence``, ``promised`` and ``now`` (the conditions, as JSON holds them; null
        for devices that are not timed) and ``networks``: of each ``folder``, ``asked``, ``promised``, ``measured`` (in
        the condition), ``raw`` (as it was) and ``kept``.

    Raises
    ------
    DataError
        If the folder does not hold what was delivered.
    ConfigError
        If the device may not be opened by what a file says.
    DeviceError
        If all of the networks fail.
    """
    index = read_json(folder / INDEX)
    with content_of(folder / INDEX, DELIVERED):
        name, quantity, confidence = str(index["device"]), str(index["quantity"]), index["confidence"]
        promised = None if index["condition"] is None else Condition.parse(index["condition"])
        networks = [
            {"folder": row["folder"], "asked": float(row["asked"]), "promised": float(row["promised"])}
            for row in index["networks"]
        ]
        device = _trusted(index["settings"], name) if device is None else device
        measure = _measuring(folder, index, device)
    table = measure().assign(device=name)
    refuse_all_failed(table["status"].tolist(), name)
    now = conditions({"": table}, None if promised is None else {name: promised}).get(name)
    values = values_in_condition(table, name, promised)
    rows = zip(networks, values["measured"].tolist(), values["raw"].tolist(), strict=True)
    return {
        "device": name,
        "quantity": quantity,
        "confidence": confidence,
        "promised": None if promised is None else promised.described(),
        "now": None if now is None else now.described(),
        "networks": [{**network, **judgment(network["asked"], measured, raw)} for network, measured, raw in rows],
    }


def values_in_condition(table: pd.DataFrame, device: str, known: Condition | None) -> pd.DataFrame:
    """Return ``measured`` and ``raw`` of the rows of a device's table, in a condition that is known, or found in it."""
    tables = {"": table if "architecture" in table else table.assign(architecture=table.index)}
    found = conditions(tables) if known is None else {device: known}
    return judged(restated(tables, found)[""], found)


def judgment(asked: float, measured: float, raw: float) -> dict[str, Any]:
    """Return what was measured of a network, null where it failed, and whether it kept its budget."""
    known = {
        name: float(value) if np.isfinite(value) else None for name, value in (("measured", measured), ("raw", raw))
    }
    return {**known, "kept": bool(measured <= asked)}


def _trusted(settings: Mapping[str, Any], name: str) -> Device:
    """Return the device that a file describes, unless it would run a program or the code of others."""
    options = dict(settings)
    backend = options.pop("backend")
    if backend not in BACKENDS or issubclass(BACKENDS.resolve(backend), CommandDevice):
        raise ConfigError(
            f"device {name} runs a program: name the configuration that describes it by --config, since none is run "
            "because a file among networks says so"
        )
    return BACKENDS.create(backend, **options)


def _measuring(folder: Path, index: Mapping[str, Any], device: Device) -> Callable[[], pd.DataFrame]:
    """Return what makes the table of a device with a row for each delivered network."""
    networks, references = index["networks"], index["references"]
    if not isinstance(device, TimedDevice):
        space = SPACES.restore(**index["space"])
        return partial(device.measure, space, space.from_text([network["architecture"] for network in networks]))
    if device.runs_files and device.batch == 1:
        files = [folder / entry["file"] for entry in (*references, *networks)]
        absent = [file for file in files if not file.is_file()]
        if absent:
            raise DataError(f"{absent[0]} is absent: {folder} is not as it was delivered")
        builders: list[Build] = [partial(_given, file) for file in files]
    else:
        space = SPACES.restore(**index["space"])
        choices = space.from_text([reference["architecture"] for reference in references])
        builders = [partial(built, space, row) for row in choices]
        builders += [partial(_loaded, folder / network["folder"]) for network in networks]
    shapes = [tuple(entry["input_shape"]) for entry in (*references, *networks)]
    return partial(device.time_networks, builders, shapes, n_references=len(references))


def _given(file: Path) -> Path:
    return file


def _loaded(folder: Path) -> nn.Module | bytes:
    from nagevo.deploy.deployment import Deployment

    deployment = Deployment.load(folder)
    return deployment.network if deployment.quantized is None else deployment.quantized


def joined(indices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of all networks that an experiment delivered.

    Returns
    -------
    dict
        ``experiment``; ``networks``, with a row for each network of every device; ``refused`` budgets; and of each of
        ``devices`` the quantity, the condition and the references.
    """

    def of(index: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        return [{"device": index["device"], **row} for row in index[key]]

    def located(index: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        places = {key: f"{index['device']}/{row[key]}" for key in ("folder", "file")}
        condition = index["condition"] or {}
        return {**row, **places} | {key: condition.get(key) for key in ("statistic", "condition")}

    return {
        "experiment": indices[0]["experiment"],
        "networks": [located(index, row) for index in indices for row in of(index, "networks")],
        "refused": [row for index in indices for row in of(index, "refused")],
        "devices": {
            index["device"]: {key: index[key] for key in ("quantity", "confidence", "condition", "references")}
            for index in indices
        },
    }
