"""The measurements on a GPU: one function for each part that README.md describes; gpu_run.py calls them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from gpu_run import ROOT, Part
from scipy.stats import spearmanr
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nagevo.deploy.finetuning import finetune
from nagevo.experiment.config import Experiment, load_config, parse_config
from nagevo.experiment.learning import learn
from nagevo.experiment.measuring import profile, score
from nagevo.experiment.search import run_search
from nagevo.foundation.errors import DataError, NagevoError
from nagevo.foundation.frontier import frontier
from nagevo.measure.accuracy.supernet import SupernetEvaluator
from nagevo.measure.accuracy.validation import spread
from nagevo.measure.latency import create_device
from nagevo.measure.latency.condition import conditions, restated
from nagevo.search import create_strategy
from nagevo.search.methods.gaea import ExponentiatedMixture
from nagevo.search.methods.weight_sharing import SupernetRecipe, SupernetSearch
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.spaces.nasbench201.supernet import MixtureNetwork
from nagevo.training.accelerator import torch_device
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.examples import Examples
from nagevo.training.loop import fit

EXPERIMENTS = ROOT / "resources" / "experiments"
PUBLISHED = 73.43
"""Test accuracy on CIFAR-100, in percent, that GAEA's paper gives for the cells it found (Li et al. 2021)."""
STARTING_S = 20.0
"""Seconds until a search of cells has read its images."""


class TimeLimit(NagevoError):
    """A part had no time for all of it."""


EpochsOf = Callable[[int], Iterator]
"""From a number of steps to an iterator that trains for so many whenever it is asked for the next."""


def cifar10(part: Part, **training: Any) -> Experiment:
    """Return the ready experiment on CIFAR-10 with this part's images, accelerator and devices."""
    size, raw = part.size, dict(load_config(EXPERIMENTS / "cifar10.yaml").raw)
    accuracy = raw["accuracy"]
    dataset = accuracy["dataset"] | {"path": str(part.data / "cifar10")}
    dataset |= {"validation": size.validation, "test": size.validation}
    options = {"batch_size": size.batch_size, "accelerator": size.processor, "precision": size.precision} | training
    return parse_config(
        raw
        | {
            "space": raw["space"] | size.space,
            "accuracy": accuracy
            | {
                "dataset": dataset,
                "training": accuracy["training"] | options,
                "calibration_examples": size.calibration,
            },
            "devices": {
                f"batch_{n}": {"backend": "torch", **timed(part, n), **size.search_timing} for n in size.inferences
            },
            "search": raw["search"] | {"evaluations": size.evaluations, "rounds": 4},
            **size.learning,
        }
    )


def timed(part: Part, batch: int, **options: Any) -> dict[str, Any]:
    """Return the options of the device that runs networks of this part."""
    return {"processor": part.size.processor, "batch": batch, "channels_last": True} | part.size.timing | options


def networks(part: Part, space: SearchSpace) -> np.ndarray:
    """Return the networks that are timed, from the smallest to the largest; shape (n, n_choices)."""
    return spread(space, part.size.networks, rng=np.random.default_rng(0))


def timing(part: Part) -> None:
    """Time the same networks on several occasions, with CUDA graphs and without."""
    space = cifar10(part).create_space()
    choices = networks(part, space)
    recorded = (False, True) if part.size.processor == "cuda" else (False,)
    settings = {(batch, graphs): [] for batch in part.size.inferences for graphs in recorded}
    for occasion in range(part.size.occasions):
        for (batch, graphs), tables in settings.items():
            device = create_device("torch", **timed(part, batch, cuda_graphs=graphs))
            tables.append(profile(space, "gpu", device, choices))
            if occasion == part.size.occasions - 1:
                part.add(timing=[{"batch": batch, "cuda_graphs": graphs, **repeated(tables)}])


def repeated(tables: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Return how far the latencies of the same networks on several occasions differ.

    ``spread_percent``: the largest of a network's latencies over the smallest, the median and the most over all
    networks; as nagevo states them, relative to the references, and as they were.
    """
    named = {str(number): table for number, table in enumerate(tables)}
    stated = np.column_stack([table["latency_ms"] for table in restated(named).values()])  # (n_networks, n_occasions)
    raw = np.column_stack([table["median"] for table in tables])
    condition = conditions(named)["gpu"]
    pairs = combinations(range(len(tables)), 2)
    return {
        "latency_ms": stated.mean(axis=1).round(4).tolist(),
        "spread_percent": {name: differing(values) for name, values in (("stated", stated), ("raw", raw))},
        "least_rank_correlation": min(float(spearmanr(stated[:, a], stated[:, b]).statistic) for a, b in pairs),
        "dispersion_percent": float(np.median([table["dispersion_percent"].median() for table in tables])),
        "references_ms": condition.quiet.round(4).tolist(),
        "disturbed_share": condition.disturbed,
    }


def differing(values: np.ndarray) -> dict[str, float]:
    """Return by how many percent the largest of each row, shape (n, n_occasions), exceeds the smallest."""
    percent = 100 * (values.max(axis=1) / values.min(axis=1) - 1)
    return {"median": float(np.median(percent)), "most": float(percent.max())}


def supernet(part: Part) -> None:
    """Train a supernet, search on it with measured latencies, and fine-tune three answers."""
    experiment = cifar10(part)
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    assert isinstance(evaluator, SupernetEvaluator)
    train(part, evaluator)
    evaluator.load(part.weights)
    devices = {name: device.create() for name, device in experiment.devices.items()}
    began = time.monotonic()
    measurements = run_search(
        space,
        evaluator,
        devices,
        experiment.create_strategy(space, tuple(devices)),
        evaluations=experiment.search.evaluations,
        rounds=experiment.search.rounds,
    )
    part.add(evaluations=measurements.n_evaluations, search_s=time.monotonic() - began)
    generator = learn(experiment, measurements, part.work / "generator", weights=part.weights)
    for name, device in devices.items():
        confidence = min(0.9, generator.highest_confidence(name))
        steps = generator.steps(device=name, confidence=confidence)
        answers = list(dict.fromkeys(steps[place] for place in (0, len(steps) // 2, -1)))
        rows = space.from_text([answer.architecture for answer in answers])
        again = restated({"again": profile(space, name, device, rows)}, measurements.conditions)["again"]
        for answer, measured in zip(answers, again["latency_ms"].tolist(), strict=True):
            promised = {"latency_ms": answer.latency_ms, "bound_ms": answer.latency_bound_ms}
            found = {"device": name, "architecture": answer.architecture, "confidence": confidence, **promised}
            part.add(latencies=[found | {"measured_ms": measured}])
    for number, answer in enumerate(answers):  # of the last device
        tuned = finetune(
            answer.deployment(), evaluator, part.work / f"network{number}", epochs=part.size.finetuning_epochs
        )
        found = {"architecture": answer.architecture, "promised": answer.accuracy, **tuned.description["accuracy"]}
        part.add(accuracies=[found])


def train(part: Part, evaluator: SupernetEvaluator) -> None:
    """Write the weights of the supernet, unless they are there, after as many epochs as there is time for."""
    if part.weights.exists():
        part.add(weights="of an earlier run")
        return
    evaluator.examples("train")  # decoded before anything is timed
    recipe = evaluator.recipe
    evaluator.recipe, began = replace(recipe, epochs=1, warmup_epochs=0.0), time.monotonic()
    evaluator.train(part.work / "one_epoch.safetensors")
    epoch_s = time.monotonic() - began
    epochs = int(np.clip(0.35 * part.left() / epoch_s, 1, part.size.epochs))
    evaluator.recipe = replace(recipe, epochs=epochs, warmup_epochs=min(2.0, epochs / 4))
    part.add(epochs=epochs, first_epoch_s=epoch_s)
    evaluator.train(part.weights)


def cells(part: Part) -> None:
    """Search cells by GAEA and NA-DARTS at full size, side by side as far as they fit, and read them in the table."""
    known = pd.read_parquet(part.data / "nasbench201.parquet").set_index("architecture")["cifar100_test_accuracy"]
    part.add(published_gaea=PUBLISHED, best=float(known.max()), cells=part.earlier.get("cells", []))
    done = [(row["method"], row["seed"]) for row in part.found["cells"]]
    every = [(method, seed) for seed in part.size.seeds for method in ("gaea", "na_darts")]
    left = [search for search in every if search not in done]
    batch, n = fitting(part, len(left))
    searches = [(*search, *started(part, *search, batch)) for search in left[:n]]
    for method, seed, process, output in searches:
        if process.wait():
            raise RuntimeError(f"{method}, seed {seed}: {output.with_suffix('.log').read_text().splitlines()[-1:]}")
        (cell,) = pd.read_parquet(output)["architecture"]
        found = {"method": method, "seed": seed, "batch": batch, "cell": cell, "test_accuracy": float(known[cell])}
        part.add(cells=[found | {"better_cells": int((known > known[cell]).sum())}])
    if left[n:]:
        raise TimeLimit(f"there was no time for {left[n:]}: run it again")


def cell_search(part: Part, method: str, batch: int) -> dict[str, Any]:
    """Return the config of a search by weight sharing, for accuracy alone.

    Rates grow with the batch, in proportion, as there are fewer steps.
    """
    path = EXPERIMENTS / f"{method.replace('_', '-')}-cifar10.yaml"
    raw, table = dict(load_config(path).raw), str(part.data / "nasbench201.parquet")
    search, factor = raw["search"], batch / part.size.batches[0]
    dataset = search["supernet"]["dataset"] | {"path": str(part.data / "cifar10"), "validation": 1, "test": 1}
    options = {"accelerator": part.size.processor, "precision": part.size.precision, "penalties": [0.0]}
    rates = {key: factor * search["supernet"][key] for key in ("learning_rate", "final_learning_rate")}
    return raw | {
        "accuracy": raw["accuracy"] | {"path": table},
        "devices": {name: device | {"path": table, "extra_measurements": 0} for name, device in raw["devices"].items()},
        "search": search
        | {"evaluations": 1, "rate": factor * search["rate"]}
        | {
            "supernet": search["supernet"]
            | {"dataset": dataset, "batch_size": batch, **options, **rates, **part.size.cells}
        },
    }


def started(part: Part, method: str, seed: int, batch: int) -> tuple[subprocess.Popen, Path]:
    """Return a search that runs beside this process, and the table that it will write."""
    output = part.work / f"{method}_{seed}.parquet"
    config = json.dumps(cell_search(part, method, batch))
    call = ["search", "--config", config, "--seed", str(seed), "--output", str(output)]
    with output.with_suffix(".log").open("w") as log:
        program = [sys.executable, "-c", "from nagevo.cli import main; main()", *call]
        return subprocess.Popen(program, stdout=log, stderr=subprocess.STDOUT), output


def fitting(part: Part, n_searches: int) -> tuple[int, int]:
    """Return a batch, and how many searches with it end in time: as many as possible, with the smallest batch.

    Side by side, searches take as long as one alone, and at least as long as the kernels of all of them.
    """
    n_images = pq.read_metadata(part.data / "cifar10" / "train.parquet").num_rows
    epochs = part.size.cells.get("epochs", 25)
    plans = {batch: measured(part, partial(mixture_epochs, part, batch), batch) for batch in part.size.batches}
    part.add(plans=plans)

    def fits(batch: int, n: int) -> bool:
        step_ms = max(plans[batch]["step_ms"], n * (plans[batch]["kernels_ms"] or 0.0))
        return STARTING_S + 1e-3 * step_ms * epochs * n_images / batch < part.left()

    fitting = ((batch, n) for n in range(n_searches, 0, -1) for batch in part.size.batches if fits(batch, n))
    return next(fitting, (part.size.batches[-1], 1))


def speeds(part: Part) -> None:
    """Measure how fast the two weight-sharing networks are trained, what limits it, and what each means brings."""
    size, batch = part.size, part.size.batches[0]
    part.add(**ceilings(part))
    large = batch * min(8, size.batches[-1] // batch)
    plain, other = "float32", size.precision
    mixture = {
        "plain loop": (batch, partial(plain_epochs, part, batch)),
        "images on the device, channels last": (batch, partial(mixture_epochs, part, batch, precision=plain)),
        f"and {other}": (batch, partial(mixture_epochs, part, batch, precision=other)),
        f"and a batch of {large}": (large, partial(mixture_epochs, part, large, precision=other)),
    }
    for name, (n, epochs_of) in mixture.items():
        part.add(mixture=[{"training": name, **measured(part, epochs_of, n)}])
    if size.processor == "cuda":
        part.add(mixture_passes=passes(part, batch))
    for threads, precision in ((1, plain), (1, other), (4, other)):
        epochs_of, alone = (partial(supernet_epochs, part, n, precision) for n in (threads, 1))
        found = measured(part, epochs_of, size.batch_size, counted=alone)
        part.add(supernet=[{"threads": threads, "precision": precision, **found}])


def ceilings(part: Part) -> dict[str, float]:
    """Return the rates that the device reaches: of a product of two matrices in bfloat16, and of a copy."""
    device, n = torch_device(part.size.processor), part.size.matrix
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    product_s = min(duration(lambda: torch.mm(a, b)) for _ in range(10))
    copy_s = min(duration(a.clone) for _ in range(10))
    return {"peak_tflops": 2e-12 * n**3 / product_s, "copy_gb_per_s": 2e-9 * a.nbytes / copy_s}


def measured(part: Part, epochs_of: EpochsOf, batch: int, *, counted: EpochsOf | None = None) -> dict[str, Any]:
    """Return the speed of steps of training, what they compute, and for how much of the time kernels run.

    Parameters
    ----------
    epochs_of : callable
    counted : callable, optional
        Does the same in the thread that calls it, where its operations can be counted.
    """
    epochs = epochs_of(part.size.steps)
    next(epochs)
    step_s = duration(lambda: next(epochs)) / part.size.steps
    one = (counted or epochs_of)(1)
    next(one)
    with FlopCounterMode(display=False) as counter:
        next(one)
    flops = counter.get_total_flops() / step_s
    kernels_s = kernel_seconds(lambda: next(one)) if part.size.processor == "cuda" else None
    return {
        "images_per_s": batch / step_s,
        "step_ms": 1e3 * step_s,
        "kernels_ms": None if kernels_s is None else 1e3 * kernels_s,
        "limit": None if kernels_s is None else "kernels" if kernels_s > 0.7 * step_s else "launching kernels",
        "tflops": 1e-12 * flops,
        "share_of_peak": 1e-12 * flops / part.found["peak_tflops"] if "peak_tflops" in part.found else None,
    }


def duration(run: Callable[[], object]) -> float:
    """Return the seconds until everything that was launched has ended."""
    synchronize()
    began = time.perf_counter()
    run()
    synchronize()
    return time.perf_counter() - began


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def kernel_seconds(run: Callable[[], object]) -> float:
    """Return for how long kernels ran on the GPU."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        run()
        synchronize()
    return 1e-6 * sum(event.self_device_time_total for event in profiler.key_averages())


def random_images(n: int, batch: int) -> Examples:
    """Return made-up images for n steps: a speed does not depend on what they show."""
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n * batch, 3, 32, 32), dtype=torch.uint8, generator=rng)
    labels = torch.randint(0, 10, (n * batch,), generator=rng)
    return Examples(pixels, labels, ImageInputs((3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3))


def mixture_recipe(part: Part, batch: int, precision: str) -> SupernetRecipe:
    """Return how GAEA's weight-sharing network is trained in this part."""
    options = {"batch_size": batch, "accelerator": part.size.processor, "precision": precision, "epochs": 1000}
    return SupernetRecipe(dataset={}, **{**part.size.cells, **options})


def mixture_epochs(part: Part, batch: int, steps: int, *, precision: str | None = None) -> Iterator[object]:
    """Return what trains GAEA's weight-sharing network, epoch by epoch of so many steps, as nagevo does."""
    recipe = mixture_recipe(part, batch, precision or part.size.precision)
    search = SupernetSearch(recipe, NASBench201Space(), random_images(steps, batch), seed=0)
    return search.run(gaea_mixture)


def gaea_mixture(n_operations: int, *, edge_weights: bool, generator: torch.Generator) -> ExponentiatedMixture:
    """Return the mixture of GAEA, which draws nothing."""
    return ExponentiatedMixture(n_operations, edge_weights=edge_weights)


def plain_epochs(part: Part, batch: int, steps: int) -> Iterator[None]:
    """Train the same network as an ordinary loop does: in float32, with images from the processor's memory."""
    recipe, device = mixture_recipe(part, batch, "float32"), torch_device(part.size.processor)
    network = MixtureNetwork(
        width=recipe.width, cells=recipe.cells, channels=3, classes=10, exclude_zero=recipe.exclude_zero
    ).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    mixture, rng, images = ExponentiatedMixture(len(network.operations)), torch.Generator(), random_images(steps, batch)

    def loss(x: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(network(x, weights.to(device)), labels)

    while True:
        for inputs, targets in images.epoch(recipe.augmentation, rng):
            x, labels = inputs.contiguous().to(device), targets.to(device)
            network.requires_grad_(False)
            mixture.step(partial(loss, x, labels))
            network.requires_grad_(True)
            optimizer.zero_grad()
            loss(x, labels, mixture.weights()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimizer.step()
        yield


def passes(part: Part, batch: int) -> dict[str, float]:
    """Return the ms of a forward and a backward pass of the mixture network, launched and as CUDA graphs."""
    recipe, device = mixture_recipe(part, batch, part.size.precision), torch_device(part.size.processor)
    network = MixtureNetwork(width=recipe.width, cells=recipe.cells, channels=3, classes=10, exclude_zero=True)
    placed = network.to(device, memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    weights = torch.full((6, len(network.operations)), 1 / len(network.operations), device=device)

    def milliseconds(module: nn.Module) -> float:
        def run() -> None:
            with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
                output = module(x, weights)
            output.float().sum().backward()

        for _ in range(3):
            run()
        return 1e3 * min(duration(run) for _ in range(10))

    launched = milliseconds(placed)
    with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
        recorded = torch.cuda.make_graphed_callables(placed, (x, weights))
    return {"launched_ms": launched, "recorded_ms": milliseconds(recorded)}


def supernet_epochs(part: Part, threads: int, precision: str, steps: int) -> Iterator[None]:
    """Train the supernet of part 2, epoch by epoch of so many steps, with networks of a step on several threads."""
    experiment = cifar10(part, precision=precision, epochs=1, warmup_epochs=0.0)
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    assert isinstance(evaluator, SupernetEvaluator)
    network = space.supernet().to(torch_device(part.size.processor), memory_format=torch.channels_last)
    images = random_images(steps, part.size.batch_size)
    examples = replace(images, form=images.form.resized(space.input_shape))
    with ThreadPoolExecutor(threads) as pool:
        mapping = pool if threads > 1 else SimpleNamespace(map=map)  # in this thread
        while True:
            fit(network, evaluator.distillation_step(network, mapping), examples, evaluator.recipe, seed=0)
            yield


def energies(part: Part) -> None:
    """Read energies of networks, and search by MONAS on accuracy and energy."""
    if not part.weights.exists():
        raise DataError("there is no supernet: part 2 has to be finished first")
    experiment = cifar10(part)
    space = experiment.create_space()
    evaluator = experiment.open_evaluator(space, part.weights)
    batch = part.size.inferences[-1]
    options = timed(part, batch, rounds=1, runs=part.size.timing["runs"])
    meter = create_device("torch", **options, measures="energy_mj", burst_s=part.size.burst_s)
    choices = networks(part, space)
    energy_mj = profile(space, "energy", meter, choices, first=True)["energy_mj"].to_numpy()
    latency_ms = profile(space, "latency", create_device("torch", **options), choices)["latency_ms"].to_numpy()
    accuracy = score(space, evaluator, choices)["accuracy"].to_numpy()
    members = frontier(np.column_stack([100.0 - accuracy, energy_mj]))
    part.add(
        batch=batch,
        energy_mj=energy_mj.tolist(),
        latency_ms=latency_ms.tolist(),
        accuracy=accuracy.tolist(),
        rank_correlation_with_latency=float(spearmanr(energy_mj, latency_ms).statistic),
        frontier=points(accuracy[members], energy_mj[members]),
    )
    n = part.size.monas_evaluations
    monas = create_strategy("monas", space, ["energy"], seed=0, evaluations=n)
    found = run_search(space, evaluator, {"energy": meter}, monas, evaluations=n, rounds=2)
    members = frontier(found.objectives("energy"))
    part.add(monas_frontier=points(found.accuracy[members], found.values["energy"][members]))


def points(accuracy: np.ndarray, energy_mj: np.ndarray) -> list[dict[str, float]]:
    """Return the members of a frontier."""
    pairs = zip(accuracy.tolist(), energy_mj.tolist(), strict=True)
    return [{"accuracy": percent, "energy_mj": energy} for percent, energy in pairs]


PARTS = {1: cells, 2: supernet, 3: timing, 4: energies, 5: speeds}
