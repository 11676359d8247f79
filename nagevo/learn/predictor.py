"""Best estimate per architecture: measured if exact, otherwise predicted."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from nagevo.foundation.errors import BundleError
from nagevo.learn.feasibility import Feasibility
from nagevo.learn.repeated import RepeatedValues
from nagevo.learn.storage import Surrogate, load_surrogates
from nagevo.learn.surrogate import AccuracySurrogate, LatencySurrogate
from nagevo.learn.transfer import AdaptedLatency
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import RowIndex, SearchSpace


class Predictor:
    """Accuracy and latencies of architectures, with how far they can be trusted.

    Parameters
    ----------
    latency : mapping of str to LatencySurrogate or AdaptedLatency
        By device: fitted to what was measured there, or adapted from the other ones.
    exact : collection of str
        Devices on which a second measurement gives the same number, so that a measured latency is its own bound.

    Notes
    -----
    ``choices`` is always int8 of shape (n, n_choices), in the normal form of the space; results have shape (n,).
    """

    def __init__(
        self,
        space: SearchSpace,
        measurements: Measurements,
        accuracy: AccuracySurrogate,
        latency: Mapping[str, LatencySurrogate | AdaptedLatency],
        exact: Collection[str] = (),
    ):
        self.space, self.measurements, self.exact = space, measurements, frozenset(exact)
        self.feasibility = Feasibility(space, measurements)
        self.accuracy_surrogate, self.latency_surrogates = accuracy, dict(latency)
        self._index = RowIndex(measurements.choices)
        self._described, self._log_known = RowIndex(), np.empty((0, len(self.known)))

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices."""
        return tuple(self.latency_surrogates)

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the devices that have a surrogate of their own, from which others are adapted."""
        return tuple(name for name, fitted in self.latency_surrogates.items() if isinstance(fitted, LatencySurrogate))

    @property
    def surrogates(self) -> dict[str, Surrogate]:
        """All surrogates, named ``accuracy`` and ``latency_<device>``, as :meth:`from_files` reads them."""
        latency = {f"latency_{device}": surrogate for device, surrogate in self.latency_surrogates.items()}
        return {"accuracy": self.accuracy_surrogate, **latency}

    @classmethod
    def from_files(
        cls,
        space: SearchSpace,
        measurements: Measurements,
        files: Sequence[str | os.PathLike],
        devices: Collection[str],
        exact: Collection[str] = (),
    ) -> Predictor:
        """Return the predictor of some devices, with the surrogates in files of :func:`.storage.save_surrogates`.

        Raises
        ------
        BundleError
            If a file cannot be read, or the surrogate of a device or of the accuracy is in none of them.
        """
        surrogates = {name: each for path in files for name, each in load_surrogates(path).items()}
        missing = [name for name in ("accuracy", *(f"latency_{d}" for d in devices)) if name not in surrogates]
        if missing:
            raise BundleError(f"no surrogate of {', '.join(missing)} in {', '.join(map(str, files))}")
        latency = {device: cast(LatencySurrogate, surrogates[f"latency_{device}"]) for device in devices}
        accuracy = cast(AccuracySurrogate, surrogates["accuracy"])
        return cls(space, measurements.for_devices(list(devices)), accuracy, latency, exact)

    def rows(self, choices: np.ndarray) -> np.ndarray:
        """Return the row of each architecture among the measurements, -1 where there is none."""
        return self._index.rows(choices)

    def accuracy(self, choices: np.ndarray) -> np.ndarray:
        """Return the measured accuracy, or the predicted one less its standard deviation, in percent.

        A choice among many predictions favors those that err upwards; a predicted architecture therefore counts as
        better than a measured one only by more than what the surrogate is uncertain of.
        """
        measured = self._measured(choices, self.measurements.accuracy)
        return self._completed(
            measured, choices, lambda missing: self.accuracy_surrogate.lower_bound(self.space.features(missing))
        )

    def latency_ms(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return the latency in ms: measured on an exact device, otherwise predicted.

        A single measurement on another device is as noisy as its occasion was; the surrogate averages over all.
        """
        return self._completed(
            self._certain(device, choices),
            choices,
            lambda missing: self.latency_surrogates[device].predict(self._inputs(device, missing)),
        )

    def latency_bound_ms(self, device: str, choices: np.ndarray, confidence: float) -> np.ndarray:
        """Return the latency that is not exceeded with the given confidence, in ms."""
        return self._completed(
            self._certain(device, choices),
            choices,
            lambda missing: self.latency_surrogates[device].bound(self._inputs(device, missing), confidence),
        )

    def latency_with_spread(self, device: str, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency in ms and the spread, the factor of the device's logarithmic margin, of each architecture.

        The latency stays under ``latency * exp(spread * margin)``, with the margin of the device's residuals at the
        asked confidence; the spread is 0 where a measured latency is its own bound.
        """
        latency_ms = self._certain(device, choices)
        spread, missing = np.zeros(len(choices)), np.isnan(latency_ms)
        if missing.any():
            surrogate = self.latency_surrogates[device]
            predicted = surrogate.predict_with_spread(self._inputs(device, choices[missing]))
            latency_ms[missing], spread[missing] = predicted
        return latency_ms, spread

    def described(self, choices: np.ndarray) -> np.ndarray:
        """Return the inputs from which the latency on a device without a surrogate of its own is predicted.

        Parameters
        ----------
        choices : ndarray of int8, shape (n, n_choices)

        Returns
        -------
        ndarray, shape (n, n_features + n_known)
            Features, and the logarithms of the latencies that the surrogates of the known devices predict: also where
            they were measured, so that noise does not enter.
        """
        features = self.space.features(choices)
        new = self._described.rows(choices) < 0
        if new.any():  # an architecture is described for its latency, its bound and its probes: predicted once
            known = [cast(LatencySurrogate, self.latency_surrogates[device]) for device in self.known]
            log_known = np.log([surrogate.predict_unseen(features[new]) for surrogate in known]).T
            self._described.add(choices[new])
            self._log_known = np.concatenate([self._log_known, log_known])
        return np.column_stack([features, self._log_known[self._described.rows(choices)]])

    def with_device(
        self, device: str, measurements: Measurements, surrogate: AdaptedLatency, *, exact: bool
    ) -> Predictor:
        """Return a predictor that knows one more device, or more of it, with other measurements."""
        certain = self.exact | {device} if exact else self.exact - {device}
        latency = self.latency_surrogates | {device: surrogate}
        return Predictor(self.space, measurements, self.accuracy_surrogate, latency, certain)

    def objectives(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return error (percent) and latency (ms), shape (n, 2), both minimized.

        They are those of :meth:`accuracy` and :meth:`latency_ms`, from features that are made once.
        """
        accuracy, latency_ms = self._measured(choices, self.measurements.accuracy), self._certain(device, choices)
        missing = np.isnan(accuracy) | np.isnan(latency_ms)
        if missing.any():
            features = self.space.features(choices[missing])
            inputs = features if device in self.known else self.described(choices[missing])
            predicted = self.accuracy_surrogate.lower_bound(features)
            accuracy[missing] = np.where(np.isnan(accuracy[missing]), predicted, accuracy[missing])
            predicted = self.latency_surrogates[device].predict(inputs)
            latency_ms[missing] = np.where(np.isnan(latency_ms[missing]), predicted, latency_ms[missing])
        return np.column_stack([100.0 - accuracy, latency_ms])

    def is_measured(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return which architectures have a measured accuracy and a measured latency on the device, bool."""
        known = self.measurements.accuracy + self.measurements.values[device]
        return np.isfinite(self._measured(choices, known))

    def feasible(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return which architectures can probably be measured on the device: see :class:`Feasibility`; bool."""
        return self.feasibility.feasible(device, choices)

    def repeated(self, device: str) -> RepeatedValues:
        """Return the values of a device's measured architectures on occasions after the search, with their bound.

        They are too few to tell how much the machine drifts between them: the drift is that between all occasions.
        """
        repeated = RepeatedValues.of(self.measurements.again[device].T)
        drifts = self.latency_surrogates[device].residuals.drifts
        residuals = replace(repeated.residuals, drifts=drifts) if len(drifts) else repeated.residuals
        condition = self.measurements.conditions.get(device)
        if condition is not None and len(condition.spread):
            residuals = residuals.widened(condition.spread)
        return replace(repeated, residuals=residuals)

    def highest_confidence(self, device: str) -> float:
        """Return the highest confidence that what was measured on the device can support."""
        return self.latency_surrogates[device].highest_confidence

    def _inputs(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return what the surrogate of a device predicts from."""
        return self.space.features(choices) if device in self.known else self.described(choices)

    def _certain(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return the latencies that a second measurement would repeat, NaN where there are none."""
        if device not in self.exact:
            return np.full(len(choices), np.nan)
        return self._measured(choices, self.measurements.values[device])

    def _measured(self, choices: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the measured values, NaN where there are none."""
        rows = self.rows(choices)
        return np.append(values, np.nan)[rows]

    def _completed(
        self, values: np.ndarray, choices: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Return the values with predictions in the places of NaN."""
        missing = np.isnan(values)
        if missing.any():
            values[missing] = predict(choices[missing])
        return values
