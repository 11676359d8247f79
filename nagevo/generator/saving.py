"""Generators written as bundles, with the devices that were added to them."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagevo.foundation.errors import NagevoError
from nagevo.generator import bundle as files
from nagevo.generator.bundle import Bundle, locked, writing
from nagevo.generator.readings import Readings, adapted_devices, adapted_folder

if TYPE_CHECKING:
    from nagevo.generator.generator import Generator


def save(generator: Generator, folder: str | os.PathLike, weights: str | os.PathLike | None) -> Bundle:
    """Write a generator as a bundle, whole or not at all; see :meth:`Generator.save`."""
    with locked(folder):
        readings = adapted_folder(folder)
        if readings is not None:
            generator = _adapted_again(generator, readings)
        with writing(folder, _manifest(generator)) as temporary:
            generator.knowledge.write_model(temporary)
            _write_tables(generator, temporary)
            if weights is not None:
                shutil.copyfile(weights, temporary / files.WEIGHTS)
        return Bundle.read(folder)


def save_adapted(generator: Generator, bundle: Bundle, device: str) -> Bundle:
    """Write a bundle again with a device that its generator was adapted to; the caller holds it locked."""
    experiment = adapted_folder(bundle.place)
    if experiment is not None:
        generator.knowledge.readings[device].write(experiment, device, generator.space)
    with writing(bundle.place, _manifest(generator)) as temporary:
        for name in bundle.manifest["files"]:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(bundle.place / name, temporary / name)
        _write_tables(generator, temporary)
    return bundle.again()


def readings_of(generator: Generator, device: str) -> Readings | None:
    """Return the readings of an adapted device: those in the experiment's file, else those in the bundle."""
    folder = None if generator.bundle is None else adapted_folder(generator.bundle.place)
    if folder is not None and device in adapted_devices(folder):
        return Readings.read(folder, device, generator.space)
    return generator.knowledge.readings.get(device)


def _adapted_again(generator: Generator, folder: Path) -> Generator:
    """Return the generator with the devices of which a folder holds readings; unusable ones are logged."""
    for device in adapted_devices(folder):
        try:
            generator = generator.with_device(device, Readings.read(folder, device, generator.space))
        except NagevoError as error:
            path = folder / f"{device}.parquet"
            logging.getLogger("nagevo").warning("nagevo: %s is left out: %s", path, error)
    return generator


def _write_tables(generator: Generator, folder: Path) -> None:
    generator.knowledge.write(folder)
    generator.candidates.write(folder / files.ANSWERS)


def _manifest(generator: Generator) -> dict[str, Any]:
    described = {key: value for key, value in generator.description.items() if key not in ("format", "files")}
    return described | {
        "candidates": generator.knowledge.n_candidates,
        "devices": generator.candidates.description(),
        "failures": generator.knowledge.failures(),
    }
