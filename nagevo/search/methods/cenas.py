"""CENAS: evolution led by a classifier that says whether a candidate is dominated by reference architectures.

References
----------
Ma, Li 2021, "How to Simplify Search: Classification-wise Pareto Evolution for One-shot Neural Architecture Search",
and its journal version "Pareto-wise Ranking Classifier for Multi-objective Evolutionary Neural Architecture Search"
(2023): an online classifier instead of regressors, an adaptive set of references by clustering, and a regulated share
of positive samples by alpha-dominance. The sizes are design choices here; the loop follows Pan, He, Tian, Wang, Zhang,
Jin 2019, "A Classification-Based Surrogate-Assisted Evolutionary Algorithm for Expensive Many-Objective Optimization".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import f1_score, roc_auc_score, silhouette_score
from torch import nn

from nagevo.foundation.frontier import frontier, scale
from nagevo.foundation.options import Option
from nagevo.learn.conformal import near_frontier
from nagevo.measure.measurements import Measurements
from nagevo.search.base import Strategy
from nagevo.search.methods.learning import (
    Inputs,
    MLPPredictor,
    batches,
    descend,
    mlp,
    seeded,
    torch_generator,
)
from nagevo.spaces.base import SearchSpace, unique, without
from nagevo.training.accelerator import torch_threads

POSITIVE_RATE = (0.3, 0.5)
"""Range in which the share of positive samples is kept."""

CLUSTERS = range(3, 11)
"""Numbers of references that are tried; the one with the best silhouette score is used."""

BATCH = 256
CROSSOVER_RATE = 0.9

MIN_PROBABILITY = 0.9
"""Minimum output of the classifier for a candidate to be preferred."""


def alpha_dominated(objectives: np.ndarray, references: np.ndarray, alpha: float) -> np.ndarray:
    """Return which rows are alpha-dominated by which reference, bool of shape (n, n_references).

    A reference dominates a row where ``d_i + alpha * sum(d_j for j != i)`` is at most 0 for every objective i and below
    0 for one, d being the reference less the row. An alpha of 0 is Pareto dominance; a positive one lets a large gain
    in one objective pay for a loss in another, a negative one demands more than Pareto dominance.

    Parameters
    ----------
    objectives : ndarray, shape (n, n_objectives)
        Minimized, scaled alike.
    references : ndarray, shape (n_references, n_objectives)
    """
    difference = references[None] - objectives[:, None]  # (n, n_references, n_objectives)
    total = difference.sum(axis=-1, keepdims=True)
    traded = difference + alpha * (total - difference)
    return (traded <= 0).all(axis=-1) & (traded < 0).any(axis=-1)


def regulated_alpha(objectives: np.ndarray, references: np.ndarray, *, steps: int = 30) -> float:
    """Return the alpha, by bisection in [-1, 1], for which the share of undominated rows falls into [0.3, 0.5].

    Where no alpha does, the last one tried.
    """
    low, high = -1.0, 1.0
    for _ in range(steps):
        alpha = (low + high) / 2.0
        rate = 1.0 - alpha_dominated(objectives, references, alpha).any(axis=1).mean()
        if rate > POSITIVE_RATE[1]:
            low = alpha
        elif rate < POSITIVE_RATE[0]:
            high = alpha
        else:
            break
    return alpha


def reference_indices(objectives: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the indices of the references: the members nearest to the centers of clusters of the best fronts.

    Whole nondominated fronts are taken until they hold twice the smallest number of clusters; of the possible numbers
    of clusters the one with the largest silhouette is used.

    Parameters
    ----------
    objectives : ndarray, shape (n, n_objectives)
        Minimized, scaled alike.
    seed : int
        Seed of the clustering.
    """
    members = near_frontier(objectives, 2 * CLUSTERS.start)
    points, first = np.unique(objectives[members], axis=0, return_index=True)
    members = members[first]
    if len(points) <= CLUSTERS.start:
        return members
    clusterings = [KMeans(k, n_init=4, random_state=seed).fit(points) for k in CLUSTERS if k < len(points)]
    best = max(clusterings, key=lambda clustering: silhouette_score(points, clustering.labels_))
    distances = np.linalg.norm(points[:, None] - best.cluster_centers_[None], axis=-1)  # (n_points, n_clusters)
    return members[np.unique(distances.argmin(axis=0))]


def two_point_crossover(first: np.ndarray, second: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Return the first parents with a random stretch of choices from the second."""
    cuts = np.sort(rng.integers(0, first.shape[1] + 1, size=(len(first), 2)), axis=1)
    columns = np.arange(first.shape[1])
    return np.where((columns >= cuts[:, :1]) & (columns < cuts[:, 1:]), second, first)


class ParetoClassifier:
    """Says how probable it is that an architecture is alpha-dominated by no reference.

    Parameters
    ----------
    known : Measurements
        Rows with an accuracy and a latency on the device.
    epochs, hidden : int
        Passes over the pairs of measured architecture and reference; width of the two hidden layers.
    learning_rate : float
        Learning rate of Adam.

    Notes
    -----
    The classifier sees a candidate beside a reference and is trained, by cross-entropy weighted so that both classes
    count alike, to say whether the reference leaves it undominated; the least of its outputs over the references is the
    output for the candidate.
    """

    def __init__(
        self,
        space: SearchSpace,
        known: Measurements,
        device: str,
        *,
        epochs: int,
        hidden: int,
        learning_rate: float,
        rng: np.random.Generator,
    ):
        self.inputs = Inputs(space, known.choices)
        objectives = known.objectives(device)
        self.frontier = objectives[frontier(objectives)]
        scaled = scale(objectives, self.frontier)
        chosen = reference_indices(scaled, seed=int(rng.integers(2**31)))
        self.references, self.reference_choices = scaled[chosen], known.choices[chosen]
        self.alpha = regulated_alpha(scaled, self.references)
        self.network = self._trained(
            known.choices, ~alpha_dominated(scaled, self.references, self.alpha), epochs, hidden, learning_rate, rng
        )

    def labels(self, objectives: np.ndarray) -> np.ndarray:
        """Return which rows, error (percent) and latency (ms), no reference alpha-dominates; bool, shape (n,)."""
        return ~np.any(alpha_dominated(scale(objectives, self.frontier), self.references, self.alpha), axis=1)

    @torch.no_grad()
    def __call__(self, choices: np.ndarray) -> np.ndarray:
        """Return the probability of the label for each architecture, shape (n,)."""
        logits = self.network(self._pairs(choices)).view(len(choices), len(self.references))
        return torch.sigmoid(logits).amin(dim=1).numpy()

    def _pairs(self, choices: np.ndarray) -> torch.Tensor:
        """Return one row for each architecture with each reference, shape (n * n_references, 2 * n_features)."""
        candidates = self.inputs(choices).repeat_interleave(len(self.references), dim=0)
        references = self.inputs(self.reference_choices).repeat(len(choices), 1)
        return torch.cat([candidates, references], dim=1)

    def _trained(
        self,
        choices: np.ndarray,
        undominated: np.ndarray,
        epochs: int,
        hidden: int,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> nn.Module:
        x, y = self._pairs(choices), torch.from_numpy(undominated.astype(np.float32)).flatten()
        positives = y.sum().clamp(1, len(y) - 1)
        weight = torch.where(y > 0, len(y) / (2 * positives), len(y) / (2 * (len(y) - positives)))
        network = seeded(lambda: mlp(x.shape[1], hidden), rng=rng)
        rows = batches(len(x), BATCH, generator=torch_generator(rng))

        def loss() -> torch.Tensor:
            part = next(rows)
            return nn.functional.binary_cross_entropy_with_logits(network(x[part]), y[part], weight[part])

        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        descend(network, loss, steps=epochs * -(-len(x) // BATCH), optimizer=optimizer)
        return network


@dataclass(eq=False, repr=False, kw_only=True)
class CENAS(Strategy):
    """Evolve architectures, and measure those children that a classifier predicts to be nondominated (CENAS).

    A quarter of the evaluations is random, with the smallest and the largest architecture. Every later round serves one
    device, in turn: a classifier is trained on all measurements, the architectures it is trained to call positive have
    children by two-point crossover and mutation, and of the children it is confident about those are measured that
    spread best over the predicted latency.

    Notes
    -----
    Different from the description: the classifier is trained anew in every round instead of going on from the last
    one, so that a round needs nothing but the measurements; and a latency predictor is used to spread the proposals.
    """

    first_share: ClassVar[float] = 0.25
    round_size: ClassVar[int] = 8

    pool: Annotated[
        int, Option("Number of children that are generated for each architecture that is measured.", ge=1)
    ] = 10
    generations: Annotated[int, Option("Generations of children in each round.", ge=1)] = 1
    epochs: Annotated[int, Option("Passes of the classifier over its pairs in each round.", ge=1)] = 200
    hidden: Annotated[int, Option("Width of the classifier.", ge=1)] = 128
    learning_rate: Annotated[float, Option("Learning rate of the classifier.", gt=0)] = 1e-3
    predictor_steps: Annotated[
        int,
        Option("Updates of the latency predictor that spreads the proposals.", ge=1),
    ] = 100

    def _options(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "hidden": self.hidden, "learning_rate": self.learning_rate}

    @classmethod
    def round_sizes(cls, evaluations: int, rounds: int | None = None) -> list[int]:
        first = max(1, round(cls.first_share * evaluations))
        rounds = rounds or 1 + -(-(evaluations - first) // cls.round_size)
        if rounds == 1 or evaluations == first:
            return [evaluations]
        return [first, *super().round_sizes(evaluations - first, rounds - 1)]

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        device = self._device(self.measurements)
        known = self.measurements.complete(device)
        if len(known) < 2:
            return self.first_new(np.concatenate([self.space.extremes(), self.space.sample(n, rng=rng)]), n, rng=rng)
        with torch_threads(1):
            classifier = ParetoClassifier(self.space, known, device, **self._options(), rng=rng)
            candidates = self._evolved(classifier, known, device, n, rng=rng)
            latency = MLPPredictor.of_latency(self.space, known, device, rng=rng, steps=self.predictor_steps)
            ranked = _spread(candidates, classifier(candidates), latency(candidates), n)
        return self.first_new(ranked, n, rng=rng)

    def report(self) -> pd.DataFrame:
        """Return how well the classifier of each round predicted the labels of the architectures measured in it.

        Returns
        -------
        DataFrame
            ``round``, ``device``, ``positive_rate`` of the round's architectures, and ``f1`` and ``auc`` of the
            classifier on them; ``auc`` is NaN where all have one label.
        """
        rows = []
        for number in range(1, self.measurements.n_rounds):
            told = self.measurements.rows(self.measurements.round < number)
            device = self._device(told)
            part = self.measurements.rows(self.measurements.round == number).complete(device)
            known, rng = told.complete(device), np.random.default_rng([self.seed, number])
            if len(part) == 0 or len(known) < 2:
                continue
            with torch_threads(1):
                classifier = ParetoClassifier(self.space, known, device, **self._options(), rng=rng)
                probability = classifier(part.choices)
            labels = classifier.labels(part.objectives(device))
            auc = roc_auc_score(labels, probability) if len(set(labels.tolist())) == 2 else np.nan
            f1 = f1_score(labels, probability > 0.5, zero_division=0.0)
            rows.append((number, device, labels.mean(), f1, auc))
        return pd.DataFrame(rows, columns=["round", "device", "positive_rate", "f1", "auc"])

    def _device(self, told: Measurements) -> str:
        return self.devices[told.n_rounds % len(self.devices)]

    def _evolved(
        self, classifier: ParetoClassifier, known: Measurements, device: str, n: int, *, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the new children, at most ``pool * n`` of each generation, shape (n_children, n_choices)."""
        parents = known.choices[classifier.labels(known.objectives(device))]
        parents = parents if len(parents) else known.choices
        children = np.empty((0, self.space.n_choices), dtype=np.int8)
        for _ in range(self.generations):
            first, second = parents[rng.integers(len(parents), size=(2, self.pool * n))]
            crossed = rng.random((len(first), 1)) < CROSSOVER_RATE
            mated = np.where(crossed, two_point_crossover(first, second, rng=rng), first)
            children = unique(np.concatenate([children, self.space.mutate(mated, rng=rng)]))
            both = np.concatenate([parents, children])
            parents = both[np.argsort(-classifier(both), kind="stable")[: self.pool * n]]
        return without(children, self.evaluated())


def _spread(candidates: np.ndarray, probability: np.ndarray, latency_ms: np.ndarray, n: int) -> np.ndarray:
    """Return the confident candidates that lie evenly over the latency first, then all others by probability."""
    by_probability = np.argsort(-probability, kind="stable")
    confident = by_probability[: max((probability > MIN_PROBABILITY).sum(), min(n, len(candidates)))]
    along = confident[np.argsort(latency_ms[confident], kind="stable")]
    even = along[np.unique(np.linspace(0, len(along) - 1, n).round().astype(int))] if len(along) else along
    return unique(candidates[np.concatenate([even, by_probability])])
