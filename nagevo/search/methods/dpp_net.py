"""DPP-Net: architectures grow choice by choice, and only the predicted Pareto-optimal ones of each step are measured.

References
----------
Dong, Cheng, Juan, Wei, Sun 2018, "DPP-Net: Device-aware Progressive Search for Pareto-optimal Neural Architectures":
the three steps train and mutate, update and infer, select; and a recurrent regressor as surrogate. Its sizes are from
memory and count as design choices here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from nagevo.foundation.options import Option
from nagevo.search.base import Strategy
from nagevo.search.methods.learning import MLPPredictor, descend, seeded
from nagevo.search.nsga2 import fronts
from nagevo.spaces.base import SearchSpace, unique, without
from nagevo.training.accelerator import torch_threads

Objectives = Callable[[np.ndarray], np.ndarray]
"""From choices, shape (n, n_choices), to error (percent) and latency (ms) on each device, shape (n, 1 + n_devices)."""


MAX_EXPANDED = 4096
"""Maximum number of architectures kept while choices are expanded that give no new networks."""


def expanded(space: SearchSpace, choices: np.ndarray, choice: int) -> np.ndarray:
    """Return every architecture with every option of one choice, shape (n * n_options[choice], n_choices).

    The rows are as given but for that choice: not in normal form, because a choice that does not matter yet may matter
    once others are made.
    """
    n = space.n_options[choice]
    rows = np.repeat(choices, n, axis=0)
    rows[:, choice] = np.tile(np.arange(n), len(choices))
    return rows


def pareto_order(objectives: np.ndarray) -> np.ndarray:
    """Return the indices of the rows by nondominated rank, within a rank the least crowded first.

    Parameters
    ----------
    objectives : ndarray, shape (n, n_objectives)
        Minimized, finite.
    """
    rank, crowding = fronts(objectives)
    return np.lexsort((-crowding, rank))


class RecurrentRegressor(nn.Module):
    """LSTM over the embedded choices of an architecture with a sigmoid output in (0, 1)."""

    offsets: torch.Tensor

    def __init__(self, n_options: Sequence[int], *, embedding: int = 32, hidden: int = 64):
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, *np.cumsum(n_options)[:-1]]))
        self.embedding = nn.Embedding(sum(n_options), embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, choices: torch.Tensor) -> torch.Tensor:
        """Return one number for each row of option indices, shape (n,)."""
        embedded = self.embedding(choices.long() + self.offsets)  # (n, n_choices, embedding)
        _, (last, _) = self.lstm(embedded)  # (1, n, hidden)
        return torch.sigmoid(self.head(last[0]))[:, 0]


class RecurrentEnsemble:
    """Mean of several recurrent regressors of one quantity, each from its own initial weights.

    Targets are scaled to [0.1, 0.9], so that architectures outside the measured range can be told apart as well.
    """

    def __init__(
        self,
        space: SearchSpace,
        choices: np.ndarray,
        values: np.ndarray,
        *,
        members: int,
        steps: int,
        learning_rate: float,
        rng: np.random.Generator,
    ):
        self.low, self.range = values.min(), np.ptp(values) or 1.0
        x = torch.from_numpy(choices)
        y = torch.from_numpy((0.1 + 0.8 * (values - self.low) / self.range).astype(np.float32))
        self.networks = [seeded(lambda: RecurrentRegressor(space.n_options), rng=rng) for _ in range(members)]
        for network in self.networks:
            optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
            descend(network, lambda: nn.functional.mse_loss(network(x), y), steps=steps, optimizer=optimizer)  # noqa: B023

    @torch.no_grad()
    def __call__(self, choices: np.ndarray) -> np.ndarray:
        outputs = [network(torch.from_numpy(choices)).numpy() for network in self.networks]
        return self.low + self.range * (np.mean(outputs, axis=0) - 0.1) / 0.8


@dataclass(eq=False, repr=False, kw_only=True)
class DPPNet(Strategy):
    """Grow architectures choice by choice, and measure those that are predicted to be Pareto-optimal (DPP-Net).

    Every round but the first takes the best measured architectures, expands them by all options of the next choice, and
    measures those that accuracy and the latencies on all devices, as predicted, put into the first nondominated ranks,
    the least crowded first.

    Notes
    -----
    Published are cells that grow layer by layer from two kinds of operations; here the choices of any space are made
    in their order. Where there are more choices than rounds a round makes several, selecting by prediction after each;
    where a round finds too few new networks it makes the next choice at once; after the last choice it starts over at
    the first. What is expanded is chosen from everything measured and not from the last round alone. The publication
    measures the device metrics of all mutants; here latencies are predicted, so that only proposed architectures are
    measured.
    """

    default_rounds: ClassVar[int] = 6

    start: Annotated[
        Literal["measured", "smallest"],
        Option("Start of the growth: the best of a random first round, or (as published) the smallest architectures."),
    ] = "measured"
    members: Annotated[int, Option("Number of recurrent networks in the ensemble that predicts accuracies.", ge=1)] = 3
    steps: Annotated[int, Option("Updates of each regressor in each round.", ge=1)] = 100
    predictor_steps: Annotated[int, Option("Updates of the latency predictors in each round.", ge=1)] = 200
    learning_rate: Annotated[float, Option("Learning rate of the regressors.", gt=0)] = 1e-2

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        parents = self._parents(n)
        if not len(parents):
            return self.first_new(self._first_round(n, rng=rng), n, rng=rng)
        with torch_threads(1):
            objectives = self._predicted_objectives(rng)
            grown = self._grown(parents, n, objectives, rng=rng)
            ranked = grown[pareto_order(objectives(grown))] if len(grown) else grown
        return self.first_new(ranked, n, rng=rng)

    def _first_round(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        if self.start == "smallest":
            return rng.permutation(self._seedlings(n)[0])
        return np.concatenate([self.space.extremes(), self.space.sample(n, rng=rng)])

    def _parents(self, n: int) -> np.ndarray:
        """Return the n best measured architectures, shape (n, n_choices); fewer where there are not so many."""
        table = self.measurements
        objectives = np.column_stack([100.0 - table.accuracy, *table.values.values()])
        complete = np.isfinite(objectives).all(axis=1)
        if complete.sum() < 2:
            return np.empty((0, self.space.n_choices), dtype=np.int8)
        return table.choices[complete][pareto_order(objectives[complete])[:n]]

    def _seedlings(self, n: int) -> tuple[np.ndarray, int]:
        """Return every network of the first few choices, at least n of them if possible, and the number of choices."""
        rows = np.zeros((1, self.space.n_choices), dtype=np.int8)
        networks, n_made = rows, 0
        while len(networks) < n and n_made < self.space.n_choices:
            rows = expanded(self.space, rows, n_made)
            networks = unique(self.space.normal(rows))
            n_made += 1
        return networks, n_made

    def _grown(self, parents: np.ndarray, n: int, objectives: Objectives, *, rng: np.random.Generator) -> np.ndarray:
        """Return the new networks, at least n of them if possible, that this round's choices make of the parents."""
        first_round = int((self.measurements.round == 0).sum())
        n_made = self._seedlings(first_round)[1] if self.start == "smallest" else 0
        later_rounds = max(1, -(-self.evaluations // max(first_round, 1)) - 1)
        per_round = max(1, -(-(self.space.n_choices - n_made) // later_rounds))
        position = n_made + (self.measurements.n_rounds - 1) * per_round
        rows = parents
        for step in range(self.space.n_choices):
            rows = expanded(self.space, rows, (position + step) % self.space.n_choices)
            new = without(unique(self.space.normal(rows)), self.evaluated())
            if len(new) >= n and step + 1 >= per_round:
                break
            if len(new) >= n:
                rows = rows[pareto_order(objectives(rows))[:n]]
            elif len(rows) > MAX_EXPANDED:
                rows = rng.permutation(rows)[:MAX_EXPANDED]
        return new

    def _predicted_objectives(self, rng: np.random.Generator) -> Objectives:
        table = self.measurements
        known = np.isfinite(table.accuracy)
        accuracy = RecurrentEnsemble(
            self.space,
            table.choices[known],
            table.accuracy[known],
            members=self.members,
            steps=self.steps,
            learning_rate=self.learning_rate,
            rng=rng,
        )
        latency = [
            MLPPredictor.of_latency(self.space, table, device, rng=rng, steps=self.predictor_steps)
            for device in self.devices
        ]

        def objectives(choices: np.ndarray) -> np.ndarray:
            rows = self.space.normal(choices)
            return np.column_stack([100.0 - accuracy(rows), *(predict(rows) for predict in latency)])

        return objectives
