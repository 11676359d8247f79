"""Judge bounds by answers that were never measured: python chosen.py CONFIG HISTORY [HISTORY ...] [--held-out DEVICE].

For each table of `nagevo search`: the generator that learns from it without verification, and the share of its answers
that break their budget, or exceed their bound, where only architectures that were not measured may answer; of those
that the generator proposes, and of all of the space. With --held-out the same on a device that is left out of the
learning and added by ten probes, and under two limits.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from nagevo.evaluate.benchmark import Truth, two_limits
from nagevo.experiment.config import Experiment, load_config
from nagevo.experiment.learning import learn
from nagevo.foundation import frontier
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import Measurements

CONFIDENCES = (0.5, 0.7, 0.9, 0.95)
N_BUDGETS, N_PAIRS, N_PROBES = 100, 100, 10


def judged(bound: np.ndarray, truth: np.ndarray, accuracy: np.ndarray, budgets: np.ndarray) -> dict[str, float]:
    """Return how the most accurate candidates that are promised for budgets keep them."""
    rows = frontier.best_under(bound, accuracy, budgets)
    rows, asked = rows[rows >= 0], budgets[rows >= 0]
    kept = truth[rows] <= asked
    return {
        "broken": float(1 - kept.mean()),
        "above_bound": float((truth[rows] > bound[rows]).mean()),
        "budget_use": float((truth[rows] / asked)[kept].mean()),
        "answered": len(rows) / len(budgets),
    }


def searched_devices(generator: Generator, experiment: Experiment) -> Iterator[dict]:
    """Yield a row for each device, confidence and set of candidates."""
    space, predictor = generator.space, generator.predictor
    everything = space.enumerate()
    whole = everything[predictor.rows(everything) < 0]
    accuracy = predictor.accuracy(whole)
    for device in experiment.devices:
        truth = Truth.of(experiment, space, device)
        budgets = frontier.budgets(truth.frontier, N_BUDGETS)
        table = generator.candidates.devices[device]
        proposed = np.flatnonzero(~generator.candidates.searched & table.proposed)
        choices = generator.candidates.choices[proposed]
        for confidence in CONFIDENCES:
            sets = {
                "proposed": (table.bounds(confidence)[proposed], choices, generator.candidates.accuracy[proposed]),
                "all": (predictor.latency_bound_ms(device, whole, confidence), whole, accuracy),
            }
            for name, (bound, candidates, of) in sets.items():
                true_ms = truth.objectives(candidates)[:, frontier.VALUE]
                yield {"candidates": name, "device": device, "confidence": confidence} | judged(
                    bound, true_ms, of, budgets
                )


def held_out(experiment: Experiment, measurements: Measurements, device: str) -> Iterator[dict]:
    """Yield rows of a device that is added by probes, and of pairs of limits on another one."""
    known = [name for name in experiment.devices if name != device]
    with tempfile.TemporaryDirectory() as folder:
        generator = learn(experiment.with_search(devices=known), measurements.for_devices(known), folder)
        truth = Truth.of(experiment, generator.space, device)
        texts = generator.probes_for("added", N_PROBES)
        values = truth.objectives(generator.space.from_text(texts))[:, frontier.VALUE]
        adapted = generator.adapt("added", dict(zip(texts, values.tolist(), strict=True)), exact=True, save=False)
        limited = {
            confidence: two_limits(
                restricted(generator, ~generator.candidates.searched),
                Truth.of(experiment, generator.space, known[0]),
                known[0],
                "parameters",
                N_PAIRS,
                confidence,
            )
            for confidence in CONFIDENCES
        }
    unseen = restricted(adapted, np.isnan(adapted.candidates.devices["added"].measured))
    budgets = frontier.budgets(truth.frontier, N_BUDGETS)
    for confidence in CONFIDENCES:
        yield {"candidates": "two limits", "device": known[0], "confidence": confidence} | {
            "broken": limited[confidence]["violation_rate"],
            "answered": limited[confidence]["feasible_answered"],
        }
        if confidence > unseen.highest_confidence("added"):
            continue
        given = unseen.answers(budgets, device="added", confidence=confidence)
        answers = [answer for answer in given if not isinstance(answer, InfeasibleBudget)]
        true_ms = truth.objectives(unseen.space.from_text([each.architecture for each in answers]))[:, frontier.VALUE]
        asked, bounds = np.array([(each.budget, each.bound) for each in answers]).T
        yield {"candidates": "added", "device": device, "confidence": confidence} | {
            "broken": float((true_ms > asked).mean()),
            "above_bound": float((true_ms > bounds).mean()),
            "budget_use": float((true_ms / asked)[true_ms <= asked].mean()),
            "answered": len(answers) / len(budgets),
        }


def restricted(generator: Generator, mask: np.ndarray) -> Generator:
    """Return the generator with some of its candidates."""
    return replace(generator, candidates=generator.candidates.rows(np.flatnonzero(mask)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("histories", nargs="+")
    parser.add_argument("--held-out", action="append", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for number, history in enumerate(arguments.histories):
        experiment = load_config(arguments.config).with_search(seed=number)
        experiment = replace(experiment, verify=replace(experiment.verify, rounds=0))
        space = experiment.create_space()
        measurements = Measurements.from_files([history], space).for_devices(list(experiment.devices))
        if arguments.held_out:
            found = [row for device in arguments.held_out for row in held_out(experiment, measurements, device)]
        else:
            with tempfile.TemporaryDirectory() as folder:
                found = list(searched_devices(learn(experiment, measurements, folder), experiment))
        rows += [{"history": history, **row} for row in found]
    table = pd.DataFrame(rows)
    means = table.groupby(["candidates", "device", "confidence"], sort=False).mean(numeric_only=True)
    print((100 * means).round(1).to_string())


if __name__ == "__main__":
    main()
