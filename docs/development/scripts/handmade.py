"""Compare an experiment's answers with networks made by hand of the same latency, trained as long.

    python docs/development/scripts/handmade.py CONFIG.yaml [...] --output handmade.csv

Each config is of an experiment that is done: `results/<experiment>/generator` is its bundle; several differ in their
seed. MobileNetV3-Small at 40 widths and, where timm is installed, its networks of TIMM, or of `--timm`, are timed. The
budgets are the latencies of three widths, spread by equal factors over what the experiment answers; widths that take
at least as long as a wider one are left out, since nobody would deploy them. The network that nagevo answers at such a
budget is trained on as delivered ones are; the MobileNetV3-Small and every network of timm within the budget are
trained from scratch on the same images, with the same recipe and seed, for the epochs of the supernet and of the
training of delivered networks together. All keep the epoch that is best on the validation images. In the end answers
and rivals are timed in the same bursts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from torch import nn

import nagevo
from nagevo.experiment.config import Experiment, parse_config
from nagevo.experiment.delivery import trained
from nagevo.generator.generator import Generator
from nagevo.measure.accuracy.dataset import DatasetEvaluator
from nagevo.measure.latency.condition import Condition
from nagevo.measure.latency.timing import Build, TimedDevice
from nagevo.spaces import create_space
from nagevo.spaces.base import SearchSpace
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate

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
OURS, HANDMADE = "nagevo", "MobileNetV3-Small"
BUDGETS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--output", required=True, help="table of the results")
    parser.add_argument("--timm", nargs="*", default=TIMM, metavar="NAME", help="networks of timm")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for path in arguments.configs:
        rows += compare(parse_config(yaml.safe_load(path.read_text())), arguments.timm)
        pd.DataFrame(rows).to_csv(arguments.output, index=False)
    print(summary(pd.DataFrame(rows)).round(3).to_string())


def compare(experiment: Experiment, names: Sequence[str]) -> list[dict[str, object]]:
    """Return rows ``experiment, place, budget, kind, network, ms, accuracy`` (percent of the test images)."""
    folder = Path("results") / experiment.name
    generator = nagevo.load(folder / "generator")
    (name,) = generator.devices
    condition = Condition.parse(generator.description["conditions"][name])
    evaluator = generator.networks.trainer()
    assert isinstance(evaluator, DatasetEvaluator)
    space, shape = evaluator.plain, evaluator.plain.input_shape
    rivals = rival_networks(shape, len(evaluator.classes), names)
    known = timed(experiment, name, space, condition, {each: (build, shape) for each, build in rivals.items()})
    taken = spread_over(generator, name, worthwhile({w: known[w] for w in rivals if w.startswith(HANDMADE)}))
    answers = {each: generator.generate(known[each], device=name, confidence=0.9) for each in taken}
    ours = {answer.architecture: space.from_text([answer.architecture])[0] for answer in answers.values()}
    within = {each for each in rivals if not each.startswith(HANDMADE) and known[each] <= max(known[w] for w in taken)}
    networks = {text: (partial(space.network, row), space.input_shape_of(row)) for text, row in ours.items()}
    networks |= {each: (rivals[each], shape) for each in [*taken, *within]}
    ms = timed(experiment, name, space, condition, networks)
    epochs = evaluator.recipe.epochs + experiment.deploy.epochs
    reached = {}
    for each in [*taken, *sorted(within)]:
        reached[each] = trained_accuracy(rivals[each], evaluator, shape, epochs)
        print(f"{each}: {ms[each]:.4f} ms, {reached[each]:.2f} %", flush=True)
    rows: list[dict[str, object]] = []
    for place, width in enumerate(taken):
        about = {"experiment": experiment.name, "place": place, "budget": known[width]}
        answer = answers[width]
        delivered = trained(answer, evaluator, experiment.deploy, folder / "tuned")
        accuracies = {answer.architecture: delivered.description["accuracy"]["test"]}
        accuracies |= {each: reached[each] for each in [width, *sorted(within)] if known[each] <= known[width]}
        for text, value in accuracies.items():
            kind = OURS if text == answer.architecture else text.split()[0] if text == width else "timm"
            rows.append({**about, "kind": kind, "network": text, "ms": ms[text], "accuracy": value})
            print(rows[-1], flush=True)
    return rows


def timed(
    experiment: Experiment,
    name: str,
    space: SearchSpace,
    condition: Condition,
    networks: Mapping[str, tuple[Build, tuple[int, ...]]],
) -> dict[str, float]:
    """Return the latencies of networks, in ms, in the condition that the bundle promises for.

    Each is timed beside the smallest and the largest network of the space, whose quiet speed the bundle knows.
    """
    references = [(partial(space.network, row), space.input_shape_of(row)) for row in space.extremes()]
    builders, shapes = zip(*references, *networks.values(), strict=True)
    device = experiment.device(name).create()
    assert isinstance(device, TimedDevice)
    table = device.time_networks(builders, shapes, n_references=len(references))
    return dict(zip(networks, condition.values(table), strict=True))


def worthwhile(known: Mapping[str, float]) -> dict[str, float]:
    """Drop networks that take at least as long as a wider one; ``known`` is ordered by width, narrowest first."""
    kept: dict[str, float] = {}
    for width, ms in reversed(known.items()):
        if ms < min(kept.values(), default=np.inf):
            kept[width] = ms
    return dict(reversed(kept.items()))


def spread_over(generator: Generator, name: str, known: Mapping[str, float]) -> list[str]:
    """Return networks whose latencies are spread by equal factors over the range that the generator answers."""
    steps = generator.steps(device=name, confidence=0.9)
    fitting = {each: ms for each, ms in known.items() if steps[0].bound <= ms <= steps[-1].bound}
    goals = np.geomspace(min(fitting.values()), max(fitting.values()), BUDGETS)
    nearest = [min(fitting, key=lambda each: abs(np.log(fitting[each] / goal))) for goal in goals]
    return list(dict.fromkeys(nearest))


def rival_networks(shape: tuple[int, ...], classes: int, names: Sequence[str]) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds each network made by hand, by name; MobileNetV3-Small from the narrowest to the widest."""
    small = create_space(
        "mobilenetv3_small",
        resolution=shape[1],
        channels=shape[0],
        classes=classes,
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
    return found | {name: partial(timm.create_model, name, in_chans=shape[0], num_classes=classes) for name in names}


def trained_accuracy(
    build: Callable[[], nn.Module], evaluator: DatasetEvaluator, shape: tuple[int, ...], epochs: int
) -> float:
    """Return the test accuracy, in percent, of a network after its best epoch."""
    torch.manual_seed(evaluator.seed)
    network = build().to(memory_format=torch.channels_last)
    recipe = replace(evaluator.recipe, epochs=epochs)
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
    """Return, by place, the mean accuracies over the experiments, and the lead over the best rival of each kind."""
    best = table.groupby(["place", "experiment", "kind"])["accuracy"].max().unstack("kind")
    leads = {f"lead over {kind}": best[OURS] - best[kind] for kind in best.columns if kind != OURS}
    found = best.assign(**leads).groupby("place").agg(["mean", "std"])
    found.insert(0, ("budget", "mean"), table.groupby("place")["budget"].mean())
    return found


if __name__ == "__main__":
    main()
