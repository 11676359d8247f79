"""From a budget, or several limits, to an architecture: the generator as users call it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as _replace
from functools import cached_property, lru_cache
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from nagevo.foundation.errors import (
    BudgetError,
    BundleError,
    ConfigError,
    DeviceError,
    InfeasibleBudget,
    NagevoError,
    optional_packages,
    unknown,
)
from nagevo.foundation.quantities import LATENCY
from nagevo.generator import bundle as files
from nagevo.generator import requests
from nagevo.generator.bundle import Bundle, find_bundle, locked, writing
from nagevo.generator.candidates import Candidates, DeviceTable, Ranking
from nagevo.generator.requests import Quantities, Request

if TYPE_CHECKING:
    import torch

    from nagevo.deploy.deployment import Deployment
    from nagevo.generator.knowledge import Knowledge
    from nagevo.generator.readings import Readings
    from nagevo.learn.predictor import Predictor
    from nagevo.measure.accuracy import Evaluator
    from nagevo.measure.accuracy.training import TrainingEvaluator
    from nagevo.spaces.base import SearchSpace

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""Names of devices: they become parts of the names of files and columns."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The network to deploy for one budget, or for several limits.

    Attributes
    ----------
    budget : float
        The limit on what the device measures, such as its latency in ms; infinite if it is not limited.
    device : str
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
    confidence : float
    measured : bool
        Whether the accuracy of this architecture was measured in the search.
    verified : bool
        Whether the architecture was measured again on the device after it had been chosen.
    experiment : str
        The experiment that the generator is from.
    resolution : int or None
        Height (and width) of the images that the network takes, in pixels; None where the space builds no networks.
    limits : dict of str to float
        Everything that was asked, by name; of two limits on one quantity the tighter one.
    bounds : dict of str to float
        Upper bound of the architecture at the asked confidence, for each of the limits.
    generator : Generator
        The generator that answered.
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
    generator: Generator = field(repr=False, compare=False)

    @property
    def latency_ms(self) -> float:
        """The :attr:`value`, on a device that measures latency."""
        return self.value

    @property
    def latency_bound_ms(self) -> float:
        """The :attr:`bound`, on a device that measures latency."""
        return self.bound

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input of the network, without the batch."""
        space = self.generator.space
        return space.input_shape_of(space.from_text([self.architecture])[0])

    def describe(self) -> dict[str, Any]:
        """Return the answer for JSON; ``budget`` is None if what the device measures is not limited."""
        stem, _, unit = self.quantity.rpartition("_")
        described: dict[str, Any] = {
            "experiment": self.experiment,
            "budget": self.budget if math.isfinite(self.budget) else None,
            "device": self.device,
            "architecture": self.architecture,
            "resolution": self.resolution,
            "accuracy": self.accuracy,
            self.quantity: self.value,
            f"{stem}_bound_{unit}": self.bound,
            "confidence": self.confidence,
            "measured": self.measured,
            "verified": self.verified,
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
            Whether it may have random weights where the experiment has none of it.

        Raises
        ------
        ConfigError
            If the experiment has no weights of it.
        """
        return self.generator.network(self.architecture, untrained=untrained)

    @optional_packages()
    def deployment(self, *, untrained: bool = False) -> Deployment:
        """Return the network with all that is needed where it runs; its ``save`` and ``export`` write folders.

        Parameters
        ----------
        untrained : bool
            Whether it may have random weights where the experiment has none of it.

        Raises
        ------
        ConfigError
            If the experiment has no weights of it.
        """
        from nagevo.deploy.deployment import Deployment

        generator = self.generator
        trained = generator.trained_network(self.architecture)
        network = self.network(untrained=untrained) if trained is None else trained
        accuracy = {} if trained is None else {"measured" if self.measured else "predicted": self.accuracy}
        keys = ("experiment", "architecture", "device", "confidence", "measured")
        description = {
            **{key: getattr(self, key) for key in keys},
            **{key: generator.description[key] for key in ("seed", "space", "machine", "versions")},
            "device_machine": generator.description.get("conditions", {}).get(self.device, {}).get("machine"),
            "measures": self.quantity,
            "budget_ms": self.budget if math.isfinite(self.budget) else None,
            "limits": {name: limit for name, limit in self.limits.items() if math.isfinite(limit)},
            "latency_ms": self.value,
            "latency_bound_ms": self.bound,
            "measured_latency_ms": generator.measured_value(self.device, self.architecture),
            "trained": trained is not None,
            "accuracy": accuracy,
            "input_shape": list(self.input_shape),
            **({} if generator.evaluator is None else generator.evaluator.preprocessing()),
        }
        return Deployment(network, description)

    @optional_packages()
    def export_onnx(self, path: str | os.PathLike, *, untrained: bool = False) -> float:
        """Write the network as ONNX, run it, and return the largest difference of its output from torch's."""
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
        dataset: Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Train the network on and write it; see :func:`nagevo.deploy.finetuning.finetune`.

        Parameters
        ----------
        folder : path
        epochs : int, optional
            10 by default; from scratch as many as the experiment's networks are trained.
        learning_rate : float, optional
            0.02 by default; from scratch that of the experiment's networks.
        threads : int
        from_scratch : bool
            Whether it is trained from random weights, which every space that builds networks allows.
        dataset : mapping, optional
            Name and options of the dataset to train on; the experiment's by default.

        Raises
        ------
        ConfigError
            If the experiment has no weights to begin with, or no dataset.
        DataError
            If the images cannot be read.
        """
        from nagevo.deploy.finetuning import finetune, train_from_scratch

        settings = {"epochs": epochs, "learning_rate": learning_rate, "threads": threads}
        options: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
        begun = self.deployment(untrained=from_scratch)
        train = train_from_scratch if from_scratch else finetune
        return train(begun, self.generator.trainer(dataset), folder, **options)


@dataclass(frozen=True, eq=False, repr=False)
class Generator:
    """A trained generator, ready to answer; it never changes.

    Parameters
    ----------
    candidates : Candidates
        The architectures that may be answered, with what each device needs of them.
    description : mapping
        The experiment: ``experiment``, ``seed``, ``space``, ``accuracy``, ``machine``, ``versions``, ``evaluations``.
    bundle : Bundle, optional
        The bundle that it was read from, for knowledge and trained weights.
    learned : Knowledge, optional
        See :attr:`knowledge`; read from the bundle where it is left out.
    """

    candidates: Candidates
    description: Mapping[str, Any]
    bundle: Bundle | None = None
    learned: Knowledge | None = None

    @classmethod
    def of(cls, knowledge: Knowledge, description: Mapping[str, Any]) -> Generator:
        """Return the generator that answers from some knowledge."""
        return cls(knowledge.candidates(), description, None, knowledge)

    @classmethod
    def open(cls, folder: str | os.PathLike | None = None) -> Generator:
        """Return the generator in a bundle, by default the one below ``results/`` that was distilled last.

        Raises
        ------
        BundleError
            If there is none, or it is damaged or of another version.
        """
        return cls._of_bundle(Bundle.open(find_bundle() if folder is None else folder))

    @classmethod
    def _of_bundle(cls, bundle: Bundle) -> Generator:
        arrays = bundle.arrays(files.ANSWERS)
        with bundle.reading(files.ANSWERS):
            candidates = Candidates.read(arrays, bundle.manifest["devices"])
            known = {"experiment": str, "seed": int, "space": dict, "accuracy": dict, "failures": list}
            for key, kind in known.items():
                if not isinstance(bundle.manifest[key], kind):
                    raise ValueError(f"{key} is not of the kind {kind.__name__}")
        return cls(candidates, bundle.manifest, bundle)

    def save(self, folder: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> Generator:
        """Write the bundle, whole or not at all, and return the generator in it.

        The experiment's devices that an earlier bundle in this place was adapted to are adapted again.

        Parameters
        ----------
        folder : path
        weights : path, optional
            The trained weights of the experiment's evaluator, as its :meth:`train` wrote them.
        """
        import shutil

        from nagevo.generator.readings import adapted_folder

        with locked(folder):
            generator = self._adapted_again(adapted_folder(folder))
            with writing(folder, generator._manifest()) as temporary:
                generator.knowledge.write_model(temporary)
                generator._write(temporary)
                if weights is not None:
                    shutil.copyfile(weights, temporary / files.WEIGHTS)
            return self._of_bundle(Bundle.read(folder))

    def _adapted_again(self, folder: Path | None) -> Generator:
        """Return the generator with the devices of which a folder holds readings; unusable ones are logged."""
        from nagevo.generator.readings import Readings, adapted_devices

        if folder is None:
            return self
        generator = self
        for device in adapted_devices(folder):
            try:
                readings = Readings.read(folder, device, self.space)
                generator = generator._with_device(device, readings)
            except NagevoError as error:
                import logging

                logging.getLogger("nagevo").warning("nagevo: %s is left out: %s", folder / f"{device}.parquet", error)
        return generator

    def _save_adapted(self, bundle: Bundle, device: str) -> Generator:
        """Write the bundle that this generator was adapted from again; the caller holds it locked."""
        import shutil

        from nagevo.generator.readings import adapted_folder

        experiment = adapted_folder(bundle.place)
        if experiment is not None:
            self.knowledge.readings[device].write(experiment, device, self.space)
        with writing(bundle.place, self._manifest()) as temporary:
            for name in bundle.manifest["files"]:
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(bundle.place / name, temporary / name)
            self._write(temporary)
        return self._of_bundle(bundle.again())

    def _write(self, folder: Path) -> None:
        self.knowledge.write(folder)
        self.candidates.write(folder / files.ANSWERS)

    def _manifest(self) -> dict[str, Any]:
        described = {key: value for key, value in self.description.items() if key not in ("format", "files")}
        return described | {
            "candidates": self.knowledge.n_candidates,
            "devices": self.candidates.description(),
            "failures": self.knowledge.failures(),
        }

    @cached_property
    def knowledge(self) -> Knowledge:
        """The predictor and the model, read from the bundle where they are needed: answering does without."""
        from nagevo.generator.knowledge import Knowledge

        if self.learned is not None:
            return self.learned
        if self.bundle is None:
            raise BundleError("this generator knows nothing but its answers")
        return Knowledge.read(self.bundle, self.space)

    @property
    def predictor(self) -> Predictor:
        """The best estimate of accuracy and latencies for every architecture."""
        return self.knowledge.predictor

    @property
    def folder(self) -> Path | None:
        """The bundle."""
        return None if self.bundle is None else self.bundle.folder

    @cached_property
    def space(self) -> SearchSpace:
        """The search space."""
        if self.learned is not None:
            return self.learned.space
        from nagevo.spaces import SPACES

        if self.bundle is None:
            return SPACES.restore(**self.description["space"])
        with self.bundle.reading("its space"):
            return SPACES.restore(**self.description["space"])

    def __repr__(self) -> str:
        return f"<Generator of {self.experiment} for {', '.join(self.devices)}>"

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.description.get("experiment", "")

    @property
    def seed(self) -> int:
        """Seed of the experiment."""
        return self.description["seed"]

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that can be asked for."""
        return tuple(self.candidates.devices)

    @cached_property
    def quantities(self) -> Quantities:
        """The quantities that the devices measure."""
        return Quantities({device: table.quantity for device, table in self.candidates.devices.items()})

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of what can be limited, on any device."""
        return (*self.quantities.names(), *self.candidates.costs)

    def quantity(self, device: str | None = None) -> str:
        """Return the name of what a device measures: of the limit that a plain budget sets there."""
        return self._table(device)[1].quantity

    def highest_confidence(self, device: str | None = None) -> float:
        """Return the highest confidence that can be asked for on a device: its measurements support no more."""
        return self._table(device)[1].highest_confidence

    @overload
    def generate(
        self, budgets: Request, *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> Answer: ...
    @overload
    def generate(
        self, budgets: Request, *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[Answer]: ...
    @overload
    def generate(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> list[Answer]: ...
    @overload
    def generate(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[list[Answer]]: ...
    def generate(
        self,
        budgets: Request | Iterable[Request],
        *,
        device: str | None = None,
        confidence: float = 0.9,
        n: int | None = None,
    ) -> Answer | list[Answer] | list[list[Answer]]:
        """Return the answer to a budget in ms or to several limits at once, or a list of answers to several requests.

        Parameters
        ----------
        budgets : float, mapping of str to float, or iterable of these
            A number limits what the device measures, such as its latency in ms; a mapping limits what its keys name:
            see :attr:`limits`. Of two limits on one quantity the tighter one counts.
        device : str, optional
            May be left out where the generator knows one device only.
        confidence : float
            Asked probability that each latency holds its limit.
        n : int, optional
            Largest number of different networks for each request; the result then holds lists of them, the most
            accurate first.

        Raises
        ------
        InfeasibleBudget
            For the first request that no architecture holds; :meth:`answers` returns these instead.
        """
        single = isinstance(budgets, Mapping) or (hasattr(budgets, "__float__") and np.ndim(cast(Any, budgets)) == 0)
        asked: Iterable[Request] = [budgets] if single else budgets  # type: ignore[list-item,assignment]
        results = self._answered(asked, device, confidence, n)
        for result in results:
            if isinstance(result, InfeasibleBudget):
                raise result
        given = [result if n is not None else result[0] for result in results]  # type: ignore[index]
        return given[0] if single else given  # type: ignore[return-value]

    @overload
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> list[Answer | InfeasibleBudget]: ...
    @overload
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[list[Answer] | InfeasibleBudget]: ...
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int | None = None
    ) -> list[Answer | InfeasibleBudget] | list[list[Answer] | InfeasibleBudget]:
        """Return for each request its answer (with ``n`` a list of them), or the error that says why there is none."""
        results = self._answered(budgets, device, confidence, n)
        if n is not None:
            return results
        return [result[0] if isinstance(result, list) else result for result in results]

    def _answered(
        self, budgets: Iterable[Request], device: str | None, confidence: float, n: int | None
    ) -> list[list[Answer] | InfeasibleBudget]:
        """Return for each request up to n answers, one where ``n`` is None."""
        device, table = self._table(device)
        parsed = requests.parse(budgets, table.quantity)
        if n is not None and (not isinstance(n, Integral) or n < 1):
            raise BudgetError(f"expected a whole number of answers, at least 1, got {n!r}")
        self._check_confidence(confidence, device)
        parsed = [self.quantities.tightest(limits, device) for limits in parsed]
        ranked = {names: self._ranked(names, device, confidence) for names in {tuple(limits) for limits in parsed}}
        return [ranked[tuple(limits)].answers(limits, n or 1) for limits in parsed]

    def steps(self, *, device: str | None = None, confidence: float = 0.9) -> list[Answer]:
        """Return every answer that a device can get, each for the smallest budget that gets it, fastest first.

        Answers are a step function of the budget: an answer holds from its own budget up to that of the next.
        """
        device, _ = self._table(device)
        self._check_confidence(confidence, device)
        bounds = np.unique(self._ranking((device,), confidence).bounds[self.quantities.on(device)])
        answers = self.generate(bounds.tolist(), device=device, confidence=confidence)
        return [next(same) for _, same in groupby(answers, key=lambda answer: answer.architecture)]

    def others(self, device: str) -> list[str]:
        """Return the devices that measure something else than this one does."""
        own = self.quantity(device)
        return [other for other, quantity in self.quantities.of_device.items() if quantity != own]

    def offers(self, *, device: str | None = None, confidence: float = 0.9) -> dict[str, list[Any]]:
        """Return everything that is the answer to some limits, the most accurate first.

        The first row that keeps limits on the latency, on costs and on what :meth:`others` measure is their answer.

        Returns
        -------
        dict of list
            Columns: ``architecture``, ``accuracy``, ``measured``, ``latency_ms``, ``latency_bound_ms``, and by full
            name the values of the other limits.
        """
        import moocore

        device, table = self._table(device)
        devices = (device, *self.others(device))
        for limiting in devices:
            self._check_confidence(confidence, limiting)
        ranking = self._ranking(devices, confidence)
        bounds, latency = ranking.bounds, self.quantities.on(device)
        objectives = np.column_stack([-self.candidates.accuracy[ranking.rows], *bounds.values()])
        kept = moocore.is_nondominated(objectives)
        rows = ranking.rows[kept]
        columns = {
            "accuracy": self.candidates.accuracy[rows],
            "measured": self.candidates.evaluated[rows],
            "latency_ms": table.expected[rows],
            "latency_bound_ms": bounds[latency][kept],
            **{name: bounds[name][kept] for name in bounds if name != latency},
        }
        return {"architecture": [self.candidates.texts[row] for row in rows]} | {
            name: values.tolist() for name, values in columns.items()
        }

    def adapt(
        self,
        name: str,
        measurements: Mapping[str, float | Iterable[float]],
        *,
        measures: str | None = None,
        exact: bool = False,
        save: bool = True,
        replace: bool = False,
    ) -> Generator:
        """Return a generator that knows one more device, or knows an added one better, by a few measurements.

        Nothing is trained: the latency is adapted from that of the known devices, and its bound widened to what so few
        measurements can say. This generator stays as it is.

        Parameters
        ----------
        name : str
            Name of the device.
        measurements : mapping of str to float, or to several of them
            By text of the architecture, latencies in ms, NaN where it failed on the device; best of :meth:`probes_for`
            the device. They add to those of earlier calls; several readings of one architecture count as their median.
        measures : str, optional
            The quantity of the numbers, a key of :data:`nagevo.foundation.quantities.QUANTITIES`; latency by default. A
            device that was added keeps its quantity.
        exact : bool
            Whether a second measurement gives the same number, so that a measured latency is its own bound.
        save : bool
            Whether the bundle on disk gets the device as well. Devices that were added to it meanwhile are kept, and
            are in the generator that is returned.
        replace : bool
            Whether earlier measurements of the device are forgotten.

        Raises
        ------
        DeviceError
            If the name is that of a device of the experiment, or of one that measures something else, or cannot be one.
        DataError
            If a latency is no positive number, or there are fewer than two.
        ArchitectureError
            If a text is no architecture of the space.
        """
        if not save or self.bundle is None:
            return self._adapted(name, measurements, measures, exact=exact, replace=replace)
        with locked(self.bundle.place):
            bundle = self.bundle.again()
            newest = self._of_bundle(bundle)
            grown = newest._adapted(name, measurements, measures, exact=exact, replace=replace)
            return grown._save_adapted(bundle, name)

    def _adapted(
        self,
        name: str,
        measurements: Mapping[str, float | Iterable[float]],
        measures: str | None,
        *,
        exact: bool,
        replace: bool,
    ) -> Generator:
        """Return the generator with a device, in memory; see :meth:`adapt`."""
        from nagevo.generator.readings import Readings

        readings = Readings.parse(self.space, measurements, measures or LATENCY, exact=exact)
        earlier = None if replace else self._readings(name)
        if earlier is not None:
            if measures not in (None, earlier.quantity):
                raise DeviceError(
                    f'device "{name}" measures {earlier.quantity}, got {measures}; give the new one another name'
                )
            readings = earlier.extended(_replace(readings, quantity=earlier.quantity))
        return self._with_device(name, readings)

    def _readings(self, device: str) -> Readings | None:
        """Return the readings of an adapted device: those in the experiment's file, else those in the bundle."""
        from nagevo.generator.readings import Readings, adapted_devices, adapted_folder

        folder = None if self.bundle is None else adapted_folder(self.bundle.place)
        if folder is not None and device in adapted_devices(folder):
            return Readings.read(folder, device, self.space)
        return self.knowledge.readings.get(device)

    def _with_device(self, device: str, readings: Readings) -> Generator:
        """Return the generator with a device of which this is all that was read, in memory."""
        from nagevo.generator.adaptation import adapted

        self._check_new(device)
        knowledge = adapted(self.knowledge, device, readings)
        candidates = knowledge.candidates(self.candidates, changed=[device])
        return _replace(self, candidates=candidates, learned=knowledge)

    def probes_for(self, name: str, n: int | None = None) -> list[str]:
        """Return the architectures, as texts, that are best measured on a device next.

        Parameters
        ----------
        name : str
            Name of a new device, or of one that was added and is to be measured further.
        n : int, optional
            Number of probes; by default the generator's own, less those measured already.
        """
        from nagevo.generator.adaptation import next_probes

        return self.space.to_text(next_probes(self.knowledge, name, n))

    def network(self, architecture: str, *, untrained: bool = False) -> torch.nn.Module:
        """Return the network of an architecture in evaluation mode, with the weights that it has in the experiment.

        Parameters
        ----------
        architecture : str
        untrained : bool
            Whether it may have random weights, equal ones each time, where the experiment has none of it.

        Raises
        ------
        ConfigError
            If the experiment has no weights of it.
        """
        import torch

        network = self.trained_network(architecture)
        if network is not None:
            return network
        if not untrained:
            raise ConfigError(
                f"experiment {self.experiment} has no trained weights of the answer: train it with `nagevo finetune "
                f"--from-scratch`, or ask for an untrained network (--untrained)"
            )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.space.network(self.space.from_text([architecture])[0]).eval()

    def trained_network(self, architecture: str) -> torch.nn.Module | None:
        """Return the network of an architecture with the weights that it has in the experiment, None without any."""
        choices = self.space.from_text([architecture])[0]
        network = None if self.evaluator is None else self.evaluator.network(choices)
        return None if network is None else network.eval()

    def trainer(self, dataset: Mapping[str, Any] | None = None) -> TrainingEvaluator:
        """Return what trains networks from scratch, by the experiment's recipe where it has one.

        Parameters
        ----------
        dataset : mapping, optional
            Name and options; the experiment's by default.

        Raises
        ------
        ConfigError
            If neither has a dataset.
        """
        from nagevo.measure.accuracy import EVALUATORS

        options = self.description["accuracy"]
        dataset = options.get("dataset") if dataset is None else dataset
        if dataset is None:
            raise ConfigError(f"experiment {self.experiment} has no dataset to train on: name one with --dataset")
        recipe = {key: options[key] for key in ("training", "calibration_examples") if key in options}
        return EVALUATORS.create("training", self.space, seed=self.seed, dataset=dataset, **recipe)

    def measured_value(self, device: str, architecture: str) -> float | None:
        """Return what the search measured of a candidate on a device, None where it did not."""
        value = self.candidates.devices[device].measured[self.candidates.texts.index(architecture)]
        return float(value) if np.isfinite(value) else None

    @cached_property
    def evaluator(self) -> Evaluator | None:
        """The evaluator with its trained weights, where the bundle has any."""
        if self.bundle is None or files.WEIGHTS not in self.bundle:
            return None
        from nagevo.measure.accuracy import EVALUATORS

        options = dict(self.description["accuracy"])
        evaluator = EVALUATORS.create(options.pop("evaluator"), self.space, seed=self.seed, **options)
        evaluator.load(self.bundle.path(files.WEIGHTS))
        return evaluator

    @cached_property
    def _ranking(self) -> Callable[[tuple[str, ...], float], Ranking]:
        """Returns the candidates of some devices in order, with their bounds; those ranked last are remembered."""
        return lru_cache(maxsize=64)(self._ranked_on)

    def _ranked_on(self, devices: tuple[str, ...], confidence: float) -> Ranking:
        candidates = self.candidates
        rows = candidates.on(dict.fromkeys([*devices, *self.others(devices[0])]))
        if not len(rows):
            raise BudgetError(f"every architecture failed on {' or '.join(devices)}: nothing can be answered")
        bounds = {self.quantities.on(device): candidates.devices[device].bounds(confidence) for device in devices}
        first = self.quantities.on(devices[0])
        return Ranking.of(candidates.accuracy, candidates.network, bounds | candidates.costs, first, rows)

    @cached_property
    def _ranked(self) -> Callable[[tuple[str, ...], str, float], _Ranked]:
        """Returns the candidates for requests with limits of some names; those asked for last are remembered."""
        return lru_cache(maxsize=64)(self._ranked_for)

    def _ranked_for(self, names: tuple[str, ...], device: str, confidence: float) -> _Ranked:
        named = self._full_names(names, device)
        ranking = self._ranking((device, *self._other_devices(named, device, confidence)), confidence)
        rows, latency, candidates = ranking.rows, self.quantities.on(device), self.candidates
        return _Ranked(
            self,
            device,
            confidence,
            named,
            ranking,
            [candidates.texts[row] for row in rows],
            candidates.accuracy[rows].tolist(),
            candidates.devices[device].expected[rows].tolist(),
            candidates.evaluated[rows].tolist(),
            candidates.resolution[rows].tolist(),
            {full: ranking.bounds[full].tolist() for full in (latency, *named)},
        )

    def _full_names(self, names: Iterable[str], device: str) -> dict[str, str]:
        """Return the names of limits in a request by their full names.

        Raises
        ------
        BudgetError
            If one has no meaning here, or may mean several devices.
        """
        named = {self.quantities.full_name(name, device): name for name in names}
        short = self.quantities.of_device.values()
        for full, name in named.items():
            if full in short or name not in self.limits:
                raise BudgetError(unknown("limit", name, set(self.limits) - {full}))
        return named

    def _other_devices(self, limits: Iterable[str], device: str, confidence: float) -> list[str]:
        """Return the devices, beside the one asked for, that limits name by their full names.

        Raises
        ------
        BudgetError
            If one does not support the confidence.
        """
        named = {self.quantities.device_of(full) for full in limits}
        others = sorted(other for other in named if other not in (None, device))
        for other in others:
            self._check_confidence(confidence, other)
        return others

    def _check_confidence(self, confidence: float, device: str) -> None:
        highest = self.highest_confidence(device)
        if not 0 < confidence < 1:
            raise BudgetError(f"expected a confidence between 0 and 1, got {confidence}")
        if confidence > highest:
            raise BudgetError(
                f"confidence {confidence:g} is more than what is measured on {device} supports: at most {highest:.4g}"
            )

    def _check_new(self, name: str) -> None:
        if name in self.candidates.devices and not self.candidates.devices[name].adapted:
            raise DeviceError(f'device "{name}" was measured in the experiment; give the new one another name')
        if not NAME.fullmatch(name):
            raise DeviceError(
                f'expected letters, digits, "_" and "-" as name of a device, at most 100 of them, got {name!r}'
            )

    def _table(self, device: str | None) -> tuple[str, DeviceTable]:
        """Return the name and the table of a device; None means the only one."""
        devices = self.candidates.devices
        if device is None and len(devices) == 1:
            return next(iter(devices.items()))
        if device is None:
            raise BudgetError(f"expected the name of a device: choose one of {', '.join(devices)}")
        if device not in devices:
            raise BudgetError(unknown("device", device, devices))
        return device, devices[device]


@dataclass(frozen=True)
class _Ranked:
    """Candidates for requests with the same limits, as lists in the order of the ranking.

    Attributes
    ----------
    generator : Generator
    device : str
    confidence : float
    named : dict of str to str
        Names of the limits in the requests, by their full names.
    ranking : Ranking
    texts : list of str
    accuracy, expected : list of float
    measured : list of bool
    resolution : list of int
    bounds : dict of list of float
        Bounds of the device's quantity and of each limit, by full name.
    """

    generator: Generator
    device: str
    confidence: float
    named: dict[str, str]
    ranking: Ranking
    texts: list[str]
    accuracy: list[float]
    expected: list[float]
    measured: list[bool]
    resolution: list[int]
    bounds: dict[str, list[float]]

    def answers(self, limits: dict[str, float], n: int) -> list[Answer] | InfeasibleBudget:
        """Return up to n answers to one request, the most accurate first."""
        asked = {full: limits[name] for full, name in self.named.items()}
        generator, own = self.generator, self.generator.quantities.on(self.device)
        budget = asked.get(own, math.inf)
        places = self.ranking.best(asked, n)
        if not places:
            binding, nearest = self.ranking.nearest(asked)
            nearest = {self.named[full]: limit for full, limit in nearest.items()}
            minimum = self.ranking.minimum(own, asked)
            return InfeasibleBudget(budget, minimum, self.device, limits, self.named[binding], nearest)
        quantity = generator.quantities.of_device[self.device]
        return [
            Answer(
                budget=budget,
                device=self.device,
                architecture=self.texts[place],
                accuracy=self.accuracy[place],
                value=self.expected[place],
                bound=self.bounds[own][place],
                quantity=quantity,
                confidence=self.confidence,
                measured=self.measured[place],
                verified=False,
                experiment=generator.experiment,
                resolution=self.resolution[place] or None,
                limits=limits,
                bounds={name: self.bounds[full][place] for full, name in self.named.items()},
                generator=generator,
            )
            for place in places
        ]
