"""Candidates for answers, with everything that answering needs; reading them needs NumPy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.quantities import checked
from nagevo.learn.conformal import DRIFT_CONFIDENCES, Residuals

if TYPE_CHECKING:
    from nagevo.spaces.base import SearchSpace


@dataclass(frozen=True, kw_only=True)
class DeviceTable:
    """The candidates' values of what one device measures: its quantity, such as the latency.

    Attributes
    ----------
    quantity : str
        Name, a key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    exact : bool
        Whether a second measurement gives the same number.
    adapted : bool
        Whether the device was added to the generator after its distillation.
    highest_confidence : float
        Highest confidence that the measurements there can support.
    expected : ndarray, shape (n,)
        In the unit of the quantity.
    spread : ndarray, shape (n,)
        The value stays under ``expected * exp(spread * margin)``, with the margin of ``residuals`` or ``repeats``.
    measured : ndarray, shape (n,)
        NaN where it was not measured.
    excluded : ndarray of bool, shape (n,)
        Whether it failed on the device, or is likely to, and therefore is never an answer there.
    proposed : ndarray of bool, shape (n,)
        Whether the model proposes it for the device.
    verified : ndarray of bool, shape (n,)
        Whether the value is known from occasions after the search, or never changes, so that nothing is predicted.
    residuals : Residuals
        Residuals of the logarithm of the value.
    repeats : Residuals
        Those of verified candidates on another occasion.
    """

    quantity: str
    exact: bool
    adapted: bool
    highest_confidence: float
    expected: np.ndarray
    spread: np.ndarray
    measured: np.ndarray
    excluded: np.ndarray
    proposed: np.ndarray
    verified: np.ndarray
    residuals: Residuals
    repeats: Residuals = field(default_factory=lambda: Residuals(np.empty(0)))

    def bounds(self, confidence: float) -> np.ndarray:
        """Return the upper bound of each candidate's value with the given confidence, shape (n,).

        Where the repeats are too few for the confidence, a verified value is bounded by the larger of their margin and
        that of predictions, which err by more than occasions differ.
        """
        predicted, repeated = self.residuals.margin(confidence), self.repeats.margin(confidence)
        if confidence > self.repeats.highest_confidence:
            repeated = max(repeated, predicted)
        with np.errstate(over="ignore"):  # an infinite bound holds no budget
            return self.expected * np.exp(self.spread * np.where(self.verified, repeated, predicted))

    def measured_at(self, rows: np.ndarray, values: np.ndarray, failed: np.ndarray) -> DeviceTable:
        """Return the table with values of some candidates that a second measurement repeats.

        Parameters
        ----------
        rows : ndarray of int, shape (n_measured,)
        values : ndarray, shape (n_measured,)
            NaN where it is not known, or failed.
        failed : ndarray of bool, shape (n_measured,)
        """
        known, columns = np.isfinite(values), {name: column.copy() for name, column in self.columns().items()}
        for name in ("expected", "measured"):
            columns[name][rows[known]] = values[known]
        columns["spread"][rows[known]], columns["verified"][rows[known]] = 0.0, True
        columns["excluded"][rows[failed]] = True
        return replace(self, **columns)

    def columns(self) -> dict[str, Any]:
        """Return the columns by name, in order: arrays of shape (n,)."""
        return {name: getattr(self, name) for name in COLUMNS}

    def rows(self, rows: np.ndarray) -> DeviceTable:
        """Return the table of some candidates."""
        return replace(self, **{name: values[rows] for name, values in self.columns().items()})

    def extended(self, other: DeviceTable) -> DeviceTable:
        """Return the table with further candidates below."""
        below = other.columns()
        joined: dict[str, Any] = {name: np.concatenate([of, below[name]]) for name, of in self.columns().items()}
        return replace(self, **joined)


COLUMNS = ("expected", "spread", "measured", "excluded", "proposed", "verified")


@dataclass(frozen=True)
class Candidates:
    """Architectures that may be answered, each once, with all that answering them takes.

    Attributes
    ----------
    choices : ndarray of int8, shape (n, n_choices)
        In normal form.
    texts : list of str, length n
    accuracy : ndarray, shape (n,)
        Percent.
    evaluated : ndarray of bool, shape (n,)
        Whether the accuracy was measured.
    searched : ndarray of bool, shape (n,)
        Whether anything was measured of it, so that it is a candidate on every device.
    network : ndarray of int, shape (n,)
        Equal for candidates that mean the same network.
    resolution : ndarray of int, shape (n,)
        Height of what the network takes, in pixels; 0 where the space builds no networks.
    costs : dict of ndarray, shape (n,)
        Parameters, multiply–accumulates and the like, by name: known without measuring.
    devices : dict of DeviceTable
    """

    choices: np.ndarray
    texts: list[str]
    accuracy: np.ndarray
    evaluated: np.ndarray
    searched: np.ndarray
    network: np.ndarray
    resolution: np.ndarray
    costs: dict[str, np.ndarray]
    devices: dict[str, DeviceTable]

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        choices: np.ndarray,
        accuracy: np.ndarray,
        *,
        evaluated: np.ndarray,
        searched: np.ndarray,
    ) -> Candidates:
        """Return the table of some architectures, on no device yet; see the attributes for the arrays."""
        texts, nothing = space.to_text(choices), np.zeros(len(choices), dtype=np.int64)
        try:
            resolution = np.array([space.input_shape_of(row)[-1] for row in choices], dtype=np.int64)
        except ConfigError:  # it builds no networks
            resolution = nothing
        costs = {name: np.asarray(cost, dtype=float) for name, cost in space.needs(choices).items()}
        table = cls(choices, texts, accuracy, evaluated, searched, nothing, resolution, costs, {})
        return table.with_networks(space)

    def __len__(self) -> int:
        return len(self.texts)

    def on(self, devices: Iterable[str]) -> np.ndarray:
        """Return the rows of what may be answered where these devices are limited, shape (n,).

        These are all measured architectures and those that the model proposes for the devices, except for those that
        fail on one of them.
        """
        tables = [self.devices[device] for device in devices]
        proposed = np.any([table.proposed for table in tables], axis=0)
        excluded = np.any([table.excluded for table in tables], axis=0)
        return np.flatnonzero((self.searched | proposed) & ~excluded)

    def rows(self, rows: np.ndarray) -> Candidates:
        """Return some of the candidates."""
        return Candidates(
            **{name: getattr(self, name)[rows] for name in ARRAYS},
            texts=[self.texts[row] for row in np.arange(len(self))[rows]],
            costs={name: values[rows] for name, values in self.costs.items()},
            devices={device: table.rows(rows) for device, table in self.devices.items()},
        )

    def extended(self, other: Candidates) -> Candidates:
        """Return the table with further candidates, on the same devices, below."""
        return Candidates(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in ARRAYS},
            texts=self.texts + other.texts,
            costs={name: np.concatenate([values, other.costs[name]]) for name, values in self.costs.items()},
            devices={name: table.extended(other.devices[name]) for name, table in self.devices.items()},
        )

    def with_devices(self, devices: Mapping[str, DeviceTable]) -> Candidates:
        """Return the same candidates on other devices."""
        return replace(self, devices=dict(devices))

    def with_networks(self, space: SearchSpace) -> Candidates:
        """Return the table with the numbers of equal networks in :attr:`network`."""
        network = np.unique(space.canonical(self.choices), axis=0, return_inverse=True)[1].ravel()
        return replace(self, network=network.astype(np.int64))

    def description(self) -> dict[str, dict[str, Any]]:
        """Return the description of the devices that :meth:`read` needs, for JSON."""
        return {name: {key: getattr(table, key) for key in FACTS} for name, table in self.devices.items()}

    def write(self, path: Path) -> None:
        """Write all arrays into a file."""
        from safetensors.numpy import save_file

        arrays = {name: getattr(self, name) for name in ARRAYS}
        arrays["texts"] = np.frombuffer("\n".join(self.texts).encode(), dtype=np.uint8)
        arrays |= {f"cost.{name}": values for name, values in self.costs.items()}
        for number, table in enumerate(self.devices.values()):
            columns = table.columns()
            for kind in RESIDUALS:
                residuals: Residuals = getattr(table, kind)
                columns |= {kind: residuals.values, f"{kind}.drifts": residuals.drifts}
            arrays |= {f"device.{number}.{name}": values for name, values in columns.items()}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)

    @classmethod
    def read(cls, arrays: Mapping[str, np.ndarray], description: Mapping[str, Mapping[str, Any]]) -> Candidates:
        """Return the candidates in the arrays of a file, with what :meth:`description` said.

        Raises
        ------
        ValueError
            Or another error, if arrays are missing or do not fit one another.
        """
        devices = {}
        for number, (name, facts) in enumerate(description.items()):
            values: dict[str, Any] = {column: arrays[f"device.{number}.{column}"] for column in COLUMNS}
            values |= {key: facts[key] for key in FACTS}
            for kind in RESIDUALS:
                found = f"device.{number}.{kind}"
                values[kind] = Residuals(arrays[found], arrays[f"{found}.drifts"])
            checked(facts["quantity"])
            devices[name] = DeviceTable(**values)
        texts = arrays["texts"].tobytes().decode().split("\n")
        costs = {name.removeprefix("cost."): values for name, values in arrays.items() if name.startswith("cost.")}
        table = cls(**{name: arrays[name] for name in ARRAYS}, texts=texts, costs=costs, devices=devices)
        table.check()
        return table

    def check(self) -> None:
        """Check that the columns fit one another and hold possible values; raise ValueError otherwise."""
        if not self.devices:
            raise ValueError("it knows no device")
        columns = [self.choices[:, 0], self.accuracy, self.evaluated, self.searched, self.network, self.resolution]
        columns += self.costs.values()
        positive, masks = [], [self.evaluated, self.searched]
        for table in self.devices.values():
            columns += table.columns().values()
            positive += [table.expected, np.exp(table.spread)]
            masks += [table.excluded, table.proposed, table.verified]
            if not (isinstance(table.highest_confidence, float) and 0 <= table.highest_confidence <= 1):
                raise ValueError(f"expected a highest confidence from 0 to 1, got {table.highest_confidence!r}")
            for residuals in (table.residuals, table.repeats):
                if len(residuals.drifts) not in (0, len(DRIFT_CONFIDENCES)):
                    raise ValueError("its drifts have another number of confidences")
                positive += [np.exp(residuals.values), np.exp(residuals.drifts)]
        if any(column.shape != (len(self),) for column in columns):
            raise ValueError(f"its columns do not all have {len(self)} rows")
        if any(mask.dtype != bool for mask in masks):
            raise ValueError("a column of booleans holds numbers")
        if not all(np.isfinite(values).all() for values in (self.accuracy, *self.costs.values(), *positive)):
            raise ValueError("it holds a number that is not finite")
        if not all((values > 0).all() for values in positive):
            raise ValueError("it holds a value that is not positive")


ARRAYS = ("choices", "accuracy", "evaluated", "searched", "network", "resolution")
FACTS = ("quantity", "exact", "adapted", "highest_confidence")
RESIDUALS = ("residuals", "repeats")
