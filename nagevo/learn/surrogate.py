"""Surrogates: a learned mix of Gaussian processes and boosted trees, with its uncertainty.

References
----------
Wolpert 1992, "Stacked generalization": the shares of the mix are those whose predictions of the folds left out come
nearest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nagevo.learn import storage
from nagevo.learn.conformal import Residuals
from nagevo.learn.gaussian import GaussianProcess
from nagevo.learn.trees import BoostedTrees

Member = GaussianProcess | BoostedTrees


def mixed(shares: np.ndarray, members: Sequence[Member], features: np.ndarray) -> np.ndarray:
    """Return what the members predict of each row, times their shares, shape (n,); those without a share stay idle."""
    parts = (share * member.predict(features) for share, member in zip(shares, members, strict=True) if share)
    return sum(parts, start=np.zeros(len(features)))


@dataclass(frozen=True)
class ErrorScale:
    """The scale on which accuracies are predicted: minus the logarithm of how far they stay below a ceiling.

    It stretches the differences among the best, which decide the frontier, and shrinks those among the worst.

    Attributes
    ----------
    ceiling : float
        In percent, above all accuracies.
    """

    ceiling: float

    @classmethod
    def of(cls, accuracy: np.ndarray) -> ErrorScale:
        """Return the scale for some accuracies: the ceiling lies above the best by half of its lead over the median.

        >>> ErrorScale.of(np.array([10.0, 60.0, 70.0]))
        ErrorScale(ceiling=75.0)
        """
        best = float(accuracy.max())
        return cls(best + max(0.5 * (best - float(np.median(accuracy))), 1e-3))

    def transformed(self, accuracy: np.ndarray) -> np.ndarray:
        """Return accuracies on the scale."""
        return -np.log(self.ceiling - accuracy)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values on the scale as accuracies."""
        return self.ceiling - np.exp(-values)


@dataclass(frozen=True)
class AccuracySurrogate:
    """A cheap predictor of accuracy, in percent.

    Attributes
    ----------
    scale : ErrorScale
        Of the members' targets; predictions are restored from it.
    process : GaussianProcess
    trees : BoostedTrees
    shares : ndarray, shape (2,)
        Of the process and of the trees in the mix.
    std_factor : float
        By which the standard deviation of the process is multiplied to fit the residuals of the mix.
    left_out : ndarray, shape (2, n)
        Measured accuracies, and what the mix predicts of each when its fold is left out.
    """

    scale: ErrorScale
    process: GaussianProcess
    trees: BoostedTrees
    shares: np.ndarray
    std_factor: float
    left_out: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted accuracy of each row of features, shape (n,)."""
        return self.scale.restored(mixed(self.shares, (self.process, self.trees), features))

    def predict_members(self, features: np.ndarray) -> np.ndarray:
        """Return what each member of the mix predicts, shape (2, n)."""
        return self.scale.restored(np.array([self.process.predict(features), self.trees.predict(features)]))

    def predict_with_std(self, features: np.ndarray, *, noise: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and their standard deviations, both of shape (n,).

        With noise it is the deviation of a measurement, without it only that of what further measurements can teach.
        """
        process_mean, std = self.process.predict_with_std(features, noise=noise)
        mean = self.shares[0] * process_mean + mixed(self.shares[1:], (self.trees,), features)
        accuracy = self.scale.restored(mean)
        return accuracy, self.std_factor * std * (self.scale.ceiling - accuracy)

    def lower_bound(self, features: np.ndarray) -> np.ndarray:
        """Return the predictions less one standard deviation, shape (n,)."""
        mean, std = self.predict_with_std(features)
        return mean - std

    def save(self, folder: str | os.PathLike) -> None:
        """Write the surrogate into a folder."""
        numbers = {"ceiling": self.scale.ceiling, "std_factor": self.std_factor, **self.trees.scale}
        arrays = {
            "shares": self.shares,
            "left_out": self.left_out,
            **storage.with_prefix("process", self.process.arrays()),
        }
        storage.write(folder, "accuracy", numbers, arrays, self.trees.models)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> AccuracySurrogate:
        """Return what :meth:`save` wrote.

        Raises
        ------
        BundleError
            If the folder holds no such surrogate.
        """
        numbers, arrays, models = storage.read(folder, "accuracy")
        process = GaussianProcess.from_arrays(storage.without_prefix("process", arrays))
        trees = BoostedTrees.with_scale(models, numbers)
        scale = ErrorScale(numbers["ceiling"])
        return cls(scale, process, trees, arrays["shares"], numbers["std_factor"], arrays["left_out"])


@dataclass(frozen=True)
class LatencySurrogate:
    """A cheap predictor of the latency on one device, in ms, with a bound.

    Attributes
    ----------
    additive : GaussianProcess
        Of the latency: it adds up over the layers of an architecture.
    relative : GaussianProcess
        Of its logarithm.
    trees : BoostedTrees
        Of its logarithm.
    shares : ndarray, shape (3,)
        Of the three in the mix of logarithms.
    floor_ms : float
        Smallest latency that is predicted.
    residuals : Residuals
        Logarithms of the ratio of truth and prediction, of architectures left out near the frontier.
    left_out : ndarray, shape (2, n)
        Measured latencies, and what the mix predicts of each when its fold is left out, in ms.
    """

    additive: GaussianProcess
    relative: GaussianProcess
    trees: BoostedTrees
    shares: np.ndarray
    floor_ms: float
    residuals: Residuals
    left_out: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted latency of each row of features, shape (n,)."""
        logarithm = mixed(self.shares[1:], (self.relative, self.trees), features)
        if self.shares[0]:
            logarithm += self.shares[0] * np.log(np.maximum(self.additive.predict(features), self.floor_ms))
        return np.maximum(np.exp(logarithm), self.floor_ms)

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that the residuals support."""
        return self.residuals.highest_confidence

    def predict_unseen(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted latency of each row, by fits that had not seen it, shape (n,)."""
        predicted, scaled = self.predict(features), self.relative.scaled(features)
        row_of = {point.tobytes(): row for row, point in enumerate(self.relative.points)}
        rows = np.array([row_of.get(point.tobytes(), -1) for point in scaled], dtype=int)
        return np.where(rows < 0, predicted, self.left_out[1][rows])

    def predict_members(self, features: np.ndarray) -> np.ndarray:
        """Return what each member of the mix predicts, shape (3, n)."""
        logarithms = np.array([self.relative.predict(features), self.trees.predict(features)])
        members = np.concatenate([self.additive.predict(features)[None], np.exp(logarithms)])
        return np.maximum(members, self.floor_ms)

    def margin(self, confidence: float) -> float:
        """Return the factor of the prediction that the latency stays below with the given confidence.

        A confidence above ``residuals.highest_confidence`` cannot be supported by so few residuals: it gets the
        factor of the largest one.
        """
        return float(np.exp(self.residuals.margin(confidence)))

    def predict_with_spread(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions in ms, and by what the logarithmic margin is multiplied for each, both of shape (n,)."""
        predicted = self.predict(features)
        return predicted, np.ones(len(predicted))

    def bound(self, features: np.ndarray, confidence: float) -> np.ndarray:
        """Return what the latency of each row stays below with the given confidence, shape (n,), in ms."""
        return self.predict(features) * self.margin(confidence)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the surrogate into a folder."""
        numbers = {"floor_ms": self.floor_ms, **self.trees.scale}
        arrays = {
            "shares": self.shares,
            "residuals": self.residuals.values,
            "drifts": self.residuals.drifts,
            "left_out": self.left_out,
            **storage.with_prefix("additive", self.additive.arrays()),
            **storage.with_prefix("relative", self.relative.arrays()),
        }
        storage.write(folder, "latency", numbers, arrays, self.trees.models)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> LatencySurrogate:
        """Return what :meth:`save` wrote.

        Raises
        ------
        BundleError
            If the folder holds no such surrogate.
        """
        numbers, arrays, models = storage.read(folder, "latency")
        return cls(
            GaussianProcess.from_arrays(storage.without_prefix("additive", arrays)),
            GaussianProcess.from_arrays(storage.without_prefix("relative", arrays)),
            BoostedTrees.with_scale(models, numbers),
            arrays["shares"],
            numbers["floor_ms"],
            Residuals(arrays["residuals"], arrays["drifts"]),
            arrays["left_out"],
        )
