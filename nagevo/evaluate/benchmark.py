"""How good answers are, on devices that were searched and on others, and under several limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from nagevo.evaluate.comparison import is_enumerable
from nagevo.experiment.config import Experiment
from nagevo.foundation import frontier
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.generator.answer import Answer
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import Measurements
from nagevo.search.methods.pnag import PNAGGenerator
from nagevo.search.nsga2 import evolve
from nagevo.spaces.base import SearchSpace

Answering = Callable[[np.ndarray], Sequence[np.ndarray | None] | np.ndarray]
"""From budgets in ms to the choices of one architecture for each, None where it is refused."""

N_TESTED = 2000
"""Random architectures on which predictions are judged where the space cannot be listed."""
REFERENCE: dict[str, Any] = {"population": 200, "generations": 100}
"""Size of the evolution on true values which finds the reference of such a space."""
EVOLUTION: dict[str, Any] = {"population": 100, "generations": 40}
"""Size of the evolution on the adapted latency."""
N_BUDGETS = 100
LOWEST_SHARE = 0.9
"""Limits are drawn from this share of the smallest value of any architecture upwards, so that some are infeasible."""
TRAINED_BUDGETS = 5
"""Budgets that PNAG's generator is trained for; it answers others by interpolation."""


@dataclass(frozen=True)
class Truth:
    """True accuracies and values on a device.

    Attributes
    ----------
    quantity : str
        Name of the quantity that the device measures, such as ``latency_ms``.
    objectives : callable
        From choices to true error (percent) and value (in the unit of the quantity), shape (n, 2).
    listed : bool
        Whether the space can be listed.
    choices : ndarray of int8, shape (n, n_choices)
        All architectures, or random ones of a space that cannot be listed.
    frontier : ndarray, shape (n, 2)
        The true frontier, or the best known.
    """

    quantity: str
    objectives: Callable[[np.ndarray], np.ndarray]
    listed: bool
    choices: np.ndarray
    frontier: np.ndarray

    @classmethod
    def of(cls, experiment: Experiment, space: SearchSpace, device: str) -> Truth:
        """Return the truth of a device of an experiment whose evaluator and devices cost nothing to read."""
        evaluator, opened = experiment.open_evaluator(space), experiment.device(device).create()

        def objectives(choices: np.ndarray) -> np.ndarray:
            accuracy = evaluator.evaluate(choices)["accuracy"].to_numpy(float)
            return np.column_stack([100.0 - accuracy, opened.measure(space, choices)[opened.measures].to_numpy(float)])

        rng = np.random.default_rng(experiment.seed)
        if is_enumerable(experiment, space):
            choices = space.enumerate()
            values = objectives(choices)
            return cls(opened.measures, objectives, True, choices, values[frontier.frontier(values)])
        best = evolve(space, objectives, rng=rng, **REFERENCE).objectives
        sampled = space.sample_distinct(N_TESTED, rng=rng)
        return cls(opened.measures, objectives, False, sampled, best[frontier.frontier(best)])


def known_device(generator: Generator, truth: Truth, device: str, confidences: Sequence[float]) -> pd.DataFrame:
    """Return how well budgets are answered on a device that was searched, by the generator and by its rivals.

    Returns
    -------
    DataFrame
        One row for each ``confidence`` of the ``method`` ``generator``, and one for each rival, which knows none
        (``best_measured``: the most accurate network measured within the budget; ``pnag``: the generator of PNAG,
        trained on the same measurements, its most probable architecture; ``pnag_best_of_ten``: the best of ten that it
        samples), with the metrics of the answers to evenly spaced budgets; ``answer_ms`` is wall time.
    """
    known = generator.predictor.measurements.complete(device)
    members = known.values[device][frontier.frontier(known.objectives(device))]
    trained = np.linspace(members[0], members[-1], TRAINED_BUDGETS)
    pnag = PNAGGenerator(generator.space, seed=generator.seed).fit(generator.predictor.measurements, device, trained)
    methods: list[tuple[str, float, Answering]] = [
        *(
            ("generator", confidence, partial(_generator, _Latency(generator, device, confidence), truth, 0))
            for confidence in confidences
        ),
        ("best_measured", np.nan, partial(_best, known.choices, known.accuracy, known.values[device])),
        ("pnag", np.nan, pnag.answer),
        ("pnag_best_of_ten", np.nan, partial(pnag.answer, samples=10)),
    ]
    return pd.DataFrame(
        [
            {"method": name, "confidence": confidence} | _judged(answering, truth)
            for name, confidence, answering in methods
        ]
    )


def new_device(
    generator: Generator, truth: Truth, device: str, probes: Sequence[int], confidence: float
) -> pd.DataFrame:
    """Return how well a device is served after some numbers of measurements, by the generator and by its rivals.

    Parameters
    ----------
    generator : Generator
        Must not know the device yet.
    device : str
        Name for it.
    probes : sequence of int
        Ascending; 0 stands for the average of the known devices.

    Returns
    -------
    DataFrame
        One row for each number of ``probes`` and ``method`` (``generator``; ``measured``: the evaluated architectures
        filtered by the adapted latency; ``evolution``: a new one on the adapted latency; ``nearest``: the evaluated
        architectures as they are on the known device that times the probes most alike, at the new one's speed;
        ``random``: as many random architectures, evaluated and measured) with the metrics of the answers to evenly
        spaced budgets, and of the predicted latency: ``spearman``, ``median_absolute_percentage_error``, and
        ``coverage`` of the bound; ``adapt_s`` and ``answer_ms`` are wall times.
    """
    rows = []
    for n in probes:
        began = time.perf_counter()
        if n:
            generator = _measured_more(generator, truth, device, n)
        adapt_s = time.perf_counter() - began
        latency = _Latency(generator, device if n else None, confidence)
        quality = _prediction(latency, truth) | {"adapt_s": adapt_s}
        for method, answer in _METHODS.items():
            if n or method in ("generator", "measured"):
                answering = partial(answer, latency, truth, n)
                rows.append({"probes": n, "method": method} | _judged(answering, truth) | quality)
    return pd.DataFrame(rows)


class _Latency:
    """Predicted latency on a device, or on the average of the known ones."""

    def __init__(self, generator: Generator, device: str | None, confidence: float):
        self.generator, self.device, self.confidence = generator, device, confidence
        self.predictor = generator.predictor

    def predict(self, choices: np.ndarray) -> np.ndarray:
        """Return the latencies, shape (n,)."""
        if self.device is not None:
            return self.predictor.latency_ms(self.device, choices)
        logs = [np.log(self.predictor.latency_ms(known, choices)) for known in self.predictor.known]
        return np.exp(np.mean(logs, axis=0))

    def bound(self, choices: np.ndarray) -> np.ndarray:
        """Return upper bounds of the latencies, shape (n,); for the average of the known devices, the predictions."""
        if self.device is None:
            return self.predict(choices)
        return self.predictor.latency_bound_ms(self.device, choices, self.confidence)


def _measured_more(generator: Generator, truth: Truth, device: str, n: int) -> Generator:
    """Return the generator adapted to n measurements of the device, those made before included."""
    measured = generator.predictor.measurements.values.get(device)
    missing = n - (0 if measured is None else int(np.isfinite(measured).sum()))
    texts = generator.probes_for(device, missing)
    values = truth.objectives(generator.space.from_text(texts))[:, frontier.VALUE]
    known = dict(zip(texts, values.tolist(), strict=True))
    return generator.adapt(device, known, measures=truth.quantity, exact=True, save=False)


def _prediction(latency: _Latency, truth: Truth) -> dict[str, float]:
    from scipy.stats import spearmanr

    true, predicted = truth.objectives(truth.choices)[:, frontier.VALUE], latency.predict(truth.choices)
    return {
        "spearman": float(spearmanr(true, predicted).statistic),
        "median_absolute_percentage_error": float(100.0 * np.median(np.abs(predicted / true - 1.0))),
        "coverage": float((true <= latency.bound(truth.choices)).mean()),
    }


def _judged(answering: Answering, truth: Truth) -> dict[str, float | None]:
    """Return the metrics of the answers of a method to evenly spaced budgets."""
    budgets = frontier.budgets(truth.frontier, N_BUDGETS)
    began = time.perf_counter()
    chosen = answering(budgets)
    elapsed = time.perf_counter() - began
    objectives = np.full((len(budgets), 2), np.nan)
    answered = [row for row, choices in enumerate(chosen) if choices is not None]
    if answered:
        objectives[answered] = truth.objectives(np.array([chosen[row] for row in answered]))
    metrics = frontier.answer_metrics(objectives, budgets, truth.frontier)
    return metrics | {"answer_ms": 1000.0 * elapsed / len(budgets)}


def _generator(latency: _Latency, truth: Truth, n: int, budgets: np.ndarray) -> list[np.ndarray | None]:
    generator = latency.generator
    if latency.device is None:
        known = generator.candidates.on(generator.predictor.known)
        pool = generator.candidates.rows(known)
        return _best(pool.choices, pool.accuracy, latency.bound(pool.choices), budgets)
    answers = generator.answers(budgets, device=latency.device, confidence=latency.confidence)
    texts = [answer.architecture if isinstance(answer, Answer) else None for answer in answers]
    return [None if text is None else generator.space.from_text([text])[0] for text in texts]


def _measured(latency: _Latency, truth: Truth, n: int, budgets: np.ndarray) -> list[np.ndarray | None]:
    known = _evaluated(latency)
    return _best(known.choices, known.accuracy, latency.bound(known.choices), budgets)


def _evolution(latency: _Latency, truth: Truth, n: int, budgets: np.ndarray) -> list[np.ndarray | None]:
    predictor = latency.predictor

    def objectives(choices: np.ndarray) -> np.ndarray:
        return np.column_stack([100.0 - predictor.accuracy(choices), latency.bound(choices)])

    rng = np.random.default_rng(latency.generator.seed)
    found = evolve(predictor.space, objectives, rng=rng, **EVOLUTION)
    return _best(found.choices, 100.0 - found.objectives[:, 0], found.objectives[:, 1], budgets)


def _nearest(latency: _Latency, truth: Truth, n: int, budgets: np.ndarray) -> list[np.ndarray | None]:
    predictor, known = latency.predictor, _evaluated(latency)
    own = predictor.measurements.values[cast(str, latency.device)]
    probes = predictor.measurements.choices[np.isfinite(own)]
    ratios = {d: np.log(own[np.isfinite(own)] / predictor.latency_ms(d, probes)) for d in predictor.known}
    nearest = min(ratios, key=lambda device: ratios[device].std())
    latency_ms = known.values[nearest] * np.exp(ratios[nearest].mean())
    return _best(known.choices, known.accuracy, latency_ms, budgets)


def _random(latency: _Latency, truth: Truth, n: int, budgets: np.ndarray) -> list[np.ndarray | None]:
    drawn = latency.predictor.space.sample_distinct(n, rng=np.random.default_rng(latency.generator.seed))
    objectives = truth.objectives(drawn)
    return _best(drawn, 100.0 - objectives[:, 0], objectives[:, 1], budgets)


_METHODS = {
    "generator": _generator,
    "measured": _measured,
    "evolution": _evolution,
    "nearest": _nearest,
    "random": _random,
}


def _evaluated(latency: _Latency) -> Measurements:
    measurements = latency.predictor.measurements
    return measurements.rows(np.isfinite(measurements.accuracy))


def _best(choices: np.ndarray, accuracy: np.ndarray, bound: np.ndarray, budgets: np.ndarray) -> list[np.ndarray | None]:
    return [None if row < 0 else choices[row] for row in frontier.best_under(bound, accuracy, budgets)]


def two_limits(
    generator: Generator, truth: Truth, device: str, cost: str, n: int, confidence: float
) -> dict[str, float]:
    """Return how good answers are under limits of the device and of a cost, drawn at random until n are feasible.

    Parameters
    ----------
    truth : Truth
        Its space has to be enumerable.
    device : str
        A known one.
    cost : str
        Name of the limit beside that of the device's quantity.

    Returns
    -------
    dict
        ``mean_regret`` and ``max_regret`` in points, against the most accurate of all architectures that keep both (a
        refusal, and an answer that violates one, count with the least accurate of these), ``violation_rate``,
        ``infeasible`` pairs drawn, and the shares ``infeasible_refused`` and ``feasible_answered``.
    """
    values = truth.objectives(truth.choices)
    error, of_device = values.T
    needs = np.column_stack([of_device, generator.space.needs(truth.choices)[cost]])
    row_of = {text: row for row, text in enumerate(generator.space.to_text(truth.choices))}
    low, high = LOWEST_SHARE * needs.min(axis=0), needs[error.argmin()]
    rng = np.random.default_rng(generator.seed)
    regret: list[float] = []
    violated: list[bool] = []
    refused: list[bool] = []
    answered: list[bool] = []
    while len(answered) < n:
        limits = low + (high - low) * rng.random(2)
        asked = {truth.quantity: limits[0], cost: limits[1]}
        (answer,) = generator.answers([asked], device=device, confidence=confidence)
        holding = (needs <= limits).all(axis=1)
        if not holding.any():
            refused.append(isinstance(answer, InfeasibleBudget))
            continue
        row = None if isinstance(answer, InfeasibleBudget) else row_of[answer.architecture]
        answered.append(row is not None)
        if row is not None:
            violated.append(not holding[row])
        held = row is not None and holding[row]
        regret.append((error[row] if held else error[holding].max()) - error[holding].min())
    return {
        "mean_regret": float(np.mean(regret)),
        "max_regret": float(np.max(regret)),
        "violation_rate": float(np.mean(violated)),
        "infeasible": len(refused),
        "infeasible_refused": float(np.mean(refused)) if refused else 1.0,
        "feasible_answered": float(np.mean(answered)),
    }
