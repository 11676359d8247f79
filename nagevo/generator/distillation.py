"""From the frontier targets of all devices to one trained generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nagevo.config import GeneratorConfig
from nagevo.generator.conditions import DeviceView, limited
from nagevo.generator.model import FrontierModel
from nagevo.predictor import Predictor
from nagevo.progress import track
from nagevo.spaces.base import SearchSpace, unique

LATTICE = 256
"""Budgets for each device, and requests of several limits, for which there are targets."""

TARGETS = 16
"""Architectures that a request may be answered with while learning."""

SOFTNESS = 0.02
"""Accuracy, as a share of the frontier's range, by which a target may fall short before it is e times rarer."""


@dataclass(frozen=True)
class Targets:
    """What to answer on a device: to request ``k``, ``choices[k, j]`` with weight ``weights[k, j]``.

    Attributes
    ----------
    conditions : ndarray of float32, shape (n, n_conditions)
    choices : ndarray of int8, shape (n, n_targets, n_choices)
    weights : ndarray, shape (n, n_targets)
        Rows add up to 1.
    """

    conditions: np.ndarray
    choices: np.ndarray
    weights: np.ndarray


def candidate_pool(space: SearchSpace, frontiers: np.ndarray) -> np.ndarray:
    """Return the members of the frontiers and everything one choice away from them, distinct."""
    return unique(np.concatenate([frontiers, *(space.neighbors(row) for row in frontiers)]))


def device_view(predictor: Predictor, device: str, pool: np.ndarray, probes: np.ndarray) -> DeviceView:
    """Return how the generator sees a device: its probes, and the range of each limit that the pool spans there."""
    values = limited(predictor.space, pool, predictor.latency_ms(device, pool))
    best = int(np.argmax(predictor.accuracy(pool)))
    lower = values.min(axis=0)
    upper = np.maximum(values[best], lower * (1 + 1e-6))
    return DeviceView(predictor.latency_ms(device, probes), lower, upper)


def make_targets(
    predictor: Predictor, device: str, view: DeviceView, pool: np.ndarray, *, rng: np.random.Generator
) -> Targets:
    """Return the most accurate architectures of the pool for budgets and for requests of several limits.

    Requests that no architecture of the pool holds are left out.
    """
    accuracy = predictor.accuracy(pool)
    values = limited(predictor.space, pool, predictor.latency_ms(device, pool))
    order = np.argsort(-accuracy, kind="stable")
    temperature = SOFTNESS * max(np.ptp(accuracy), 1e-6)
    requests = np.concatenate([view.lattice(LATTICE), view.several(LATTICE, rng=rng)])
    answerable, chosen, weights = [], [], []
    for number, request in enumerate(requests):
        limits = np.where(np.isnan(request), np.inf, request * (1 + 1e-9))
        holding = order[(values[order] <= limits).all(axis=1)][:TARGETS]
        if len(holding):
            answerable.append(number)
            chosen.append(np.resize(holding, TARGETS))
            weight = np.exp((accuracy[holding] - accuracy[holding[0]]) / temperature)
            weights.append(np.pad(weight / weight.sum(), (0, TARGETS - len(holding))))
    return Targets(view.conditions(requests[answerable]), pool[np.array(chosen)], np.array(weights))


def distill(space: SearchSpace, targets: Mapping[str, Targets], config: GeneratorConfig, *, seed: int) -> FrontierModel:
    """Return a generator that imitates the targets of all devices.

    Each step draws devices and budgets uniformly and a target of each by its weight, and ascends the log-likelihood.
    """
    conditions = torch.from_numpy(np.concatenate([target.conditions for target in targets.values()]))
    choices = torch.from_numpy(np.concatenate([target.choices for target in targets.values()])).long()
    weights = torch.from_numpy(np.concatenate([target.weights for target in targets.values()]))
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FrontierModel(space.n_options, conditions.shape[1], config.hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.steps)
    for _ in track(range(config.steps), "distilling the generator"):
        row = torch.randint(len(conditions), (config.batch,), generator=rng)
        target = torch.multinomial(weights[row], 1, generator=rng).squeeze(1)
        loss = -model.log_likelihood(conditions[row], choices[row, target]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()
