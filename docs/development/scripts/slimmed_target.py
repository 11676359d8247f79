"""Compare answers of the space `slimmed` with uniform pruning and with a choice by multiply–accumulates, same latency.

    pip install 'nagevo[slim,train,export]'
    PYTHONPATH=resources/networks python docs/development/scripts/slimmed_target.py --seeds 3 --output slimmed.csv \\
        --dataset '{"name": "huggingface", "path": "data/cifar10", "train": 10000, "validation": 2000}'

A residual network is trained on the images. Then, for 30, 50 and 70 % of its latency in onnxruntime: the answer of a
generator that searched its slimmer versions; the widest network pruned by torch-pruning at one ratio for all layers
that is fast enough; and of the measured networks the one that a choice by multiply–accumulates alone takes, at the
largest number of them that is fast enough. All are timed in the same bursts. Each is trained on for as many epochs; the
uniform ones, whose weights were not trained on with the supernet, also for those of the supernet.
"""

from __future__ import annotations

import argparse
import json
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
import torch_pruning
from resnet import resnet
from safetensors.torch import save_file
from torch import nn

from nagevo.experiment.config import parse_config
from nagevo.experiment.learning import learn
from nagevo.experiment.search import run_search
from nagevo.foundation import frontier
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.measure.latency import create_device
from nagevo.training.examples import Examples
from nagevo.training.loop import accuracy, cross_entropy_step, fit
from nagevo.training.recipe import Recipe

SHARES = (0.3, 0.5, 0.7)
"""Budgets, as shares of the latency of the original."""
RATIOS = np.linspace(0.05, 0.85, 17)
"""Ratios of uniform pruning."""


def pruned(network: nn.Module, ratio: float, example: torch.Tensor, round_to: int) -> nn.Module:
    """Return the network with one ratio of the channels of all layers taken away, those of the least norm."""
    network = deepcopy(network)
    torch_pruning.pruner.MagnitudePruner(
        network,
        example,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=ratio,
        round_to=round_to,
        ignored_layers=[network.classifier],
    ).step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default='{"name": "mnist5k"}', help="section `dataset` of an experiment, as JSON")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=3, help="of each stage: 3 for ResNet-20, 1 for ResNet-8")
    parser.add_argument("--epochs", type=int, default=20, help="of the original")
    parser.add_argument("--supernet", type=int, default=5, help="epochs of the shared weights")
    parser.add_argument("--finetune", type=int, default=5, help="epochs of each network in the end")
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", required=True, help="table of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(arguments.seeds):
        with TemporaryDirectory() as folder:
            rows += compare(seed, arguments, Path(folder))
        table = pd.DataFrame(rows)
        table.to_csv(arguments.output, index=False)
    print(table.pivot_table("accuracy", ["share", "seed"], "method").round(2).to_string())
    print(table.groupby(["share", "method"])[["accuracy", "ms"]].mean().round(3).to_string())


def compare(seed: int, arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Return the rows of one seed: ``seed, share, budget_ms, method, ms, macs, accuracy``."""
    shape = (arguments.channels, arguments.resolution, arguments.resolution)
    options = {"channels": arguments.channels, "blocks": arguments.blocks}
    training = {"batch_size": 64, "shift_pixels": 2, "flip": arguments.channels == 3}
    original = Recipe(epochs=arguments.epochs, learning_rate=0.1, warmup_epochs=1, **training)
    config = {
        "experiment": "target",
        "seed": seed,
        "space": {
            "name": "slimmed",
            "model": "resnet:resnet",
            "options": options,
            "weights": str(folder / "original.safetensors"),
            "input_shape": list(shape),
            "round_to": 4,
        },
        "accuracy": {
            "evaluator": "supernet",
            "dataset": json.loads(arguments.dataset),
            "training": {**training, "epochs": arguments.supernet, "learning_rate": 0.02, "warmup_epochs": 0.5},
            "threads": 1,
        },
        "devices": {"onnxruntime": {"backend": "onnxruntime"}},
        "search": {"evaluations": arguments.evaluations, "rounds": arguments.rounds},
    }
    network = trained_original(config, original, shape, options, folder, seed)
    experiment = parse_config(config)
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    evaluator.train(folder / "supernet.safetensors")
    evaluator.load(folder / "supernet.safetensors")
    device = create_device("onnxruntime")
    strategy = experiment.create_strategy(space, ("onnxruntime",))
    search = experiment.search
    measured = run_search(
        space, evaluator, {"onnxruntime": device}, strategy, evaluations=search.evaluations, rounds=search.rounds
    )
    generator = learn(experiment, measured, folder / "generator", weights=folder / "supernet.safetensors")

    # every network that may be taken is timed in the same bursts, beside the original
    example = torch.zeros(1, *shape)
    uniform = [pruned(network, ratio, example, 4) for ratio in RATIOS]
    by_macs = measured.choices[frontier.frontier(np.column_stack([-measured.accuracy, macs(space, measured.choices)]))]
    by_macs = by_macs[np.argsort(macs(space, by_macs))]
    (full,) = generator.predictor.latency_ms("onnxruntime", space.extremes()[1:])
    given = generator.answers([share * full for share in SHARES], confidence=0.9)
    answers = [answer for answer in given if not isinstance(answer, InfeasibleBudget)]
    chosen = space.from_text([answer.architecture for answer in answers])
    slimmer = np.concatenate([space.extremes()[1:], chosen, by_macs])
    references = [partial(space.network, row) for row in space.extremes()]
    built = [*references, *(partial(space.network, row) for row in slimmer), *(partial(deepcopy, n) for n in uniform)]
    ms = device.time_networks(built, [shape] * len(built), n_references=2)["latency_ms"].to_numpy()
    full, of_answers, of_macs, of_uniform = np.split(ms, np.cumsum([1, len(chosen), len(by_macs)]))

    finetuned = partial(finetuned_accuracy, evaluator, shape=shape, seed=seed)
    rows: list[dict[str, object]] = []
    for share, answer in zip(SHARES, given, strict=True):
        budget = share * float(full[0])
        taken: dict[str, tuple[nn.Module, float, int]] = {}
        if not isinstance(answer, InfeasibleBudget):
            row = space.from_text([answer.architecture])[0]
            place = [other.architecture for other in answers].index(answer.architecture)
            taken["nagevo"] = evaluator.trained(row), of_answers[place], arguments.finetune
        for number in np.flatnonzero(of_macs <= budget)[-1:]:
            taken["macs"] = evaluator.trained(by_macs[number]), of_macs[number], arguments.finetune
        for number in np.flatnonzero(of_uniform <= budget)[:1]:
            taken["uniform"] = uniform[number], of_uniform[number], arguments.finetune + arguments.supernet
        for method, (chosen_network, its_ms, epochs) in taken.items():
            score = finetuned(deepcopy(chosen_network), epochs=epochs)
            rows.append({"seed": seed, "share": share, "budget_ms": budget, "method": method, "ms": its_ms})
            rows[-1]["accuracy"] = score
            print(rows[-1], flush=True)
    return rows


def macs(space, choices: np.ndarray) -> np.ndarray:
    """Return the multiply–accumulates of architectures, shape (n,)."""
    return space.costs(choices)["macs"].astype(float)


def trained_original(config, recipe: Recipe, shape, options, folder: Path, seed: int) -> nn.Module:
    """Train the original, write its weights, and return it."""
    from nagevo.training.datasets import load_dataset

    torch.manual_seed(seed)
    network = resnet(**options).to(memory_format=torch.channels_last)
    dataset = load_dataset(shape=shape, seed=seed, **config["accuracy"]["dataset"])
    train, test = (Examples.of(dataset.split(name), dataset.form) for name in ("train", "test"))
    fit(network, cross_entropy_step(network, recipe), train, recipe, seed=seed, description="Training the original")
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / "original.safetensors"
    )
    print(f"seed {seed}: the original has {accuracy(network.eval(), test):.2f} % on the test images", flush=True)
    return network


def finetuned_accuracy(evaluator, network: nn.Module, *, shape, seed: int, epochs: int) -> float:
    """Return the test accuracy of a network, in percent, after some more epochs."""
    from dataclasses import replace

    recipe = replace(evaluator.recipe, epochs=epochs, warmup_epochs=0.0)
    network = network.to(memory_format=torch.channels_last).train()
    fit(network, cross_entropy_step(network, recipe), evaluator.training_examples(shape), recipe, seed=seed)
    return accuracy(network.eval(), evaluator.examples("test", shape))


if __name__ == "__main__":
    main()
