"""Judge devices that are added by probes: python adapted_devices.py nasbench201|gpus [--seed N] [--splits NAME …].

Every latency of the known devices is read from the table, accuracies of 200 architectures. Printed for each device that
is left out: Spearman's correlation of predicted and measured latency over the whole table, the regret of the answers
that hold, how many of 100 budgets are broken or refused at confidence 0.9, and the largest correlation that noise
allows. The public tables lie in the folder that NAGEVO_DATA names.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from nagevo.experiment.config import Experiment, parse_config
from nagevo.experiment.fitting import fit_accuracies, fit_device
from nagevo.experiment.search import search_experiment
from nagevo.foundation import frontier
from nagevo.foundation.quantities import LATENCY
from nagevo.generator.adaptation import choose_probes, with_readings
from nagevo.generator.readings import Readings
from nagevo.learn.predictor import Predictor
from nagevo.measure.tables import ArchitectureTable

CONFIDENCE, N_BUDGETS = 0.9, 100
EVALUATIONS = {"strategy": "evolution", "evaluations": 200, "rounds": 20}
KNOWN = ["1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r", "samsung_a50", "pixel3"]
KNOWN += ["essential_ph_1", "samsung_s7"]
NEW = ["titanx_1", "titanx_32", "titanx_256", "gold_6240"]
SETTINGS = ["2080ti_1", "2080ti_32", "2080ti_64", "titan_rtx_1", "titan_rtx_64", "v100_32", "titan_xp_32"]
OF_ONE = ["2080ti_1", "titan_rtx_1"]
"""Settings whose batch is a single image: kernel launches take their time, not work."""


@dataclass(frozen=True)
class Table:
    """A table of architectures whose true accuracy and latencies are known, and what was learned of part of it.

    Attributes
    ----------
    predictor : Predictor
        Of all devices; each is left out of it in turn.
    choices : ndarray of int8, shape (n, n_choices)
    accuracy : ndarray, shape (n,)
    latency_ms : dict of ndarray, shape (n,)
    """

    predictor: Predictor
    choices: np.ndarray
    accuracy: np.ndarray
    latency_ms: dict[str, np.ndarray]

    @classmethod
    def of(cls, experiment: Experiment, path: str, column: str, texts: Sequence[str], searched: Sequence[str]) -> Table:
        """Return the table in a file, once some devices were searched; ``texts`` are all its architectures."""
        space = experiment.create_space()
        choices = space.normal(space.from_text(texts))

        def values(column: str) -> np.ndarray:
            return ArchitectureTable(path, column).values(space, choices)

        latency_ms = {device: values(f"latency_ms_{device}") for device in experiment.devices}
        measurements = search_experiment(experiment.with_search(devices=list(searched)))
        for device, known in latency_ms.items():
            measurements = measurements.with_values(device, choices, known)
        seed = experiment.seed
        latency = {device: fit_device(space, measurements, device, exact=True, seed=seed) for device in latency_ms}
        accuracy = fit_accuracies(space, measurements, seed=seed)
        predictor = Predictor(space, measurements, accuracy, latency, list(latency_ms))
        return cls(predictor, choices, values(column), latency_ms)

    def knowing(self, devices: Sequence[str]) -> Predictor:
        """Return the predictor that knows no other devices."""
        whole = self.predictor
        surrogates = {device: whole.latency_surrogates[device] for device in devices}
        known = whole.measurements.for_devices(list(devices))
        return Predictor(whole.space, known, whole.accuracy_surrogate, surrogates, list(devices))

    def judged(self, device: str, known: Sequence[str], n: int, seed: int) -> dict[str, float]:
        """Return how well a device is served after n probes, by the devices that are known."""
        predictor, true_ms = self.knowing(known), self.latency_ms[device]
        probes = choose_probes(predictor, n)
        measured = predictor.space.to_text(probes)
        rows = pd.Index(predictor.space.to_text(self.choices)).get_indexer(measured)
        adapted = with_readings(predictor, "new", Readings(LATENCY, True, probes, true_ms[rows]), seed=seed)
        confidence = min(CONFIDENCE, adapted.highest_confidence("new"))
        bound = adapted.latency_bound_ms("new", self.choices, confidence)
        objectives = np.column_stack([100.0 - self.accuracy, true_ms])
        budgets = frontier.budgets(objectives, N_BUDGETS)
        given = frontier.best_under(bound, adapted.accuracy(self.choices), budgets)
        best = frontier.best_under(true_ms, self.accuracy, budgets)
        answered = given >= 0
        holds = answered & (true_ms[given] <= budgets)
        return {
            "spearman": spearmanr(adapted.latency_ms("new", self.choices), true_ms).statistic,
            "regret": float((self.accuracy[best] - self.accuracy[given])[holds].mean()),
            "broken": 100.0 * float((answered & ~holds).mean()),
            "refused": 100.0 * float((~answered).mean()),
        }


def nasbench201(data: Path, seed: int) -> Table:
    """Return NAS-Bench-201 on CIFAR-100, where nine of thirteen devices were searched."""
    path = str(data / "nasbench201.parquet")
    table = {"backend": "table", "path": path, "extra_measurements": "all"}
    config = {
        "experiment": "adapted",
        "seed": seed,
        "space": {"name": "nasbench201", "classes": 100, "merge_equal": False},
        "accuracy": {"evaluator": "table", "path": path, "column": "cifar100_valid_accuracy"},
        "devices": {device: {**table, "column": f"latency_ms_{device}"} for device in [*KNOWN, *NEW]},
        "search": EVALUATIONS,
    }
    texts = pd.read_parquet(path, columns=["architecture"])["architecture"].tolist()
    return Table.of(parse_config(config), path, "cifar100_valid_accuracy", texts, KNOWN)


def gpus(data: Path, seed: int) -> Table:
    """Return seven GPU settings on which 5,000 sub-networks of Once-for-All were measured, at 25 resolutions.

    Accuracies are those of the published predictor at the next lower of its eight resolutions.
    """
    frame = pd.read_parquet(data / "ofa_mobilenetv3/gpu_latencies.parquet")
    space = {"name": "mobilenetv3", "width_multiplier": 1.0}
    coarse = {
        "space": {**space, "resolutions": list(range(112, 225, 16))},
        "accuracy": {"evaluator": "ofa_predictor", "path": str(data / "ofa_mobilenetv3/acc_predictor.pth")},
        "devices": {"none": {"backend": "onnxruntime"}},
    }
    predicting = parse_config({"experiment": "accuracies", **coarse})
    of_predictor = predicting.create_space()
    lower = (frame["resolution"] // 16 * 16).astype(str)
    known = of_predictor.from_text((frame["architecture"] + "@r" + lower).tolist())
    frame["accuracy"] = predicting.create_evaluator(of_predictor).evaluate(known)["accuracy"].to_numpy()
    frame["architecture"] += "@r" + frame["resolution"].astype(str)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/gpus.parquet"
        frame.drop(columns="resolution").to_parquet(path)
        table = {"backend": "table", "path": path}
        config = {
            "experiment": "adapted",
            "seed": seed,
            "space": {**space, "resolutions": list(range(128, 225, 4))},
            "accuracy": {"evaluator": "table", "path": path, "column": "accuracy"},
            "devices": {device: {**table, "column": f"latency_ms_{device}"} for device in SETTINGS},
            "search": {**EVALUATIONS, "candidates": path},
        }
        return Table.of(parse_config(config), path, "accuracy", frame["architecture"].tolist(), SETTINGS)


def splits(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each device that is left out, and the devices that are known then."""
    one_out = {"new": [], "known": KNOWN, "settings": SETTINGS}
    if name == "new":  # the four test devices
        yield from ((device, KNOWN) for device in NEW)
    elif name in one_out:  # each of the known devices
        yield from ((out, [device for device in one_out[name] if device != out]) for out in one_out[name])
    else:  # devices of another kind: GPUs for the others, or single images for batches, and the other way round
        every = SETTINGS if name == "batches" else [*KNOWN, *NEW]
        kind = OF_ONE if name == "batches" else [each for each in every if each.startswith(("1080ti", "titanx"))]
        rest = [device for device in every if device not in kind]
        yield from ((device, kind) for device in rest)
        yield from ((device, rest) for device in kind)


def ceilings(table: Table) -> dict[str, str]:
    """Return by device the largest correlation that noise allows.

    On NAS-Bench-201 that of pairs of cells that are the same computation, with the two inner nodes swapped, and its
    square root, which is that of the truth with one reading; elsewhere that of predictions by a surrogate which is
    fitted to 1,000 architectures on the device itself, each predicted without its own measurement.
    """
    predictor = table.predictor
    if predictor.space.n_choices != 6:
        features = predictor.space.features(table.choices)
        alone = {device: fitted.predict_unseen(features) for device, fitted in predictor.latency_surrogates.items()}
        return {name: f"{spearmanr(alone[name], ms).statistic:.3f}" for name, ms in table.latency_ms.items()}
    texts = pd.Index(table.predictor.space.to_text(table.choices))
    apart = table.choices[[text.split("+")[1].split("|")[2].startswith("none") for text in texts]]
    swapped = apart[:, [1, 0, 2, 3, 5, 4]]
    first, second = (texts.get_indexer(table.predictor.space.to_text(cells)) for cells in (apart, swapped))
    first, second = first[first < second], second[first < second]
    found = {name: spearmanr(ms[first], ms[second]).statistic for name, ms in table.latency_ms.items()}
    return {name: f"{value:.3f} to {value**0.5:.3f}" for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["nasbench201", "gpus"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probes", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--splits", nargs="+")
    arguments = parser.parse_args()
    make, names = (
        (nasbench201, ["new", "known", "kinds"])
        if arguments.table == "nasbench201"
        else (gpus, ["settings", "batches"])
    )
    report(
        make(Path(os.environ["NAGEVO_DATA"]), arguments.seed),
        arguments.splits or names,
        arguments.probes,
        arguments.seed,
    )


def report(table: Table, names: Sequence[str], probes: Sequence[int], seed: int) -> None:
    """Print what each split reaches with each number of probes."""
    most = ceilings(table)
    rows = [
        {"split": name, "probes": n, "device": device, **table.judged(device, known, n, seed), "ceiling": most[device]}
        for name in names
        for device, known in splits(name)
        for n in probes
    ]
    judged = pd.DataFrame(rows)
    print(judged.round(3).to_string(index=False))
    print(judged.groupby(["split", "probes"], sort=False).mean(numeric_only=True).round(3).to_string())


if __name__ == "__main__":
    main()
