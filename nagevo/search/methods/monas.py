"""MONAS: one recurrent policy for each trade-off, rewarded by accuracy and latency.

References
----------
Hsu, Chang, Juan, Pan, Chen, Wei, Chang 2018, "MONAS: Multi-Objective Neural Architecture Search using Reinforcement
Learning": an LSTM that makes the choices, trained by REINFORCE with a reward of accuracy and energy. The formulas of
the rewards and the hyper-parameters are from memory and count as design choices here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch

from nagevo.foundation.frontier import ERROR, VALUE, frontier, scale
from nagevo.foundation.options import Option
from nagevo.measure.measurements import Measurements
from nagevo.search.base import Strategy
from nagevo.search.methods.controller import Controller, policy_step, reinforce
from nagevo.search.methods.learning import MLPPredictor, seeded, torch_generator
from nagevo.spaces.base import unique, without
from nagevo.training.accelerator import torch_threads

Scaled = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From accuracy, latency and the trade-off, all scaled, to the reward."""


def mixed(accuracy: np.ndarray, latency: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``alpha * accuracy - (1 - alpha) * latency``."""
    return alpha * accuracy - (1.0 - alpha) * latency


def latency_constraint(accuracy: np.ndarray, latency: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return the accuracy where the latency holds the limit, and 0 elsewhere."""
    return np.where(latency <= limit, accuracy, 0.0)


def accuracy_constraint(accuracy: np.ndarray, latency: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return ``1 - latency`` where the accuracy reaches the limit, and 0 elsewhere."""
    return np.where(accuracy >= limit, 1.0 - latency, 0.0)


REWARDS: dict[str, Scaled] = {
    "mixed": mixed,
    "latency_constraint": latency_constraint,
    "accuracy_constraint": accuracy_constraint,
}


@dataclass(eq=False, repr=False, kw_only=True)
class MONAS(Strategy):
    """Train a recurrent policy by reinforcement learning for each device and trade-off (MONAS).

    Notes
    -----
    The published space is the numbers of filters of a small network; here the controller makes the choices of any
    space. All policies have equal shares of the evaluations. Energy is the latency. The first round is random, with the
    smallest and the largest architecture.
    """

    default_rounds: ClassVar[int] = 4

    reward: Annotated[
        Literal["mixed", "latency_constraint", "accuracy_constraint"],
        Option("Reward: weighted sum, or accuracy or latency under a constraint on the other."),
    ] = "mixed"
    trade_offs: Annotated[int, Option("Policies of each device: weights or limits, evenly spaced.", ge=2)] = 11
    rewards_from: Annotated[
        Literal["predictors", "measurements"],
        Option("Source of rewards; `measurements` is the published method, with one update in each round."),
    ] = "predictors"
    iterations: Annotated[int, Option("Updates of the policies in each round.", ge=1)] = 100
    batch: Annotated[int, Option("Architectures of each policy in one update.", ge=1)] = 16
    predictor_steps: Annotated[int, Option("Updates of each predictor in each round.", ge=1)] = 200
    hidden: Annotated[int, Option("Size of the controllers' state.", ge=1)] = 64
    learning_rate: Annotated[float, Option("Learning rate of the policies.", gt=0)] = 1e-2
    entropy: Annotated[float, Option("Weight of the policies' entropy.", ge=0)] = 1e-3
    decay: Annotated[float, Option("Decay of the moving average of rewards that serves as baseline.", ge=0, lt=1)] = 0.9

    @property
    def n_policies(self) -> int:
        """Number of policies, those of the first device before those of the next."""
        return len(self.devices) * self.trade_offs

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        if any(len(self.measurements.complete(device)) < 2 for device in self.devices):
            return self.first_new(np.concatenate([self.space.extremes(), self.space.sample(n, rng=rng)]), n, rng=rng)
        with torch_threads(1):
            train = self._from_predictors if self.rewards_from == "predictors" else self._from_measurements
            controller = train(rng)
            with torch.no_grad():
                start = torch.zeros(self.n_policies, 4 * self.batch, self.hidden)
                samples = controller(start, generator=torch_generator(rng))[0].numpy().astype(np.int8)
        return self.first_new(self._one_after_the_other(samples, n, rng=rng), n, rng=rng)

    def _one_after_the_other(self, samples: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n new architectures, each policy's share in the block that :meth:`blocks` gives it.

        A policy that has no new ones left is completed by random ones.
        """
        chosen = np.empty((0, self.space.n_choices), dtype=np.int8)
        for policy, rows in self.blocks(n, self.measurements.n_rounds):
            known = np.concatenate([self.evaluated(), chosen])
            new = without(unique(self.space.normal(samples[policy])), known)[: len(rows)]
            known = np.concatenate([known, new])
            missing = min(len(rows) - len(new), self.space.size - len(known))
            chosen = np.concatenate([chosen, new, self.space.sample_distinct(missing, rng=rng, exclude=known)])
        return chosen

    def blocks(self, n: int, number: int) -> list[tuple[int, np.ndarray]]:
        """Return each policy with the positions of its proposals among the n of a round.

        Where n is not a multiple of the number of policies, the remainder goes to other policies in each round.
        """
        order = (np.arange(self.n_policies) + number * n) % self.n_policies
        return list(zip(order.tolist(), np.array_split(np.arange(n), self.n_policies), strict=True))

    def _untrained(self, rng: np.random.Generator) -> tuple[Controller, torch.optim.Optimizer]:
        """Return fresh policies with their optimizer."""

        def build() -> Controller:
            return Controller(self.space.n_options, n_policies=self.n_policies, hidden=self.hidden)

        controller = seeded(build, rng=rng)
        return controller, torch.optim.Adam(controller.parameters(), lr=self.learning_rate, fused=True)

    def _rewards(self, accuracy: np.ndarray, latency_ms: np.ndarray) -> np.ndarray:
        """Return the reward of every policy for its architectures, shape (n_policies, n).

        Parameters
        ----------
        accuracy, latency_ms : ndarray, shape (n_devices, n_trade_offs * n)
            Those of the policies of each device, one policy after the other.
        """
        rewards, trade_offs = [], np.linspace(0.0, 1.0, self.trade_offs)[:, None]
        for device, percent, milliseconds in zip(self.devices, accuracy, latency_ms, strict=True):
            objectives = self.measurements.objectives(device)
            scaled = scale(np.column_stack([100.0 - percent, milliseconds]), objectives[frontier(objectives)])
            of_policy = scaled.reshape(self.trade_offs, -1, 2)
            reward = REWARDS[self.reward](1.0 - of_policy[..., ERROR], of_policy[..., VALUE], trade_offs)
            rewards.append(reward)
        return np.concatenate(rewards)

    def _from_predictors(self, rng: np.random.Generator) -> Controller:
        """Return policies trained on predicted rewards."""
        options: dict[str, Any] = {"steps": self.predictor_steps, "rng": rng}
        accuracy = MLPPredictor.of_accuracy(self.space, self.measurements, **options)
        latency = [MLPPredictor.of_latency(self.space, self.measurements, device, **options) for device in self.devices]
        baseline = _MovingAverage(self.decay)

        def advantage(choices: np.ndarray) -> np.ndarray:
            rows = self.space.normal(choices.reshape(-1, self.space.n_choices).astype(np.int8))
            by_device = rows.reshape(len(self.devices), -1, self.space.n_choices)
            latency_ms = np.stack([predict(part) for predict, part in zip(latency, by_device, strict=True)])
            rewards = self._rewards(accuracy(rows).reshape(latency_ms.shape), latency_ms)
            return rewards - baseline.update(rewards.mean(axis=1))[:, None]

        controller, optimizer = self._untrained(rng)
        reinforce(
            controller,
            lambda: torch.zeros(self.n_policies, self.batch, self.hidden),
            advantage,
            optimizer=optimizer,
            iterations=self.iterations,
            entropy=self.entropy,
            generator=torch_generator(rng),
        )
        return controller

    def _from_measurements(self, rng: np.random.Generator) -> Controller:
        """Return policies updated once for each round by what they proposed in it: every round is replayed."""
        controller, optimizer = self._untrained(np.random.default_rng(self.seed))
        baseline = _MovingAverage(self.decay)
        for number, part in enumerate(self.measurements.rounds()):
            choices, rewards = self.rewarded(part, number)
            start = torch.zeros(*rewards.shape, self.hidden)
            _, log_probability, spread = controller(start, choices=torch.from_numpy(choices).long())
            n_known = np.isfinite(rewards).sum(axis=1)
            mean = np.nansum(rewards, axis=1) / np.where(n_known > 0, n_known, np.nan)
            advantage = np.nan_to_num(rewards - baseline.update(mean)[:, None])
            policy_step(optimizer, log_probability, spread, advantage, entropy=self.entropy)
        return controller

    def rewarded(self, part: Measurements, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what each policy proposed in a round, shape (n_policies, n, n_choices), with its reward.

        The reward, shape (n_policies, n), is NaN where a measurement failed or a policy proposed fewer.
        """
        blocks = self.blocks(len(part), number)
        longest = max(len(rows) for _, rows in blocks)
        choices = np.zeros((self.n_policies, longest, self.space.n_choices), dtype=np.int8)
        accuracy, latency_ms = np.full((2, self.n_policies, longest), np.nan)
        for policy, rows in blocks:
            device = self.devices[policy // self.trade_offs]
            choices[policy, : len(rows)] = part.choices[rows]
            accuracy[policy, : len(rows)] = part.accuracy[rows]
            latency_ms[policy, : len(rows)] = part.values[device][rows]
        shape = (len(self.devices), -1)
        rewards = self._rewards(accuracy.reshape(shape), latency_ms.reshape(shape))
        return choices, np.where(np.isfinite(accuracy + latency_ms), rewards, np.nan)


class _MovingAverage:
    """Exponential moving average of each entry, started at its first number; NaN leaves it as it is."""

    def __init__(self, decay: float):
        self.decay, self.value = decay, np.array(np.nan)

    def update(self, values: np.ndarray) -> np.ndarray:
        blended = self.decay * self.value + (1.0 - self.decay) * values
        self.value = np.where(np.isnan(values), self.value, np.where(np.isnan(self.value), values, blended))
        return self.value
