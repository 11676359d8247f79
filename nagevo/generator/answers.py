"""From a budget, or several limits, to an architecture: the trained generator as users call it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import BudgetError, DeviceError, InfeasibleBudget, unknown
from nagevo.foundation.quantities import LATENCY, checked
from nagevo.generator import requests, storage
from nagevo.generator.candidates import Candidates, Ranking
from nagevo.generator.conditions import DeviceView, limited
from nagevo.generator.requests import Quantities, Request
from nagevo.learn.predictor import Predictor
from nagevo.spaces.base import unique, without

if TYPE_CHECKING:
    import torch

    from nagevo.deploy.deployment import Deployment
    from nagevo.generator.model import FrontierModel
    from nagevo.measure.accuracy import Evaluator

DECODED_REQUESTS = 256
"""Budgets, and requests of several limits, for which the model proposes candidates in one batched pass for a device."""

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")
"""What a device may be called: the names become parts of the names of files and columns."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The network to deploy for one budget, or for several limits.

    Attributes
    ----------
    budget : float
        What was asked of the latency in ms, or of what else the device measures; infinite where nothing was.
    device : str
    architecture : str
        Text form.
    accuracy : float
        Percent; measured where ``measured``, else the prediction less its standard deviation.
    latency_ms : float
        Or what else the device measures, in its unit.
    latency_bound_ms : float
        What the latency stays under with the asked confidence; at most the budget.
    confidence : float
    measured : bool
        Whether this architecture was evaluated in the search.
    generator : Generator
        What answered.
    limits : dict of str to float
        Everything that was asked, by name.
    bounds : dict of str to float
        What each of the limits stays under with the asked confidence.
    """

    budget: float
    device: str
    architecture: str
    accuracy: float
    latency_ms: float
    latency_bound_ms: float
    confidence: float
    measured: bool
    limits: dict[str, float] = field(hash=False)
    bounds: dict[str, float] = field(hash=False)
    generator: Generator = field(repr=False, compare=False)

    def network(self) -> torch.nn.Module:
        """Return the plain network in evaluation mode, with trained weights where the experiment has them."""
        return self.generator.network(self.architecture)

    def deployment(self) -> Deployment:
        """Return the network with all that is needed where it runs; its ``save`` and ``export`` write folders."""
        from nagevo.deploy.deployment import Deployment

        return Deployment.of(self)

    def export_onnx(self, path: str | os.PathLike) -> float:
        """Write the network as ONNX, run it, and return the largest difference of its output from torch's."""
        return self.deployment().export_onnx(path)

    def finetune(self, folder: str | os.PathLike, **options) -> Deployment:
        """Train the network on and write it; see :func:`nagevo.deploy.finetuning.finetune` for the options."""
        from nagevo.deploy.finetuning import finetune

        return finetune(self, folder, **options)


class Generator:
    """A trained generator with its predictor, ready to answer.

    Parameters
    ----------
    model : FrontierModel, optional
        Read from the bundle where it is needed, if it is left out.
    predictor : Predictor
    views : mapping of str to DeviceView
    probes : ndarray of int8, shape (n_probes, n_choices)
        The architectures whose latencies tell the model which device it answers for.
    seed : int
        Fixes what the model draws, so that equal questions get equal answers.
    n_candidates : int
        Architectures decoded for each budget of the lattice.
    description : mapping
        What the bundle's manifest says of the experiment.
    folder : Path, optional
        The bundle, for the model and for trained weights.
    proposals : mapping of str to ndarray, optional
        By device, see :meth:`proposals`; decoded where they are left out.
    quantities : mapping of str to str, optional
        What each device measures; latencies where it is left out.
    """

    def __init__(
        self,
        model: FrontierModel | None,
        predictor: Predictor,
        views: dict[str, DeviceView],
        *,
        probes: np.ndarray,
        seed: int,
        n_candidates: int,
        description: dict[str, Any],
        folder: Path | None = None,
        proposals: Mapping[str, np.ndarray] | None = None,
        quantities: Mapping[str, str] | None = None,
    ):
        if model is not None:
            self.model = model
        self.predictor, self.views, self.probes, self._proposals = predictor, views, probes, dict(proposals or {})
        self.seed, self.n_candidates, self.description, self.folder = seed, n_candidates, description, folder
        self.quantities = Quantities(dict(quantities or dict.fromkeys(views, LATENCY)))
        self.candidates = lru_cache(maxsize=16)(self.candidates)
        self._ranking = lru_cache(maxsize=64)(self._ranking)
        self._answer_table = lru_cache(maxsize=64)(self._answer_table)

    @cached_property
    def model(self) -> FrontierModel:
        """The trained model, read from the bundle where it is needed: for a device whose proposals are not kept."""
        return storage.open_model(self.folder, self)

    @property
    def space(self):
        """The search space."""
        return self.predictor.space

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that can be asked for."""
        return tuple(self.views)

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of what can be limited, on any device."""
        costs = self.space.costs(self.space.extremes())
        return (*self.quantities.names(), *costs)

    def quantity(self, device: str | None = None) -> str:
        """Return the name of what a device measures: of the limit that a plain budget sets there."""
        return self.quantities.of_device[self._device(device)]

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
            A number limits the latency on the device, or what else it measures; a mapping limits what its keys name:
            see :attr:`limits`.
        device : str, optional
            May be left out where the generator knows one device only.
        confidence : float
            Asked probability that each latency holds its limit.
        n : int, optional
            For a list of up to so many different networks in the place of each answer, the most accurate first.

        Raises
        ------
        InfeasibleBudget
            For the first request that no architecture holds; :meth:`answers` returns these instead.
        """
        single = isinstance(budgets, Real | Mapping)
        results = self.answers([budgets] if single else budgets, device=device, confidence=confidence, n=n)
        for result in results:
            if isinstance(result, InfeasibleBudget):
                raise result
        return results[0] if single else results

    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int | None = None
    ) -> list[Answer | list[Answer] | InfeasibleBudget]:
        """Return for each request its answer (with ``n`` a list of them), or the error that says why there is none."""
        device = self._device(device)
        parsed = requests.parse(budgets, self.quantities.of_device[device])
        if n is not None and (not isinstance(n, Integral) or n < 1):
            raise BudgetError(f"expected a whole number of answers, at least 1, got {n!r}")
        self._check_confidence(confidence, device)
        tables = {
            names: self._answer_table(names, device, confidence) for names in {tuple(limits) for limits in parsed}
        }
        results = (tables[tuple(limits)].answers(limits, n or 1) for limits in parsed)
        return [result[0] if n is None and isinstance(result, list) else result for result in results]

    def steps(self, *, device: str | None = None, confidence: float = 0.9) -> list[Answer]:
        """Return every answer that a device can get, each for the smallest budget that gets it, fastest first.

        Answers are a step function of the budget: an answer holds from its own budget up to that of the next.
        """
        device = self._device(device)
        self._check_confidence(confidence, device)
        bounds = np.unique(self._ranking((device,), confidence).bounds[self.quantities.on(device)])
        answers = self.generate(bounds, device=device, confidence=confidence)
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
            name what is needed of the other limits.
        """
        import moocore

        device = self._device(device)
        devices = (device, *self.others(device))
        for limiting in devices:
            self._check_confidence(confidence, limiting)
        pool, ranking = self.candidates(*devices), self._ranking(devices, confidence)
        bounds, latency = ranking.bounds, self.quantities.on(device)
        objectives = np.column_stack([-pool.accuracy[ranking.rows], *bounds.values()])
        kept = moocore.is_nondominated(objectives)
        rows = ranking.rows[kept]
        columns = {
            "accuracy": pool.accuracy[rows],
            "measured": pool.measured[rows],
            "latency_ms": pool.values[latency][rows],
            "latency_bound_ms": bounds[latency][kept],
            **{name: bounds[name][kept] for name in bounds if name != latency},
        }
        return {"architecture": [pool.texts[row] for row in rows]} | {
            name: values.tolist() for name, values in columns.items()
        }

    def adapt(
        self,
        name: str,
        measurements: Mapping[str, float],
        *,
        measures: str | None = None,
        exact: bool = False,
        save: bool = True,
    ) -> Generator:
        """Add a device of which a few architectures were measured, or improve one that was added, and return self.

        Nothing is trained: the latency is adapted from that of the known devices, and its bound widened to what so few
        measurements can say.

        Parameters
        ----------
        name : str
            Of the device.
        measurements : mapping of str to float
            By text of the architecture, latency in ms; best of :meth:`probes_for` the device. They add to those of
            earlier calls, and replace them where the same architecture was measured again.
        measures : str, optional
            The quantity of the numbers, a key of :data:`nagevo.foundation.quantities.QUANTITIES`; latency by default. A
            device that was added keeps its quantity.
        exact : bool
            Whether a second measurement gives the same number, so that a measured latency is its own bound.
        save : bool
            Whether the bundle on disk gets the device as well.

        Raises
        ------
        DeviceError
            If the name is that of a device of the experiment, or of one that measures something else, or cannot be one.
        DataError
            If a latency is no positive number, or there are fewer than two.
        ArchitectureError
            If a text is no architecture of the space.
        """
        from nagevo.generator.adaptation import adapted

        self._check_new(name)
        known_as = self.quantities.of_device.get(name, measures or LATENCY)
        if checked(measures or known_as) != known_as:
            raise DeviceError(f'device "{name}" measures {known_as}, got {measures}; give the new one another name')
        self.predictor = adapted(self.predictor, name, measurements, exact=exact, seed=self.seed)
        known = self._pool(self.predictor.known)
        values = limited(self.space, known, self.predictor.latency_ms(name, known))
        view = DeviceView.of(self.predictor.accuracy(known), values, self.predictor.latency_ms(name, self.probes))
        self.views = self.views | {name: view}
        self.quantities = Quantities({**self.quantities.of_device, name: known_as})
        self._proposals.pop(name, None)
        self.candidates.cache_clear()
        self._ranking.cache_clear()
        self._answer_table.cache_clear()
        if save and self.folder is not None:
            self.description = storage.save_adapted(self.folder, self, name)
        return self

    def probes_for(self, name: str, n: int | None = None) -> list[str]:
        """Return the architectures, as texts, that are best measured on a device next.

        Parameters
        ----------
        name : str
            Of a new device, or of one that was added and is to be known better.
        n : int, optional
            How many; by default the generator's own probes less those measured already.
        """
        from nagevo.generator.adaptation import choose_probes

        latency_ms = self.predictor.measurements.values.get(name)
        measured = self.space.check(np.empty((0, self.space.n_choices)))
        if latency_ms is not None:
            measured = self.predictor.measurements.choices[np.isfinite(latency_ms)]
        own = without(self.probes, measured)
        if n is None or n <= len(own):
            return self.space.to_text(own[:n])
        more = choose_probes(self.predictor, n - len(own), known=np.concatenate([self.probes, measured]))
        return self.space.to_text(np.concatenate([own, more]))

    def candidates(self, *devices: str) -> Candidates:
        """Return what devices are answered with, whatever is limited, and what each needs of their limits.

        Those that measure something else than the first device have their say as well, whether they are limited or not.
        """
        predictor, choices = self.predictor, self._pool(dict.fromkeys([*devices, *self.others(devices[0])]))
        accuracies = np.append(predictor.measurements.accuracy, np.nan)
        latencies = {self.quantities.on(device): predictor.latency_ms(device, choices) for device in devices}
        return Candidates(
            choices,
            self.space.to_text(choices),
            predictor.accuracy(choices),
            np.isfinite(accuracies[predictor.rows(choices)]),
            np.unique(self.space.canonical(choices), axis=0, return_inverse=True)[1].ravel(),
            latencies | self.space.costs(choices),
        )

    def _pool(self, devices: Iterable[str]) -> np.ndarray:
        """Return the architectures that were measured, and those that the model proposes for some devices, distinct."""
        proposals = [self.proposals(device) for device in devices]
        return unique(np.concatenate([self.predictor.measurements.choices, *proposals]))

    def network(self, architecture: str) -> torch.nn.Module:
        """Return the network of an architecture, with trained weights where the experiment's evaluator has them."""
        choices = self.space.from_text([architecture])[0]
        network = self.space.network(choices) if self.evaluator is None else self.evaluator.network(choices)
        return network.eval()

    def preprocessing(self) -> dict[str, Any]:
        """Return ``classes``, ``mean`` and ``std`` as :meth:`Evaluator.preprocessing` does; empty without weights."""
        return {} if self.evaluator is None else self.evaluator.preprocessing()

    def measured_latency_ms(self, device: str, architecture: str) -> float | None:
        """Return the latency that the search measured of an architecture in ms, None where it did not."""
        (row,) = self.predictor.rows(self.space.normal(self.space.from_text([architecture])))
        latency = self.predictor.measurements.values[device][row] if row >= 0 else np.nan
        return float(latency) if np.isfinite(latency) else None

    @cached_property
    def evaluator(self) -> Evaluator | None:
        """The evaluator with its trained weights, where it has any."""
        return None if self.folder is None else storage.open_evaluator(self.folder, self.space)

    def _ranking(self, devices: tuple[str, ...], confidence: float) -> Ranking:
        """Return the candidates of some devices in order, with their bounds; costs are their own."""
        pool = self.candidates(*devices)
        bounds = {
            self.quantities.on(device): self.predictor.latency_bound_ms(device, pool.choices, confidence)
            for device in devices
        }
        return Ranking.of(pool, pool.values | bounds, self.quantities.on(devices[0]))

    def proposals(self, device: str) -> np.ndarray:
        """Return what the model proposes for a device, in normal form, distinct: int8, shape (n, n_choices).

        These are the architectures that it decodes for evenly spaced budgets and for requests of several limits. They
        are kept in the bundle, so that answering needs no model.
        """
        if device not in self._proposals:
            self._proposals[device] = unique(self.space.normal(self._decode(self.views[device])))
        return self._proposals[device]

    def _answer_table(self, names: tuple[str, ...], device: str, confidence: float) -> _AnswerTable:
        """Return the candidates for requests with these limits."""
        named = self._full_names(names, device)
        devices = (device, *self._other_devices(named, device, confidence))
        pool, ranking = self.candidates(*devices), self._ranking(devices, confidence)
        rows, latency = ranking.rows, self.quantities.on(device)
        return _AnswerTable(
            self,
            device,
            confidence,
            named,
            ranking,
            [pool.texts[row] for row in rows],
            pool.accuracy[rows].tolist(),
            pool.values[latency][rows].tolist(),
            pool.measured[rows].tolist(),
            {full: ranking.bounds[full].tolist() for full in (latency, *named)},
        )

    def _decode(self, view: DeviceView) -> np.ndarray:
        """Return what the model decodes, shape (n, n_choices)."""
        import torch

        asked = [view.lattice(DECODED_REQUESTS), view.several(DECODED_REQUESTS, rng=np.random.default_rng(self.seed))]
        conditions = torch.from_numpy(view.conditions(np.concatenate(asked)))
        rng = torch.Generator().manual_seed(self.seed)
        return self.model.decode(conditions, self.n_candidates, rng=rng).reshape(-1, self.space.n_choices)

    def _full_names(self, names: Iterable[str], device: str) -> dict[str, str]:
        """Return what limits are called in a request, by their full names.

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
        """Return the devices that limits, by full names, mean beside the one asked for.

        Raises
        ------
        BudgetError
            If one does not support the confidence.
        """
        others = sorted({self.quantities.device_of(full) for full in limits} - {None, device})
        for other in others:
            self._check_confidence(confidence, other)
        return others

    def _check_confidence(self, confidence: float, device: str) -> None:
        highest = self.predictor.highest_confidence(device)
        if not 0 < confidence < 1:
            raise BudgetError(f"expected a confidence between 0 and 1, got {confidence}")
        if confidence > highest:
            raise BudgetError(
                f"confidence {confidence:g} is more than what is measured on {device} supports: at most {highest:.4g}"
            )

    def _check_new(self, name: str) -> None:
        if name in self.predictor.known:
            raise DeviceError(f'device "{name}" was measured in the experiment; give the new one another name')
        if not NAME.fullmatch(name):
            raise DeviceError(f'expected letters, digits, "_" and "-" as name of a device, got {name!r}')

    def _device(self, device: str | None) -> str:
        if device is None and len(self.views) == 1:
            return next(iter(self.views))
        if device not in self.views:
            raise BudgetError(unknown("device", device, self.views))
        return device


@dataclass(frozen=True)
class _AnswerTable:
    """Candidates for requests with the same limits, as lists in the order of the ranking.

    Attributes
    ----------
    generator : Generator
    device : str
    confidence : float
    named : dict of str to str
        What the limits are called in the requests, by their full names.
    ranking : Ranking
    texts : list of str
    accuracy, latency_ms : list of float
    measured : list of bool
    bounds : dict of list of float
        Of the latency and of each limit, by full name.
    """

    generator: Generator
    device: str
    confidence: float
    named: dict[str, str]
    ranking: Ranking
    texts: list[str]
    accuracy: list[float]
    latency_ms: list[float]
    measured: list[bool]
    bounds: dict[str, list[float]]

    def answers(self, limits: dict[str, float], n: int) -> list[Answer] | InfeasibleBudget:
        """Return up to n answers to one request, the most accurate first."""
        asked = {full: limits[name] for full, name in self.named.items()}
        latency = self.generator.quantities.on(self.device)
        budget = asked.get(latency, math.inf)
        places = self.ranking.best(asked, n)
        if not places:
            binding, nearest = self.ranking.nearest(asked)
            nearest = {self.named[full]: limit for full, limit in nearest.items()}
            minimum = self.ranking.minimum(latency, asked)
            return InfeasibleBudget(budget, minimum, self.device, limits, self.named[binding], nearest)
        return [
            Answer(
                budget,
                self.device,
                self.texts[place],
                self.accuracy[place],
                self.latency_ms[place],
                self.bounds[latency][place],
                self.confidence,
                self.measured[place],
                limits,
                {name: self.bounds[full][place] for full, name in self.named.items()},
                self.generator,
            )
            for place in places
        ]
