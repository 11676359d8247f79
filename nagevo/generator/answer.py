"""The answer to a budget: an architecture, and its network ready to deploy."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagevo.foundation.errors import check_installed, optional_packages
from nagevo.foundation.machine import processor
from nagevo.foundation.quantities import LATENCY
from nagevo.foundation.writing import check_onnx_name, replacing

if TYPE_CHECKING:
    import torch

    from nagevo.deploy.deployment import Deployment
    from nagevo.generator.networks import Networks


@dataclass(frozen=True, slots=True)
class Answer:
    """The network to deploy for one budget, or for several limits.

    Attributes
    ----------
    budget : float
        The limit on what the device measures, such as its latency in ms; infinite if it is not limited.
    architecture : str
        Text form.
    accuracy : float
        Percent; measured where ``measured``, else the prediction less its standard deviation.
    value : float
        Expected value of the device's quantity, in its unit.
    bound : float
        Upper bound of the value at the asked confidence; at most the budget.
    quantity : str
        Quantity of the device: a key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    measured : bool
        Whether the accuracy of this architecture was measured in the search.
    verified : bool
        Whether the value was measured on the device after the architecture had been chosen, or is the same whenever it
        is measured.
    experiment : str
        The experiment that the generator is from.
    resolution : int or None
        Height (and width) of the images that the network takes, in pixels; None where the space builds no networks.
    limits : dict of str to float
        Everything that was asked, by name; of two limits on one quantity the tighter one.
    bounds : dict of str to float
        Upper bound of the architecture at the asked confidence, for each of the limits.
    measured_value : float
        Value that the search measured of this architecture on the device; NaN where it did not.
    networks : Networks
        The networks of the experiment.
    """

    budget: float
    device: str
    architecture: str
    accuracy: float
    value: float
    bound: float
    quantity: str
    confidence: float
    measured: bool
    verified: bool
    experiment: str
    resolution: int | None
    limits: dict[str, float] = field(hash=False)
    bounds: dict[str, float] = field(hash=False)
    measured_value: float = field(repr=False, compare=False)
    networks: Networks = field(repr=False, compare=False)

    @property
    def latency_ms(self) -> float:
        """The :attr:`value`, on a device that measures latency."""
        return self.value

    @property
    def latency_bound_ms(self) -> float:
        """The :attr:`bound`, on a device that measures latency."""
        return self.bound

    @property
    def statistic(self) -> str | None:
        """Statistic of single runs that value and bound are about; None where the device is not known to be timed."""
        return self._state()["statistic"]

    @property
    def condition(self) -> str | None:
        """State of the machine that the bound is about, ``quiet`` or ``observed``; None as :attr:`statistic` is."""
        return self._state()["condition"]

    def _state(self) -> dict[str, Any]:
        """Return statistic and condition of the device's measurements; None where it is not known to be timed."""
        entry = self.networks.condition(self.device) or {}
        known = {key: entry.get(key) for key in ("statistic", "condition", "disturbed", "slowdown")}
        return known | {"machine": processor(entry)}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input of the network, without the batch."""
        space = self.networks.space
        return space.input_shape_of(space.from_text([self.architecture])[0])

    @property
    def precision(self) -> str:
        """The type of numbers that the network computes in: ``fp32``, or ``int8``."""
        return "int8" if self.architecture.endswith("@int8") else "fp32"

    def describe(self) -> dict[str, object]:
        """Return the answer for JSON; ``budget`` is None if what the device measures is not limited."""
        stem, _, unit = self.quantity.rpartition("_")
        described: dict[str, object] = {
            "experiment": self.experiment,
            "budget": self.budget if math.isfinite(self.budget) else None,
            "device": self.device,
            "architecture": self.architecture,
            "resolution": self.resolution,
            "precision": self.precision,
            "accuracy": self.accuracy,
            self.quantity: self.value,
            f"{stem}_bound_{unit}": self.bound,
            "confidence": self.confidence,
            "measured": self.measured,
            "verified": self.verified,
            **self._state(),
        }
        if list(self.limits) == [LATENCY]:
            return described
        limits = {name: limit if math.isfinite(limit) else None for name, limit in self.limits.items()}
        return described | {"limits": limits, "bounds": self.bounds}

    @optional_packages()
    def network(self, *, untrained: bool = False) -> torch.nn.Module:
        """Return the plain network in evaluation mode, with the weights that it has in the experiment.

        Parameters
        ----------
        untrained : bool
            Whether it may have random weights, equal ones each time, where the experiment has none of it.

        Raises
        ------
        ConfigError
            If the experiment has no weights of it.
        """
        return self.networks.network(self.architecture, untrained=untrained)

    @optional_packages()
    def deployment(self, *, untrained: bool = False) -> Deployment:
        """Return the network with preprocessing and description, ready to be saved and exported.

        Parameters and errors are those of :meth:`network`.
        """
        from nagevo.deploy.deployment import Deployment

        trained, experiment = self.networks.trained(self.architecture), self.networks.description
        network = self.network(untrained=untrained) if trained is None else trained
        accuracy = {} if trained is None else {"measured" if self.measured else "predicted": self.accuracy}
        keys = ("experiment", "architecture", "device", "confidence", "measured", "verified")
        description = {
            **{key: getattr(self, key) for key in keys},
            **{key: experiment[key] for key in ("seed", "space", "machine", "versions")},
            "state": self._state() if self.statistic else None,
            "device_machine": (self.networks.condition(self.device) or {}).get("machine"),
            "measures": self.quantity,
            "budget_ms": self.budget if math.isfinite(self.budget) else None,
            "limits": {name: limit for name, limit in self.limits.items() if math.isfinite(limit)},
            "latency_ms": self.value,
            "latency_bound_ms": self.bound,
            "measured_latency_ms": self.measured_value if math.isfinite(self.measured_value) else None,
            "trained": trained is not None,
            "accuracy": accuracy,
            "input_shape": list(self.input_shape),
            "precision": self.precision,
            **({} if self.networks.evaluator is None else self.networks.evaluator.preprocessing()),
        }
        return Deployment(network, description, self.networks.quantized(self.architecture, network))

    @property
    def onnx_file(self) -> Path | None:
        """The ONNX file that the network is, in a space of files."""
        space = self.networks.space
        return space.onnx_file(space.from_text([self.architecture])[0])

    @optional_packages()
    def export_onnx(self, path: str | os.PathLike, *, untrained: bool = False) -> float:
        """Write the network as ONNX, run it, and return the largest difference of its output from torch's.

        Where the network is an ONNX file, that is copied.
        """
        check_onnx_name(path)
        file = self.onnx_file
        if file is not None:
            with replacing(path) as temporary:
                shutil.copyfile(file, temporary)
            return 0.0
        check_installed("onnxscript")
        return self.deployment(untrained=untrained).export_onnx(path)

    @optional_packages()
    def finetune(
        self,
        folder: str | os.PathLike,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        threads: int = 2,
        from_scratch: bool = False,
        dataset: Mapping[str, object] | None = None,
    ) -> Deployment:
        """Train the network on and write it; see :func:`nagevo.deploy.finetuning.finetune`.

        Parameters
        ----------
        epochs : int, optional
            10 by default; from scratch as many as the experiment's networks are trained.
        learning_rate : float, optional
            0.02 by default; from scratch that of the experiment's networks.
        from_scratch : bool
            Whether it is trained from random weights, which every space that builds networks allows.
        dataset : mapping, optional
            Name and options of the dataset to train on; the experiment's by default.

        Raises
        ------
        ConfigError
            If the experiment has no weights to begin with, or no dataset.
        DataError
            If the examples cannot be read.
        """
        from nagevo.deploy.finetuning import finetune, train_from_scratch

        settings = {"epochs": epochs, "learning_rate": learning_rate, "threads": threads}
        options: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
        begun = self.deployment(untrained=from_scratch)
        train = train_from_scratch if from_scratch else finetune
        return train(begun, self.networks.trainer(dataset), folder, **options)
