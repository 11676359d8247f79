"""From the frontier targets of all devices to one trained generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from nagevo.foundation.progress import track
from nagevo.generator.adaptation import choose_probes
from nagevo.generator.conditions import DeviceView, limited
from nagevo.generator.config import GeneratorConfig
from nagevo.generator.knowledge import Knowledge
from nagevo.generator.model import FrontierModel
from nagevo.generator.synthetic import SyntheticDevices, log_sources
from nagevo.learn.predictor import Predictor
from nagevo.search.nsga2 import evolve
from nagevo.spaces.base import RowIndex, SearchSpace, unique

POPULATION, GENERATIONS, FRONTIER_SIZE = 100, 20, 300
"""Size of the evolution for each device, and how many of the nondominated architectures that it finds are used."""

N_REQUESTS = 256
"""Budgets for each device, and requests of several limits, for which there are targets."""

N_TARGETS = 16
"""Targets of a request: the most accurate architectures that hold it."""

FURTHER_SHARE = 0.25
"""Share of the steps in which a model that was trained before is trained on."""

TEMPERATURE = 0.02
"""Softmax temperature of the targets, as a fraction of the accuracy range of the pool."""


@dataclass(frozen=True)
class Targets:
    """Answers to train for on a device: to request ``k``, ``choices[k, j]`` with weight ``weights[k, j]``.

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


def learn_frontiers(
    predictor: Predictor, pool: np.ndarray, config: GeneratorConfig, *, seed: int, former: Knowledge | None = None
) -> Knowledge:
    """Return a generator's knowledge of the predictor's devices; its model is trained on synthetic devices as well.

    Where every architecture of the space was measured, all of them are candidates already, and no model is trained.

    Parameters
    ----------
    predictor : Predictor
        All of whose devices have surrogates of their own.
    pool : ndarray of int8, shape (n, n_choices)
        The :func:`candidate_pool` of all frontiers; targets are chosen from it and from what evolution adds.
    former : Knowledge, optional
        Where less was measured: its probes stay, its proposals are candidates again, frontiers are searched anew on the
        predictor's devices alone, and its model is trained on, in a part of the steps.
    """
    space, rng = predictor.space, np.random.default_rng(seed)
    reference = predictor.measurements.choices
    devices = SyntheticDevices.draw(
        space.features(reference), log_sources(predictor, reference), config.synthetic_devices, rng=rng
    )
    whole = len(reference) == space.size
    n_evolved = len(predictor.known) + len(devices)
    if former is not None:
        pool, n_evolved = unique(np.concatenate([pool, former.known()])), len(predictor.known)
    pool = reference if whole else evolved_pool(predictor, devices, pool, n_devices=n_evolved, rng=rng)
    probes = choose_probes(predictor, config.probes) if former is None else former.probes
    accuracy = predictor.accuracy(pool)
    of_pool, of_probes = (all_latencies(predictor, devices, choices) for choices in (pool, probes))
    values = [limited(space, pool, latency_ms) for latency_ms in of_pool]
    views = [DeviceView.of(accuracy, *device) for device in zip(values, of_probes, strict=True)]
    decoder = None
    if not whole:
        targets = [make_targets(pool, accuracy, *device, rng=rng) for device in zip(values, views, strict=True)]
        start = None if former is None or former.decoder is None else former.decoder.weights
        decoder = distill(space, targets, config, seed=seed, start=start).decoder()
    knowledge = Knowledge(
        predictor,
        dict(zip(predictor.known, views, strict=False)),
        {},
        {},
        probes,
        seed,
        config.candidates,
        decoder,
    ).with_proposals()
    if former is None:
        return knowledge
    kept = {name: unique(np.concatenate([new, former.proposals[name]])) for name, new in knowledge.proposals.items()}
    return replace(knowledge, proposals=kept)


def evolved_pool(
    predictor: Predictor, devices: SyntheticDevices, pool: np.ndarray, *, n_devices: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the pool and what evolution finds for the first devices, on all limits at once, distinct.

    Parameters
    ----------
    pool : ndarray of int8, shape (n, n_choices)
        To start from.
    n_devices : int
        Number of devices to evolve for; the predictor's come first.
    """
    predicted = _Predictions(predictor, devices)
    found = [pool]
    for number in track(range(n_devices), "evolving for more devices"):
        evolved = evolve(
            predictor.space,
            partial(predicted.objectives, device=number),
            population=POPULATION,
            generations=GENERATIONS,
            initial=pool[rng.permutation(len(pool))[: POPULATION // 2]],
            rng=rng,
        )
        found.append(evolved.choices[rng.permutation(len(evolved.choices))[:FRONTIER_SIZE]])
    return unique(np.concatenate(found))


class _Predictions:
    """Accuracies and latencies on the known and on the synthetic devices; each architecture is predicted once."""

    def __init__(self, predictor: Predictor, devices: SyntheticDevices):
        self._predictor, self._devices = predictor, devices
        self._index, self._rows = RowIndex(), list[np.ndarray]()

    def objectives(self, choices: np.ndarray, device: int) -> np.ndarray:
        """Return error, latency on one of the devices and costs, shape (n, 2 + n_costs), all minimized."""
        new = choices[self._index.rows(choices) < 0]
        if len(new):
            values = np.column_stack(
                [100.0 - self._predictor.accuracy(new), all_latencies(self._predictor, self._devices, new).T]
            )
            self._index.add(new)
            self._rows.extend(values)
        values = np.array([self._rows[row] for row in self._index.rows(choices)])
        return np.column_stack([values[:, [0, 1 + device]], *self._predictor.space.costs(choices).values()])


def all_latencies(predictor: Predictor, devices: SyntheticDevices, choices: np.ndarray) -> np.ndarray:
    """Return the latency of architectures on the known and on the synthetic devices, shape (n_devices, n)."""
    sources = log_sources(predictor, choices)
    known = np.exp(sources[:, : len(predictor.known)]).T
    return np.concatenate([known, devices.latency_ms(predictor.space.features(choices), sources)])


def make_targets(
    pool: np.ndarray, accuracy: np.ndarray, values: np.ndarray, view: DeviceView, *, rng: np.random.Generator
) -> Targets:
    """Return the most accurate architectures of the pool for budgets and for requests of several limits on a device.

    Requests that no architecture of the pool holds are left out.

    Parameters
    ----------
    pool : ndarray of int8, shape (n, n_choices)
    accuracy : ndarray, shape (n,)
        Percent.
    values : ndarray, shape (n, n_limits)
        Need of each architecture, in the quantities of the limits.
    """
    order = np.argsort(-accuracy, kind="stable")
    temperature = TEMPERATURE * max(np.ptp(accuracy), 1e-6)
    requests = np.concatenate([view.lattice(N_REQUESTS), view.several(N_REQUESTS, rng=rng)])
    answerable, chosen, weights = [], [], []
    for number, request in enumerate(requests):
        limits = np.where(np.isnan(request), np.inf, request * (1 + 1e-9))
        holding = order[(values[order] <= limits).all(axis=1)][:N_TARGETS]
        if len(holding):
            answerable.append(number)
            chosen.append(np.resize(holding, N_TARGETS))
            weight = np.exp((accuracy[holding] - accuracy[holding[0]]) / temperature)
            weights.append(np.pad(weight / weight.sum(), (0, N_TARGETS - len(holding))))
    return Targets(view.conditions(requests[answerable]), pool[np.array(chosen)], np.array(weights))


def distill(
    space: SearchSpace,
    targets: Sequence[Targets],
    config: GeneratorConfig,
    *,
    seed: int,
    start: Mapping[str, np.ndarray] | None = None,
) -> FrontierModel:
    """Return a generator that imitates the targets of all devices.

    Each step draws devices and budgets uniformly and a target of each by its weight, and ascends the log-likelihood.
    With weights to start from, a part of the steps is enough.
    """
    steps = config.steps if start is None else max(1, round(FURTHER_SHARE * config.steps))
    conditions = torch.from_numpy(np.concatenate([target.conditions for target in targets]))
    choices = torch.from_numpy(np.concatenate([target.choices for target in targets])).long()
    weights = torch.from_numpy(np.concatenate([target.weights for target in targets]))
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FrontierModel(space.n_options, conditions.shape[1], config.hidden)
    if start is not None:
        model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in start.items()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps)
    for _ in track(range(steps), "distilling the generator"):
        row = torch.randint(len(conditions), (config.batch,), generator=rng)
        target = torch.multinomial(weights[row], 1, generator=rng).squeeze(1)
        loss = -model.log_likelihood(conditions[row], choices[row, target]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()
