"""Compare what experiments delivered with networks made by hand that take no longer, trained as long.

    python docs/development/scripts/handmade.py CONFIG.yaml [...] --output handmade.csv

Each config is of an experiment that is done: its `networks/` lie in `results/<experiment>/`; several differ in their
seed. The rivals of each delivered network are the widest MobileNetV3-Small whose measured latency is within its budget
and, where timm is installed, the networks of TIMM that are. All are timed in the same bursts as the delivered ones. A
rival is trained from scratch on the same images, with the same recipe and seed, for the epochs of the supernet and of
the training of delivered networks together; like these it keeps the epoch that is best on the validation images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from torch import nn

from nagevo.experiment.config import Experiment, parse_config
from nagevo.foundation.files import read_json
from nagevo.measure.accuracy.dataset import DatasetEvaluator
from nagevo.spaces import create_space
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate
from nagevo.training.recipe import Recipe

TIMM = (
    "efficientvit_m0",
    "fbnetc_100",
    "ghostnet_050",
    "lcnet_035",
    "lcnet_050",
    "lcnet_075",
    "mnasnet_small",
    "mobilenetv2_035",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv3_small_075",
    "mobilenetv3_small_100",
    "resnet10t",
    "tf_mobilenetv3_small_minimal_100",
    "tinynet_d",
    "tinynet_e",
)
"""Small networks of timm that take images of any size."""
OURS, HANDMADE = "delivered", "MobileNetV3-Small"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--output", required=True, help="table of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for path in arguments.configs:
        rows += compare(parse_config(yaml.safe_load(path.read_text())))
        pd.DataFrame(rows).to_csv(arguments.output, index=False)
    print(summary(pd.DataFrame(rows)).round(3).to_string())


def compare(experiment: Experiment) -> list[dict[str, object]]:
    """Return the rows of one experiment: ``experiment, place, budget, network, ms, accuracy`` (percent of the test)."""
    (folder,) = (Path("results") / experiment.name / "networks").iterdir()
    index = read_json(folder / "index.json")
    evaluator = experiment.create_evaluator(experiment.create_space())
    assert isinstance(evaluator, DatasetEvaluator)
    shape = evaluator.plain.input_shape
    delivered = [each["architecture"] for each in index["networks"]]
    rivals = rival_networks(shape, len(evaluator.classes))
    ours = experiment.create_space().from_text(delivered)
    space = evaluator.plain
    builders = [partial(space.network, row) for row in (*space.extremes(), *ours)]
    shapes = [space.input_shape_of(row) for row in (*space.extremes(), *ours)]
    device = experiment.devices[index["device"]].create()
    timed = device.time_networks([*builders, *rivals.values()], shapes + [shape] * len(rivals), n_references=2)
    ms = dict(zip([*range(len(ours)), *rivals], timed["latency_ms"], strict=True))
    epochs = evaluator.recipe.epochs + experiment.deploy.epochs
    reached: dict[str, float] = {}
    rows = []
    for place, each in enumerate(index["networks"]):
        fitting = [name for name in rivals if ms[name] <= each["asked"]]
        taken = [name for name in fitting if name.startswith(HANDMADE)][-1:]
        taken += [name for name in fitting if not name.startswith(HANDMADE)]
        about = {"experiment": experiment.name, "place": place, "budget": each["asked"]}
        rows.append({**about, "network": OURS, "ms": ms[place], "accuracy": each["accuracy"]["test"]})
        print(rows[-1], flush=True)
        for name in taken:
            if name not in reached:
                reached[name] = trained_accuracy(rivals[name], evaluator, shape, epochs)
            rows.append({**about, "network": name, "ms": ms[name], "accuracy": reached[name]})
            print(rows[-1], flush=True)
    return rows


def rival_networks(shape: tuple[int, ...], classes: int) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds each network made by hand, by name; MobileNetV3-Small from the narrowest to the widest."""
    small = create_space(
        "mobilenetv3_small",
        resolution=shape[1],
        channels=shape[0],
        classes=classes,
        divisor=2,
        strides=[1, 2, 1, 2],
        dropout=0.0,
    )
    rows = small.enumerate()
    found: dict[str, Callable[[], nn.Module]] = {
        f"{HANDMADE} {text}": partial(small.network, row) for text, row in zip(small.to_text(rows), rows, strict=True)
    }
    try:
        import timm
    except ImportError:
        return found
    return found | {name: partial(timm.create_model, name, in_chans=shape[0], num_classes=classes) for name in TIMM}


def trained_accuracy(
    build: Callable[[], nn.Module], evaluator: DatasetEvaluator, shape: tuple[int, ...], epochs: int
) -> float:
    """Return the test accuracy, in percent, of a network after its best epoch."""
    from dataclasses import replace

    torch.manual_seed(evaluator.seed)
    network = build().to(memory_format=torch.channels_last)
    recipe: Recipe = replace(evaluator.recipe, epochs=epochs)
    validation = evaluator.examples("validation", shape)
    fit(
        network,
        cross_entropy_step(network, recipe),
        evaluator.training_examples(shape),
        recipe,
        seed=evaluator.seed,
        score=lambda: accuracy(recalibrate(network, evaluator.calibration(shape)), validation),
    )
    return accuracy(network.eval(), evaluator.examples("test", shape))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by budget, the mean accuracies over the experiments, and the lead over the best rival of each kind."""
    kinds = np.where(table["network"].str.startswith(HANDMADE), HANDMADE, "timm")
    table = table.assign(kind=np.where(table["network"] == OURS, OURS, kinds))
    best = table.groupby(["place", "experiment", "kind"])["accuracy"].max().unstack("kind")
    leads = {f"lead over {kind}": best[OURS] - best[kind] for kind in best.columns if kind != OURS}
    found = best.assign(**leads).groupby("place").agg(["mean", "std"])
    budgets = table.groupby("place")["budget"].mean()
    found.insert(0, ("budget", "mean"), budgets)
    return found


if __name__ == "__main__":
    main()
