"""Generators written as bundles, with the devices that were added to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any

from nagevo.generator import bundle as files
from nagevo.generator.bundle import Bundle, writing
from nagevo.generator.candidates import Candidates
from nagevo.generator.knowledge import Knowledge
from nagevo.generator.readings import adapted_folder


def save(
    folder: str | os.PathLike,
    knowledge: Knowledge | None,
    candidates: Candidates,
    description: Mapping[str, Any],
    weights: str | os.PathLike | None,
) -> Bundle:
    """Write a generator as a bundle, whole or not at all; the caller holds the folder locked."""
    with writing(folder, _manifest(knowledge, candidates, description)) as temporary:
        if knowledge is not None:
            knowledge.write_model(temporary)
            knowledge.write(temporary)
        candidates.write(temporary / files.ANSWERS)
        if weights is not None:
            shutil.copyfile(weights, temporary / files.WEIGHTS)
    return Bundle.read(folder)


def save_adapted(
    bundle: Bundle, knowledge: Knowledge, candidates: Candidates, description: Mapping[str, Any], device: str
) -> Bundle:
    """Write a bundle again with a device that its generator was adapted to; the caller holds it locked."""
    experiment = adapted_folder(bundle.place)
    if experiment is not None:
        knowledge.readings[device].write(experiment, device, knowledge.space)
    with writing(bundle.place, _manifest(knowledge, candidates, description)) as temporary:
        for name in bundle.manifest["files"]:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(bundle.place / name, temporary / name)
        knowledge.write(temporary)
        candidates.write(temporary / files.ANSWERS)
    return bundle.again()


def _manifest(knowledge: Knowledge | None, candidates: Candidates, description: Mapping[str, Any]) -> dict[str, Any]:
    described = {key: value for key, value in description.items() if key not in ("format", "files")}
    described |= {"devices": candidates.description()}
    if knowledge is None:
        return described
    return described | {"candidates": knowledge.n_candidates, "failures": knowledge.failures()}
