"""From a budget to an architecture: the trained generator as users call it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.errors import BudgetError, InfeasibleBudget, unknown
from nagevo.frontier import best_under
from nagevo.generator import storage
from nagevo.generator.conditions import DeviceView
from nagevo.predictor import Predictor
from nagevo.spaces.base import unique

if TYPE_CHECKING:
    import torch

    from nagevo.deployment import Deployment
    from nagevo.evaluators import Evaluator
    from nagevo.generator.model import FrontierModel

DECODED_BUDGETS = 256
"""Size of the lattice of budgets for which the model proposes candidates, all in one batched pass for a device."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The network to deploy for one budget.

    Attributes
    ----------
    budget : float
        What was asked, in ms.
    device : str
    architecture : str
        Text form.
    accuracy : float
        Percent; measured where ``measured``, else the prediction less its standard deviation.
    latency_ms : float
    latency_bound_ms : float
        What the latency stays under with the asked confidence; at most the budget.
    confidence : float
    measured : bool
        Whether this architecture was evaluated in the search.
    generator : Generator
        What answered.
    """

    budget: float
    device: str
    architecture: str
    accuracy: float
    latency_ms: float
    latency_bound_ms: float
    confidence: float
    measured: bool
    generator: Generator = field(repr=False, compare=False)

    def network(self) -> torch.nn.Module:
        """Return the plain network in evaluation mode, with trained weights where the experiment has them."""
        return self.generator.network(self.architecture)

    def deployment(self) -> Deployment:
        """Return the network with all that is needed where it runs; its ``save`` and ``export`` write folders."""
        from nagevo.deployment import Deployment

        return Deployment.of(self)

    def export_onnx(self, path: str | os.PathLike) -> float:
        """Write the network as ONNX, run it, and return the largest difference of its output from torch's."""
        return self.deployment().export_onnx(path)

    def finetune(self, folder: str | os.PathLike, **options) -> Deployment:
        """Train the network on and write it; see :func:`nagevo.finetuning.finetune` for the options."""
        from nagevo.finetuning import finetune

        return finetune(self, folder, **options)


@dataclass(frozen=True)
class Candidates:
    """What a device can be answered with, each architecture once."""

    choices: np.ndarray
    texts: list[str]
    accuracy: np.ndarray
    latency_ms: np.ndarray
    measured: np.ndarray


class Generator:
    """A trained generator with its predictor, ready to answer.

    Parameters
    ----------
    model : FrontierModel
    predictor : Predictor
    views : mapping of str to DeviceView
    seed : int
        Fixes what the model draws, so that equal questions get equal answers.
    n_candidates : int
        Architectures decoded for each budget of the lattice.
    description : mapping
        What the bundle's manifest says of the experiment.
    folder : Path, optional
        The bundle, for trained weights.
    """

    def __init__(
        self,
        model: FrontierModel,
        predictor: Predictor,
        views: dict[str, DeviceView],
        *,
        seed: int,
        n_candidates: int,
        description: dict[str, Any],
        folder: Path | None = None,
    ):
        self.model, self.predictor, self.views = model, predictor, views
        self.seed, self.n_candidates, self.description, self.folder = seed, n_candidates, description, folder
        self._candidates: dict[str, Candidates] = {}
        self._bound = lru_cache(maxsize=64)(self._bound)

    @property
    def space(self):
        """The search space."""
        return self.predictor.space

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that can be asked for."""
        return tuple(self.views)

    def generate(
        self, budgets: float | Iterable[float], *, device: str | None = None, confidence: float = 0.9
    ) -> Answer | list[Answer]:
        """Return the answer to a budget in ms, or a list of answers to several.

        Parameters
        ----------
        budgets : float or iterable of float
        device : str, optional
            May be left out where the generator knows one device only.
        confidence : float
            Asked probability that the latency holds the budget on the device.

        Raises
        ------
        InfeasibleBudget
            For the first budget that no architecture holds; :meth:`answers` returns these instead.
        """
        single = isinstance(budgets, Real)
        results = self.answers([budgets] if single else budgets, device=device, confidence=confidence)
        for result in results:
            if isinstance(result, InfeasibleBudget):
                raise result
        return results[0] if single else results

    def answers(
        self, budgets: Iterable[float], *, device: str | None = None, confidence: float = 0.9
    ) -> list[Answer | InfeasibleBudget]:
        """Return for each budget its answer, or the error that says why there is none."""
        device = self._device(device)
        asked = _checked(budgets)
        self._check_confidence(confidence, device)
        pool = self.candidates(device)
        bound = self._bound(device, confidence)
        chosen = best_under(bound, pool.accuracy, asked)
        minimum = float(bound.min())
        return [
            InfeasibleBudget(budget, minimum, device)
            if row < 0
            else Answer(
                budget,
                device,
                pool.texts[row],
                float(pool.accuracy[row]),
                float(pool.latency_ms[row]),
                float(bound[row]),
                confidence,
                bool(pool.measured[row]),
                self,
            )
            for budget, row in zip(asked.tolist(), chosen.tolist(), strict=True)
        ]

    def steps(self, *, device: str | None = None, confidence: float = 0.9) -> list[Answer]:
        """Return every answer that a device can get, each for the smallest budget that gets it, fastest first.

        Answers are a step function of the budget: an answer holds from its own budget up to that of the next.
        """
        device = self._device(device)
        self._check_confidence(confidence, device)
        bounds = np.unique(self._bound(device, confidence))
        answers = self.generate(bounds, device=device, confidence=confidence)
        return [next(same) for _, same in groupby(answers, key=lambda answer: answer.architecture)]

    def candidates(self, device: str) -> Candidates:
        """Return what the device is answered with: what the model decodes over the lattice, and what was measured."""
        if device not in self._candidates:
            decoded = self._decode(self.views[device])
            choices = unique(np.concatenate([self.predictor.measurements.choices, self.space.normal(decoded)]))
            predictor = self.predictor
            accuracies = np.append(predictor.measurements.accuracy, np.nan)
            self._candidates[device] = Candidates(
                choices,
                self.space.to_text(choices),
                predictor.accuracy(choices),
                predictor.latency_ms(device, choices),
                np.isfinite(accuracies[predictor.rows(choices)]),
            )
        return self._candidates[device]

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
        latency = self.predictor.measurements.latency_ms[device][row] if row >= 0 else np.nan
        return float(latency) if np.isfinite(latency) else None

    @cached_property
    def evaluator(self) -> Evaluator | None:
        """The evaluator with its trained weights, where it has any."""
        return None if self.folder is None else storage.open_evaluator(self.folder, self.space)

    def _bound(self, device: str, confidence: float) -> np.ndarray:
        """Return the latency bound of every candidate, in ms."""
        return self.predictor.latency_bound_ms(device, self.candidates(device).choices, confidence)

    def _decode(self, view: DeviceView) -> np.ndarray:
        import torch

        conditions = torch.from_numpy(view.conditions(view.lattice(DECODED_BUDGETS)))
        rng = torch.Generator().manual_seed(self.seed)
        return self.model.decode(conditions, self.n_candidates, rng=rng).reshape(-1, self.space.n_choices)

    def _check_confidence(self, confidence: float, device: str) -> None:
        highest = self.predictor.highest_confidence(device)
        if not 0 < confidence < 1:
            raise BudgetError(f"expected a confidence between 0 and 1, got {confidence}")
        if confidence > highest:
            raise BudgetError(
                f"confidence {confidence:g} is more than what is measured on {device} supports: at most {highest:.4g}"
            )

    def _device(self, device: str | None) -> str:
        if device is None and len(self.views) == 1:
            return next(iter(self.views))
        if device not in self.views:
            raise BudgetError(unknown("device", device, self.views))
        return device


def _checked(budgets: Iterable[float]) -> np.ndarray:
    """Return the budgets as an array, shape (n,)."""
    try:
        asked = np.asarray(list(budgets), dtype=float)
    except (TypeError, ValueError):
        raise BudgetError(f"expected budgets in ms, got {budgets!r}"[:200]) from None
    if asked.ndim != 1 or np.isnan(asked).any():
        raise BudgetError("expected budgets in ms, got NaN" if asked.ndim == 1 else "expected a flat list of budgets")
    return asked
