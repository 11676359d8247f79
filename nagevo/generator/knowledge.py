"""The knowledge of a generator: the source of its tables of answers, and of adapting further devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nagevo.generator import bundle as files
from nagevo.generator.bundle import Bundle
from nagevo.generator.candidates import Candidates, DeviceTable
from nagevo.generator.conditions import DeviceView
from nagevo.generator.decoder import Decoder
from nagevo.generator.readings import Readings
from nagevo.learn.conformal import Residuals
from nagevo.learn.predictor import Predictor
from nagevo.learn.storage import save_surrogates
from nagevo.measure.measurements import Measurements
from nagevo.measure.status import ACCURACY, failure_summary
from nagevo.spaces.base import SearchSpace, among, unique, without

DECODED_REQUESTS = 256
"""Budgets, and requests of several limits, for which the model proposes candidates for a device."""

MAX_CANDIDATES = 10_000
"""A bundle that asks to decode more architectures for a budget is refused."""


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The predictor, the model, and how the model sees the devices.

    Attributes
    ----------
    views : mapping of str to DeviceView
    proposals : mapping of str to ndarray of int8, shape (n, n_choices)
        The architectures that the model decodes for a device, for evenly spaced budgets and for requests of several
        limits: in normal form, distinct.
    readings : mapping of str to Readings
        By adapted device.
    probes : ndarray of int8, shape (n_probes, n_choices)
        The architectures whose latencies tell the model which device it answers for.
    seed : int
        Fixes what the model draws.
    n_candidates : int
        Architectures decoded for each request.
    decoder : Decoder or None
        The trained model; None where the whole space was measured, so that nothing is left to propose.
    """

    predictor: Predictor
    views: Mapping[str, DeviceView]
    proposals: Mapping[str, np.ndarray]
    readings: Mapping[str, Readings]
    probes: np.ndarray
    seed: int
    n_candidates: int
    decoder: Decoder | None

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.predictor.space

    def failures(self) -> list[str]:
        """Return a line for each device on which measuring failed, and one where accuracies failed."""
        table = self.predictor.measurements
        values = {ACCURACY: table.accuracy, **table.values}
        tried = {name: np.isfinite(values[name]) | table.failed(name) for name in table.failures}
        summaries = (failure_summary(reasons[tried[name]], name) for name, reasons in table.failures.items())
        return list(filter(None, summaries))

    def known(self) -> np.ndarray:
        """Return the measured architectures and the proposals for the experiment's devices, shape (n, n_choices)."""
        proposals = [self.proposals[device] for device in self.predictor.known if device in self.proposals]
        return unique(np.concatenate([self.predictor.measurements.choices, *proposals]))

    def proposed(self, view: DeviceView) -> np.ndarray:
        """Return the architectures that the model proposes for a device with this view; see :attr:`proposals`."""
        if self.decoder is None:
            return np.empty((0, self.space.n_choices), dtype=np.int8)
        asked = [view.lattice(DECODED_REQUESTS), view.several(DECODED_REQUESTS, rng=np.random.default_rng(self.seed))]
        conditions, rng = view.conditions(np.concatenate(asked)), np.random.default_rng([self.seed, 4])
        decoded = self.decoder.decode(conditions, self.n_candidates, rng=rng)
        return unique(self.space.normal(decoded.reshape(-1, self.space.n_choices)))

    def with_proposals(self) -> Knowledge:
        """Return this knowledge with proposals for every device."""
        missing = {device: view for device, view in self.views.items() if device not in self.proposals}
        proposals = {device: self.proposed(view) for device, view in missing.items()}
        return replace(self, proposals={**self.proposals, **proposals})

    def candidates(self, earlier: Candidates | None = None, adapted: str | None = None) -> Candidates:
        """Return the table of all candidates.

        Parameters
        ----------
        earlier : Candidates, optional
            The table before a device was adapted; what it says of the other devices stays as it is.
        adapted : str, optional
            The device that was adapted since then.
        """
        choices = unique(np.concatenate([self.predictor.measurements.choices, *self.proposals.values()]))
        if earlier is None:
            return self._tabulated(choices, self.views)
        kept = earlier.rows(among(earlier.choices, choices))
        same = [device for device in self.views if device != adapted]
        table = kept.with_devices({device: kept.devices[device] for device in same})
        table = table.extended(self._tabulated(without(choices, kept.choices), same))
        searched = self.predictor.rows(table.choices) >= 0
        devices = {device: table.devices.get(device) or self._on(device, table) for device in self.views}
        return replace(table, searched=searched, devices=devices).with_networks(self.space)

    def _tabulated(self, choices: np.ndarray, devices: Iterable[str]) -> Candidates:
        accuracies = np.append(self.predictor.measurements.accuracy, np.nan)
        rows = self.predictor.rows(choices)
        accuracy, evaluated = self.predictor.accuracy(choices), np.isfinite(accuracies[rows])
        table = Candidates.of(self.space, choices, accuracy, evaluated=evaluated, searched=rows >= 0)
        return table.with_devices({device: self._on(device, table) for device in devices})

    def _on(self, device: str, table: Candidates) -> DeviceTable:
        predictor, choices = self.predictor, table.choices
        expected, spread = predictor.latency_with_spread(device, choices)
        rows = predictor.rows(choices)
        measured = np.append(predictor.measurements.values[device], np.nan)[rows]
        verified = np.zeros(len(choices), dtype=bool)
        repeats = Residuals(np.empty(0))
        if device in predictor.exact:
            verified = np.isfinite(measured)
        elif predictor.measurements.again[device].shape[1]:
            repeated = predictor.repeated(device)
            of_rows = np.append(repeated.expected, np.nan)[rows]
            verified, repeats = np.isfinite(of_rows), repeated.residuals
            expected, spread = np.where(verified, of_rows, expected), np.where(verified, 1.0, spread)
        return DeviceTable(
            quantity=predictor.measurements.quantities[device],
            exact=device in predictor.exact,
            adapted=device not in predictor.known,
            highest_confidence=float(predictor.highest_confidence(device)),
            expected=expected,
            spread=spread,
            measured=measured,
            excluded=~predictor.feasible(device, choices),
            proposed=among(choices, self.proposals[device]),
            verified=verified,
            residuals=predictor.latency_surrogates[device].residuals,
            repeats=repeats,
        )

    def write(self, folder: Path) -> None:
        """Write everything but the model, which no adaptation changes, into a folder."""
        from safetensors.numpy import save_file

        tensors = {"probes": self.probes}
        for number, (device, view) in enumerate(self.views.items()):
            tensors |= {f"view.{number}.{part}": array for part, array in vars(view).items()}
            tensors[f"proposals.{number}"] = self.proposals[device]
            if device in self.readings:
                tensors[f"readings.{number}.choices"] = self.readings[device].choices
                tensors[f"readings.{number}.values"] = self.readings[device].values
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / files.DEVICES)
        save_file(_arrays(self.predictor.measurements), folder / files.MEASUREMENTS)
        save_surrogates(folder / files.SURROGATES, self.predictor.surrogates)

    def write_model(self, folder: Path) -> None:
        """Write the trained model into a folder; a file without tensors where there is none."""
        from safetensors.numpy import save_file

        save_file({} if self.decoder is None else dict(self.decoder.weights), folder / files.MODEL)

    @classmethod
    def read(cls, bundle: Bundle, space: SearchSpace) -> Knowledge:
        """Return the knowledge in a bundle.

        Raises
        ------
        BundleError
            If the bundle was changed meanwhile, or its files do not fit one another.
        """
        described: Mapping[str, Mapping[str, Any]] = bundle.manifest["devices"]
        tensors, arrays = bundle.arrays(files.DEVICES), bundle.arrays(files.MEASUREMENTS)
        weights = bundle.arrays(files.MODEL)
        surrogates = bundle.path(files.SURROGATES)
        with bundle.reading("what new devices are adapted from"):
            measurements = _measurements(arrays, {device: facts["quantity"] for device, facts in described.items()})
            space.check(measurements.choices)
            measurements.check()
            views, proposals, readings = {}, {}, {}
            for number, (device, facts) in enumerate(described.items()):
                parts = (tensors[f"view.{number}.{part}"] for part in ("probe_latency_ms", "lower", "upper"))
                views[device] = DeviceView(*parts)
                proposals[device] = space.check(tensors[f"proposals.{number}"])
                if facts["adapted"]:
                    readings[device] = Readings(
                        facts["quantity"],
                        facts["exact"],
                        space.check(tensors[f"readings.{number}.choices"]),
                        tensors[f"readings.{number}.values"],
                        bundle.manifest.get("conditions", {}).get(device),
                    )
            exact = [device for device, facts in described.items() if facts["exact"]]
            knowledge = cls(
                Predictor.from_files(space, measurements, [surrogates], list(described), exact),
                views,
                proposals,
                readings,
                space.check(tensors["probes"]),
                _whole(bundle.manifest, "seed", 0, 2**63),
                _whole(bundle.manifest, "candidates", 1, MAX_CANDIDATES),
                Decoder(space.n_options, weights) if weights else None,
            )
            knowledge.check()
        return knowledge

    def check(self) -> None:
        """Check on a few architectures that the parts fit one another; whatever is raised says that they do not."""
        choices = self.space.sample(4, rng=np.random.default_rng(0))
        predicted = [self.predictor.accuracy(choices)]
        for device, view in self.views.items():
            predicted += [*self.predictor.latency_with_spread(device, choices)]
            if self.decoder is not None:
                self.decoder.decode(view.conditions(view.lattice(2)), 1, rng=np.random.default_rng(0))
        if not np.isfinite(predicted).all():
            raise ValueError("its surrogates predict no numbers")


def _whole(manifest: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """Return a whole number of a manifest."""
    value = manifest[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
        raise ValueError(f"{key}: expected a whole number from {least} and below {most}, got {value!r}")
    return value


def _arrays(measurements: Measurements) -> dict[str, np.ndarray]:
    fixed: dict[str, Any] = {
        "choices": measurements.choices,
        "round": measurements.round.astype(np.int64),
        "accuracy": measurements.accuracy,
    }
    values = {f"value.{device}": values for device, values in measurements.values.items()}
    failures = {
        f"failure.{name}": np.frombuffer("\n".join(map(" ".join, map(str.split, reasons))).encode(), dtype=np.uint8)
        for name, reasons in measurements.failures.items()
    }
    return {name: np.ascontiguousarray(array) for name, array in (fixed | values | failures).items()}


def _measurements(arrays: dict[str, np.ndarray], quantities: Mapping[str, str]) -> Measurements:
    values = {device: arrays[f"value.{device}"] for device in quantities}
    failures = {
        name: np.array(arrays[f"failure.{name}"].tobytes().decode().split("\n"), dtype=object)
        for name in (ACCURACY, *quantities)
    }
    return Measurements(arrays["choices"], arrays["round"], arrays["accuracy"], values, dict(quantities), failures)
