"""The networks that an experiment ends with: answers to some budgets, trained on, exported, and timed once more."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.deploy.config import USUAL, DeployConfig
from nagevo.deploy.deployment import ONNX, Deployment
from nagevo.deploy.export import onnx_for_timing
from nagevo.experiment.profiling import LAYERS, profiles
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.files import write_json
from nagevo.foundation.quantities import LATENCY, QUANTITIES
from nagevo.foundation.rounding import rounded_up
from nagevo.foundation.tables import write_table
from nagevo.foundation.writing import replacing_folder

if TYPE_CHECKING:
    from nagevo.generator.answer import Answer
    from nagevo.generator.generator import Generator
    from nagevo.measure.latency.base import Device

INDEX, LISTING, REFERENCES = "index.json", "manifest.json", "references"
"""The table of delivered networks, the list of all files of the folder, and the folder of reference networks."""


def deliver(
    generator: Generator,
    name: str,
    device: Device,
    config: DeployConfig,
    folder: str | os.PathLike,
    *,
    confidence: float,
) -> dict[str, Any]:
    """Write networks that hold budgets on a device, and return the table of them.

    Parameters
    ----------
    name : str
        Name of the device.
    device : Device
        Measures the networks once more.
    folder : path
        Gets a folder ``<budget><unit>`` for each budget, with ONNX, weights and card, the reference networks as ONNX,
        and the table as ``index.json``. Its earlier content is replaced as a whole.
    confidence : float
        Asked probability that a budget holds.
    """
    quantity = generator.quantity(name)
    unit = QUANTITIES[quantity].unit
    given = generator.answers(budgets(generator, name, config, confidence), device=name, confidence=confidence)
    answers = [answer for answer in given if not isinstance(answer, InfeasibleBudget)]
    space = generator.space
    references = space.to_text(space.extremes())
    texts = list(dict.fromkeys([*(answer.architecture for answer in answers), *references]))
    measured = dict(zip(texts, device.measure(space, space.from_text(texts))[quantity].tolist(), strict=True))
    index: dict[str, Any] = {
        "experiment": generator.experiment,
        "device": name,
        "quantity": quantity,
        "confidence": confidence,
        "place": device.place,
        "networks": [],
        "refused": [
            {"asked": refusal.budget, "minimum": refusal.minimum}
            for refusal in given
            if isinstance(refusal, InfeasibleBudget)
        ],
        "references": [],
    }
    trained: dict[str, Deployment] = {}
    with replacing_folder(folder, LISTING) as new:
        for answer in answers:
            place = new / f"{rounded_up(answer.budget)}{unit}"
            again = measured[answer.architecture]
            deployment = _trained(answer, trained, config.epochs, place)
            deployment = replace(deployment, description={**deployment.description, "measured_again": _known(again)})
            differences = deployment.export(place)
            index["networks"].append(
                {
                    "folder": place.name,
                    "architecture": answer.architecture,
                    "asked": answer.budget,
                    "promised": answer.bound,
                    "expected": answer.value,
                    "measured": _known(again),
                    "kept": bool(again <= answer.budget),
                    "accuracy": deployment.description["accuracy"],
                    "standard_errors": deployment.description["standard_errors"],
                    "difference_from_torch": differences[ONNX],
                }
            )
        timed = [answer.architecture for answer in answers] if quantity == LATENCY else []
        write_table(profiles(space, device, measured, timed), new / LAYERS)
        (new / REFERENCES).mkdir()
        for number, text in enumerate(references):
            shape = space.input_shape_of(space.from_text([text])[0])
            model = onnx_for_timing(generator.network(text, untrained=True), shape)
            (new / REFERENCES / f"{number}.onnx").write_bytes(model)
            index["references"].append(
                {"file": f"{REFERENCES}/{number}.onnx", "architecture": text, "measured": _known(measured[text])}
            )
        write_json(index, new / INDEX)
    return index


def budgets(generator: Generator, name: str, config: DeployConfig, confidence: float) -> list[float]:
    """Return the budgets of the networks that are delivered for a device.

    A number of them is spread over the range of its answers, each as many times the one before, from the smallest to
    the largest; a single one is the largest.
    """
    if isinstance(config.budgets, Sequence):
        return list(config.budgets)
    n = USUAL if config.budgets is None else config.budgets
    steps = generator.steps(device=name, confidence=confidence)
    spread = np.geomspace(steps[-1].bound, steps[0].bound, n)[::-1]
    return list(dict.fromkeys(float(rounded_up(budget)) for budget in spread))


def summary(index: Mapping[str, Any]) -> str:
    """Return a line on how many delivered networks kept their budgets."""
    networks = index["networks"]
    kept = sum(network["kept"] for network in networks)
    delivered = f"{len(networks)} network{'' if len(networks) == 1 else 's'} delivered"
    return f"{index['device']}: {delivered}, {kept} within the budget when measured once more"


def _trained(answer: Answer, trained: dict[str, Deployment], epochs: int, place: os.PathLike) -> Deployment:
    """Return an answer's network, trained on, or from scratch where it has no weights; each architecture once."""
    if answer.architecture not in trained:
        from_scratch = answer.networks.trained(answer.architecture) is None
        trained[answer.architecture] = answer.finetune(place, epochs=epochs, from_scratch=from_scratch)
    known = trained[answer.architecture].description
    promised = answer.deployment(untrained=True).description
    return replace(trained[answer.architecture], description={**known, **_of_answer(promised)})


def _of_answer(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a description that depends on the request."""
    keys = ("budget_ms", "limits", "latency_ms", "latency_bound_ms", "confidence")
    return {key: description[key] for key in keys}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
