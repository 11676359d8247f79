"""PNAG: a controller conditioned on a budget, rewarded by a learned judge of Pareto dominance.

References
----------
Guo, Chen, Zheng, Chen, Jin, Huang, Tan 2021, "Pareto-Frontier-aware Neural Architecture Generation for Diverse
Budgets": pairwise labels and ranking loss of the architecture evaluator, the budget-conditioned LSTM generator and its
policy gradient, as in the authors' code. The interpolation of the budget embedding follows the paper's idea from
memory and is a design choice here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from nagevo.foundation.errors import ConfigError, DataError, unknown
from nagevo.foundation.frontier import frontier
from nagevo.foundation.options import Option
from nagevo.measure.measurements import Measurements
from nagevo.search.base import Strategy
from nagevo.search.methods.controller import Controller, reinforce
from nagevo.search.methods.learning import (
    Inputs,
    MLPPredictor,
    batches,
    descend,
    mlp,
    seeded,
    torch_generator,
)
from nagevo.spaces.base import SearchSpace
from nagevo.training.accelerator import torch_threads

Reward = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From choices, shape (n_budgets, n, n_choices), and budgets (ms), shape (n_budgets,), to shape (n_budgets, n)."""

REWARDS = ("ranking", "mnasnet", "tunas")
EXPONENT = -0.07
"""Exponent of the latency ratio in the MnasNet reward, and weight of the deviation in the TuNAS reward."""

POOL = 2048
"""Unmeasured architectures, labeled by the predictors, that the evaluator learns from beside the measured ones."""


def pairwise_labels(accuracy: np.ndarray, latency_ms: np.ndarray, budget: float) -> np.ndarray:
    """Return which of two architectures is the better answer to a budget.

    If both hold the budget, the more accurate one; if both exceed it, the faster one; else the one that holds it.

    Parameters
    ----------
    accuracy, latency_ms : ndarray, shape (n,)
    budget : float
        In ms.

    Returns
    -------
    ndarray, shape (n, n)
        1 where the row's architecture is the better one, -1 where the column's is, 0 where they are equal.
    """
    merit = np.where(latency_ms <= budget, accuracy - accuracy.min(), budget - latency_ms)
    return np.sign(merit[:, None] - merit[None, :])


def interpolation(budgets: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Return how much of each trained budget a budget consists of, shape (n_budgets, n_trained).

    Between two neighbors the weight moves linearly from one to the other; at a trained budget, and beyond the first
    and the last, all of it is on one.

    >>> interpolation(np.array([1.0, 2.0, 5.0]), trained=np.array([1.0, 3.0])).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    unit = np.eye(len(trained))
    return np.column_stack([np.interp(budgets, trained, unit[k]) for k in range(len(trained))])


def mnasnet_reward(accuracy: np.ndarray, latency_ms: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Return ``accuracy * (latency / budget) ** -0.07`` (Tan et al. 2019, "MnasNet"), accuracy in [0, 1]."""
    return accuracy / 100.0 * (latency_ms / budget) ** EXPONENT


def tunas_reward(accuracy: np.ndarray, latency_ms: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Return ``accuracy - 0.07 * |latency / budget - 1|`` (Bender et al. 2020, "TuNAS"), accuracy in [0, 1]."""
    return accuracy / 100.0 + EXPONENT * np.abs(latency_ms / budget - 1.0)


class PNAGGenerator:
    """Answers budgets on one device with architectures sampled from a controller.

    Parameters
    ----------
    reward : {"ranking", "mnasnet", "tunas"}
        The learned judge of dominance, or one of the rewards that PNAG was compared with.
    iterations : int
        Policy updates.
    batch : int
        Architectures in each update; ``iterations * batch`` is how many the policy tries in training.
    evaluator_steps, predictor_steps : int
        Updates of the judge, and of each of the two predictors.
    hidden : int
        Width of judge and predictors.
    learning_rate : float
        Learning rate of the policy.
    entropy : float
        Weight of the policy's entropy beside the scaled reward.

    Notes
    -----
    As in PNAG's code: the form, loss and optimizer of predictors and judge (:class:`MLPPredictor`), 256 architectures
    and one random budget in each step of the judge, the controller, Adam, and the best of ten samples among those whose
    predicted latency holds the budget. Different here: the judge and the predictors learn from what the search
    measured, completed by 2,048 random architectures that the predictors label, instead of 16,000 labeled ones. The
    10,001 updates of one sample each, at a learning rate of 3e-4, are 160 of 64 at 1e-2; the embeddings of the budgets
    start at unit variance instead of within 0.1, without which so few updates do not make the policy heed the budget.
    A reward counts less its mean over the samples of one budget, a baseline that the code does not have, and over its
    deviation on random architectures, so that one entropy weight fits all rewards. Published is 1e-3 on both the reward
    and the entropy: with the judge's outputs deviating by 3 to 8, as on nasbench201, that would be 0.12 to 0.35 here.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        reward: str = "ranking",
        iterations: int = 160,
        batch: int = 64,
        evaluator_steps: int = 200,
        predictor_steps: int = 200,
        hidden: int = 256,
        learning_rate: float = 1e-2,
        entropy: float = 0.05,
        seed: int = 0,
    ):
        if reward not in REWARDS:
            raise ConfigError(unknown("reward", reward, REWARDS))
        self.space, self.reward, self.iterations, self.batch = space, reward, iterations, batch
        self.evaluator_steps, self.predictor_steps, self.hidden = evaluator_steps, predictor_steps, hidden
        self.learning_rate, self.entropy = learning_rate, entropy
        self.rng = np.random.default_rng(seed)

    def fit(
        self,
        measurements: Measurements,
        device: str,
        budgets: Sequence[float] | np.ndarray,
        *,
        accuracy: MLPPredictor | None = None,
    ) -> PNAGGenerator:
        """Train on the measurements for some budgets and return self.

        Parameters
        ----------
        budgets : sequence of float
            In ms; others are answered by interpolation.
        accuracy : callable, optional
            Predictor of accuracy to use; fitted when absent.

        Raises
        ------
        DataError
            If fewer than two rows have an accuracy and a latency on the device.
        """
        known = measurements.complete(device)
        if len(known) < 2:
            raise DataError(f"PNAG needs two architectures measured on {device} to learn from, got {len(known)}")
        self.budgets = np.unique(np.asarray(budgets, dtype=float))
        with torch_threads(1):
            options: dict[str, Any] = {"steps": self.predictor_steps, "hidden": self.hidden, "rng": self.rng}
            self.accuracy = accuracy or MLPPredictor.of_accuracy(self.space, measurements, **options)
            self.latency = MLPPredictor.of_latency(self.space, measurements, device, **options)
            self._train_controller(self._reward(known, device))
        return self

    def answer(self, budgets: Sequence[float] | np.ndarray, *, samples: int = 1) -> np.ndarray:
        """Return one architecture for each budget, shape (n_budgets, n_choices).

        Parameters
        ----------
        budgets : sequence of float
            In ms.
        samples : int
            1 decodes the most probable architecture; more draws as many and returns the best.
        """
        return self.ranked(budgets, samples=samples)[:, 0]

    def ranked(self, budgets: Sequence[float] | np.ndarray, *, samples: int) -> np.ndarray:
        """Return sampled architectures for each budget, best first, shape (n_budgets, samples, n_choices).

        Those predicted to hold the budget come first, the most accurate of them before; the others follow by latency.
        """
        budgets = np.asarray(budgets, dtype=float)
        with torch_threads(1), torch.no_grad():
            start = self._start(np.repeat(budgets, samples))
            generator = torch_generator(self.rng) if samples > 1 else None
            choices = self.space.normal(self.controller(start, generator=generator)[0][0].numpy().astype(np.int8))
            accuracy, latency = self.accuracy(choices), self.latency(choices)
        choices = choices.reshape(len(budgets), samples, -1)
        accuracy, latency = accuracy.reshape(len(budgets), samples), latency.reshape(len(budgets), samples)
        holds = latency <= budgets[:, None]
        order = np.lexsort((np.where(holds, -accuracy, latency), ~holds))
        return np.take_along_axis(choices, order[..., None], axis=1)

    def embedding(self, budgets: np.ndarray) -> torch.Tensor:
        """Return the embedding of each budget (ms), interpolated between trained ones, shape (n_budgets, hidden)."""
        return torch.from_numpy(interpolation(budgets, self.budgets).astype(np.float32)) @ self.embeddings.weight

    def _start(self, budgets: np.ndarray) -> torch.Tensor:
        return self.embedding(budgets)[None]

    def _train_controller(self, reward: Reward) -> None:
        self.controller = seeded(lambda: Controller(self.space.n_options), rng=self.rng)
        self.embeddings = seeded(lambda: nn.Embedding(len(self.budgets), self.controller.hidden), rng=self.rng)
        share = -(-self.batch // len(self.budgets))
        repeated = np.repeat(self.budgets, share)

        pool = self.space.sample(POOL, rng=self.rng)
        spread = reward(np.broadcast_to(pool, (len(self.budgets), *pool.shape)), self.budgets).std(
            axis=1, keepdims=True
        )

        def advantage(choices: np.ndarray) -> np.ndarray:
            rewards = reward(choices.reshape(len(self.budgets), share, -1), self.budgets)
            centered = rewards - rewards.mean(axis=1, keepdims=True)
            return (centered / np.where(spread > 0, spread, 1.0)).reshape(1, -1)

        parameters = [*self.controller.parameters(), *self.embeddings.parameters()]
        reinforce(
            self.controller,
            lambda: self._start(repeated),
            advantage,
            optimizer=torch.optim.Adam(parameters, lr=self.learning_rate, fused=True),
            iterations=self.iterations,
            entropy=self.entropy,
            generator=torch_generator(self.rng),
        )

    def _reward(self, known: Measurements, device: str) -> Reward:
        if self.reward == "ranking":
            return self._train_evaluator(known, device)
        formula = {"mnasnet": mnasnet_reward, "tunas": tunas_reward}[self.reward]

        def reward(choices: np.ndarray, budgets: np.ndarray) -> np.ndarray:
            rows = choices.reshape(-1, self.space.n_choices).astype(np.int8)
            limits = np.repeat(budgets, choices.shape[1])
            return formula(self.accuracy(rows), self.latency(rows), limits).reshape(choices.shape[:2])

        return reward

    def _train_evaluator(self, known: Measurements, device: str) -> Reward:
        """Return the learned judge R(architecture | budget)."""
        pool = self.space.sample(POOL, rng=self.rng)
        choices = np.concatenate([known.choices, pool])
        accuracy = np.concatenate([known.accuracy, self.accuracy(pool)])
        latency = np.concatenate([known.values[device], self.latency(pool)])
        inputs = Inputs(self.space, choices)
        features = inputs(choices)
        ids = torch.eye(len(self.budgets))
        judge = seeded(lambda: mlp(inputs.n_inputs + len(ids), self.hidden), rng=self.rng)
        rows = batches(len(choices), 256, generator=torch_generator(self.rng))

        def loss() -> torch.Tensor:
            part, k = next(rows), self.rng.integers(len(ids))
            labels = pairwise_labels(accuracy[part], latency[part], self.budgets[k])
            return ranking_loss(judge(_conditioned(features[part], ids[k])), torch.from_numpy(labels).float())

        optimizer = torch.optim.SGD(judge.parameters(), lr=0.2, momentum=0.9, nesterov=True, weight_decay=3e-5)
        descend(judge, loss, steps=self.evaluator_steps, optimizer=optimizer)

        @torch.no_grad()
        def reward(choices: np.ndarray, budgets: np.ndarray) -> np.ndarray:
            rows = inputs(choices.reshape(-1, self.space.n_choices).astype(np.int8))
            weights = torch.from_numpy(interpolation(budgets, self.budgets).astype(np.float32))
            conditions = weights.repeat_interleave(choices.shape[1], dim=0)
            return judge(torch.cat([rows, conditions], dim=1)).numpy().reshape(choices.shape[:2])

        return reward


def ranking_loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean over all pairs of ``log(1 + exp(-label * (score_row - score_column)))``.

    The paper writes a hinge; its code has this logistic loss.
    """
    return nn.functional.softplus(-labels * (scores[:, None] - scores[None, :])).mean()


def _conditioned(features: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    return torch.cat([features, condition.expand(len(features), -1)], dim=1)


@dataclass(eq=False, repr=False, kw_only=True)
class PNAG(Strategy):
    """Train PNAG's generator, and measure the architectures that it answers to evenly spaced budgets.

    The first round is random, with the smallest and the largest architecture. In every later round a generator is
    trained anew for each device on all measurements, for ``budgets`` budgets evenly spaced over the measured frontier,
    and asked for as many budgets, most of them between trained ones, as the device has proposals.
    """

    default_rounds: ClassVar[int] = 4

    budgets: Annotated[int, Option("Budgets of each device that the controller is trained for.", ge=1)] = 5
    samples: Annotated[
        int,
        Option("Architectures sampled for each budget asked, of which the best are measured.", ge=2),
    ] = 10
    reward: Annotated[
        Literal["ranking", "mnasnet", "tunas"],
        Option("Reward: a learned judge of Pareto dominance, or those of MnasNet and TuNAS."),
    ] = "ranking"
    iterations: Annotated[int, Option("Updates of the policy in each round.", ge=1)] = 160
    batch: Annotated[int, Option("Architectures in each update of the policy.", ge=1)] = 64
    evaluator_steps: Annotated[int, Option("Updates of the judge in each round.", ge=1)] = 200
    predictor_steps: Annotated[int, Option("Updates of each predictor in each round.", ge=1)] = 200
    hidden: Annotated[int, Option("Width of judge and predictors.", ge=1)] = 256
    learning_rate: Annotated[float, Option("Learning rate of the policy.", gt=0)] = 1e-2
    entropy: Annotated[float, Option("Weight of the policy's entropy.", ge=0)] = 0.05

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        shares = {device: share for device, share in self.shares(n).items() if share}
        if any(len(self.measurements.complete(device)) < 2 for device in shares):
            return self.first_new(np.concatenate([self.space.extremes(), self.space.sample(n, rng=rng)]), n, rng=rng)
        with torch_threads(1):
            accuracy = MLPPredictor.of_accuracy(
                self.space, self.measurements, rng=rng, steps=self.predictor_steps, hidden=self.hidden
            )
        proposals = [self._proposals(device, share, accuracy, rng=rng) for device, share in shares.items()]
        return self.first_new(np.concatenate(proposals), n, rng=rng)

    def _proposals(self, device: str, n: int, accuracy: MLPPredictor, *, rng: np.random.Generator) -> np.ndarray:
        known = self.measurements.complete(device)
        latency = known.values[device][frontier(known.objectives(device))]
        generator = PNAGGenerator(
            self.space,
            reward=self.reward,
            iterations=self.iterations,
            batch=self.batch,
            evaluator_steps=self.evaluator_steps,
            predictor_steps=self.predictor_steps,
            hidden=self.hidden,
            learning_rate=self.learning_rate,
            entropy=self.entropy,
            seed=int(rng.integers(2**32)),
        )
        generator.fit(self.measurements, device, np.linspace(latency[0], latency[-1], self.budgets), accuracy=accuracy)
        ranked = generator.ranked(np.linspace(latency[0], latency[-1], n), samples=self.samples)
        first_choices = np.swapaxes(ranked, 0, 1).reshape(-1, self.space.n_choices)
        return self.first_new(first_choices, n, rng=rng)
