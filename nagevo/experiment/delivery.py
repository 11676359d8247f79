"""The networks that an experiment ends with: answers to some budgets, trained on, exported, and timed once more."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.deploy.config import DEFAULT_BUDGETS, INDEX, LISTING, REFERENCES, DeployConfig
from nagevo.deploy.deployment import DESCRIPTION, ONNX, Deployment
from nagevo.deploy.finetuning import finetune, origin_of, train_from_scratch
from nagevo.deploy.models import model_for_timing
from nagevo.experiment.config import DeviceConfig
from nagevo.experiment.delivered import judgment, values_in_condition
from nagevo.experiment.measuring import profile
from nagevo.experiment.profiling import LAYERS, profiles
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.files import read_json, write_json
from nagevo.foundation.quantities import LATENCY, QUANTITIES
from nagevo.foundation.rounding import rounded_up
from nagevo.foundation.tables import write_table
from nagevo.foundation.writing import replacing_folder
from nagevo.measure.latency.condition import Condition

if TYPE_CHECKING:
    from nagevo.deploy.finetuning import Trainer
    from nagevo.generator.answer import Answer
    from nagevo.generator.generator import Generator
    from nagevo.measure.latency.base import Device


def deliver(
    generator: Generator,
    settings: DeviceConfig,
    config: DeployConfig,
    folder: str | os.PathLike,
    *,
    confidence: float,
    tuned: str | os.PathLike,
) -> dict[str, Any]:
    """Write networks that hold budgets on a device, and return the table of them.

    Parameters
    ----------
    settings : DeviceConfig
        The device that measures the networks once more.
    folder : path
        Gets a folder ``<budget><unit>`` for each budget, with ONNX, weights and card, the reference networks as ONNX,
        and the table as ``index.json``. Its earlier content is replaced as a whole.
    confidence : float
        Asked probability that a budget holds.
    tuned : path
        Folder in which trained networks are kept; those that are there are not trained again.
    """
    name, space = settings.name, generator.space
    quantity, entry = generator.quantity(name), generator.networks.condition(name)
    given = generator.answers(budgets(generator, name, config, confidence), device=name, confidence=confidence)
    answers = [answer for answer in given if not isinstance(answer, InfeasibleBudget)]
    references = space.to_text(space.extremes())
    device = settings.create()
    measured = _measured(generator, name, device, [*(answer.architecture for answer in answers), *references])
    quiet = [judgment(np.inf, *measured[text])["measured"] for text in references] if entry is None else entry["quiet"]
    timed = [answer.architecture for answer in answers] if quantity == LATENCY else []
    values = {text: value for text, (value, _) in measured.items()}
    with replacing_folder(folder, LISTING) as new:
        index: dict[str, Any] = {
            "experiment": generator.experiment,
            "device": name,
            "quantity": quantity,
            "confidence": confidence,
            "condition": entry,
            "place": device.place,
            "settings": {"backend": settings.backend.name, **settings.backend.options},
            "space": generator.description["space"],
            "networks": _networks(generator, answers, measured, config, new, Path(tuned)),
            "refused": [
                {"asked": refusal.budget, "minimum": refusal.minimum}
                for refusal in given
                if isinstance(refusal, InfeasibleBudget)
            ],
            "references": [
                {**_reference(generator, text, new / REFERENCES / f"{number}.onnx"), "quiet": speed}
                for number, (text, speed) in enumerate(zip(references, quiet, strict=True))
            ],
        }
        write_table(profiles(space, device, values, timed), new / LAYERS)
        write_json(index, new / INDEX)
    return index


def _measured(
    generator: Generator, name: str, device: Device, architectures: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return, by text, what a device measures now in the condition of the generator, and as it was."""
    space, entry = generator.space, generator.networks.condition(name)
    texts = list(dict.fromkeys(architectures))
    table = profile(space, name, device, space.from_text(texts))
    values = values_in_condition(table, name, None if entry is None else Condition.parse(entry))
    return dict(zip(texts, zip(values["measured"], values["raw"], strict=True), strict=True))


def _networks(
    generator: Generator,
    answers: Sequence[Answer],
    measured: Mapping[str, tuple[float, float]],
    config: DeployConfig,
    folder: Path,
    tuned: Path,
) -> list[dict[str, Any]]:
    """Write the networks of answers, trained on, each into a folder of its own, and return the rows of their table."""
    if not answers:
        return []
    trainer, unit = generator.networks.trainer(), QUANTITIES[answers[0].quantity].unit
    networks = []
    for answer, name in zip(answers, folder_names([answer.budget for answer in answers], unit), strict=True):
        again = judgment(answer.budget, *measured[answer.architecture])
        deployment = trained(answer, trainer, config, tuned)
        deployment = replace(deployment, description={**deployment.description, "measured_again": again["measured"]})
        examples = trainer.examples("test", deployment.input_shape)
        differences = deployment.export(folder / name, examples=examples)
        networks.append(
            {
                "folder": name,
                "file": f"{name}/{ONNX}",
                "architecture": answer.architecture,
                "input_shape": list(deployment.input_shape),
                "precision": answer.precision,
                "asked": answer.budget,
                "promised": answer.bound,
                "expected": answer.value,
                **again,
                "accuracy": read_json(folder / name / DESCRIPTION)["accuracy"],
                "standard_errors": deployment.description["standard_errors"],
                "difference_from_torch": differences[ONNX],
            }
        )
    return networks


def folder_names(budgets: Sequence[float], unit: str) -> list[str]:
    """Return a name for each of different budgets: rounded up, to four digits or to as many as tell them apart.

    >>> folder_names([0.07, 5.0], "ms"), folder_names([0.12341, 0.12349], "ms")
    (['0.07ms', '5ms'], ['0.12341ms', '0.12349ms'])
    """
    choices = ([f"{rounded_up(budget, digits)}{unit}" for budget in budgets] for digits in range(4, 18))
    return next(names for names in choices if len(set(names)) == len(names))


def budgets(generator: Generator, name: str, config: DeployConfig, confidence: float) -> list[float]:
    """Return the budgets of the networks that are delivered for a device.

    A number of them is spread over the range of its answers, each as many times the one before, from the smallest to
    the largest; a single one is the largest.
    """
    if isinstance(config.budgets, Sequence):
        return list(dict.fromkeys(map(float, config.budgets)))
    n = DEFAULT_BUDGETS if config.budgets is None else config.budgets
    steps = generator.steps(device=name, confidence=confidence)
    spread = np.geomspace(steps[-1].bound, steps[0].bound, n)[::-1]
    return list(dict.fromkeys(float(rounded_up(budget)) for budget in spread))


def summary(index: Mapping[str, Any]) -> str:
    """Return a line on how many delivered networks kept their budgets."""
    networks = index["networks"]
    kept = sum(network["kept"] for network in networks)
    delivered = f"{len(networks)} network{'' if len(networks) == 1 else 's'} delivered"
    return f"{index['device']}: {delivered}, {kept} within the budget when measured once more"


def trained(answer: Answer, trainer: Trainer, config: DeployConfig, kept: Path) -> Deployment:
    """Return an answer's network, trained on, or from scratch where it has no weights.

    Parameters
    ----------
    answer : Answer
    trainer : Trainer
    config : DeployConfig
    kept : Path
        Folder with a folder for each trained network, named by all that its weights depend on.
    """
    from_scratch = answer.networks.trained(answer.architecture) is None
    begun = answer.deployment(untrained=from_scratch)
    tune = partial(finetune, learning_rate=config.learning_rate)
    train: Callable[..., Deployment] = train_from_scratch if from_scratch else tune
    place = kept / _key(begun, trainer, config)
    if not (place / DESCRIPTION).is_file():
        train(begun, trainer, place, epochs=config.epochs)
    done = Deployment.load(place)
    read = {key: done.description[key] for key in ("accuracy", "standard_errors", "trained")}
    return replace(done, description={**done.description, **begun.description, **read})


def _key(begun: Deployment, trainer: Trainer, config: DeployConfig) -> str:
    """Return a name for a training that changes with whatever its result depends on."""
    about = [
        origin_of(begun, trainer),
        trainer.examples("test", begun.input_shape).digest,
        begun.description["trained"],
        str(trainer.recipe),
        trainer.seed,
        config.epochs,
        config.learning_rate,
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]


def _reference(generator: Generator, text: str, path: Path) -> dict[str, Any]:
    """Write a reference network as ONNX, and return where it is."""
    shape = generator.space.input_shape_of(generator.space.from_text([text])[0])
    path.parent.mkdir(exist_ok=True)
    network = generator.network(text, untrained=True)
    path.write_bytes(model_for_timing(generator.networks.quantized(text, network) or network, shape, 1))
    return {"file": f"{path.parent.name}/{path.name}", "architecture": text, "input_shape": list(shape)}
