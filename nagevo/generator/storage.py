"""Saving and loading of a whole generator: the model, what was measured, the surrogates, the trained weights."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from nagevo.foundation.errors import BundleError, MissingDependency
from nagevo.foundation.files import one_line
from nagevo.foundation.machine import describe_machine
from nagevo.foundation.quantities import checked
from nagevo.foundation.writing import replacing_folder
from nagevo.generator import bundle as files
from nagevo.generator.conditions import DeviceView
from nagevo.learn.predictor import Predictor
from nagevo.measure.measurements import Measurements

if TYPE_CHECKING:
    from nagevo.experiment.config import Experiment
    from nagevo.generator.answers import Generator
    from nagevo.generator.model import FrontierModel
    from nagevo.measure.accuracy import Evaluator
    from nagevo.spaces import SearchSpace

MODEL, DEVICES, MEASUREMENTS, SURROGATES, WEIGHTS = (
    "model.safetensors",
    "devices.safetensors",
    "measurements.safetensors",
    "surrogates",
    "weights.safetensors",
)
MOST_CANDIDATES = 10_000
"""A bundle that asks to decode so many architectures for a budget is not believed."""
PACKAGES = ("nagevo", "torch", "numpy", "xgboost-cpu", "deap", "scikit-learn", "onnxruntime")


def save_generator(
    folder: str | os.PathLike,
    experiment: Experiment,
    model: FrontierModel,
    probes: np.ndarray,
    views: Mapping[str, DeviceView],
    predictor: Predictor,
    surrogates: str | os.PathLike,
    weights: str | os.PathLike | None = None,
) -> None:
    """Write the bundle, whole or not at all.

    Parameters
    ----------
    folder : path
    experiment : Experiment
    model : FrontierModel
    probes : ndarray of int8, shape (n_probes, n_choices)
    views : mapping of str to DeviceView
    predictor : Predictor
        Whose measurements are kept.
    surrogates : path
        The folder that the predictor was read from.
    weights : path, optional
        What the evaluator's :meth:`train` wrote.
    """
    from nagevo.generator.answers import Generator

    quantities = {name: device.measures for name, device in experiment.devices.items()}
    description = {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "space": {"name": experiment.space.name, **experiment.space.options},
        "accuracy": {"evaluator": experiment.accuracy.name, **experiment.accuracy.options},
        "devices": list(views),
        "adapted": [],
        "measures": quantities,
        "exact": sorted(predictor.exact),
        "candidates": experiment.generator.candidates,
        "machine": describe_machine(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }
    settings = {
        "quantities": quantities,
        "seed": experiment.seed,
        "n_candidates": experiment.generator.candidates,
        "description": description,
    }
    generator = Generator(model, predictor, dict(views), probes=probes, **settings)
    with replacing_folder(folder, files.MANIFEST) as temporary:
        save_file({name: tensor.numpy() for name, tensor in model.state_dict().items()}, temporary / MODEL)
        _save_devices(temporary, generator)
        save_file(_arrays(predictor.measurements), temporary / MEASUREMENTS)
        shutil.copytree(surrogates, temporary / SURROGATES)
        if weights is not None:
            shutil.copyfile(weights, temporary / WEIGHTS)
        files.seal(temporary, description)


def save_adapted(folder: str | os.PathLike, generator: Generator, device: str) -> dict[str, Any]:
    """Write a device that was added to a generator into its bundle, whole or not at all, and return its manifest.

    Raises
    ------
    BundleError
        If the folder cannot be written.
    """
    folder, predictor = Path(folder), generator.predictor
    description = {name: value for name, value in generator.description.items() if name not in ("files", "format")}
    description |= {
        "devices": list(generator.devices),
        "adapted": [name for name in generator.devices if name not in predictor.known],
        "measures": dict(generator.quantities.of_device),
        "exact": sorted(predictor.exact),
    }
    try:
        with replacing_folder(folder, files.MANIFEST) as temporary:
            for name in generator.description["files"]:
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, temporary / name)
            _save_devices(temporary, generator)
            save_file(_arrays(predictor.measurements), temporary / MEASUREMENTS)
            predictor.latency_surrogates[device].save(temporary / SURROGATES / f"latency_{device}")
            files.seal(temporary, description)
    except OSError as error:
        raise BundleError(f"bundle {folder} cannot be written: {error.strerror}") from None
    return files.open_manifest(folder)


def load_generator(folder: str | os.PathLike | None = None) -> Generator:
    """Return the generator in a bundle, by default the latest one below ``results/``.

    Raises
    ------
    BundleError
        If there is none, or it is damaged or of another version.
    MissingDependency
        If its space needs an optional package that is not installed.
    """
    folder = latest_bundle() if folder is None else Path(folder)
    manifest = files.open_manifest(folder)
    for name in manifest["files"]:
        if name != WEIGHTS:
            files.verified(folder, manifest, name)
    try:
        generator = _read(folder, manifest)
        _try(generator)
        return generator
    except MissingDependency:
        raise
    except Exception as error:  # a bundle that another program has sealed may hold anything
        reason = one_line(error)
        raise BundleError(f"bundle {folder} was not written by this nagevo ({reason}): distill it again") from None


def _read(folder: Path, manifest: Mapping[str, Any]) -> Generator:
    """Return the generator in the files of a bundle, whose checksums are right."""
    from nagevo.generator.answers import Generator
    from nagevo.spaces import SPACES

    space = SPACES.restore(**manifest["space"])
    tensors = load_file(folder / DEVICES)
    views = {
        device: DeviceView(*(tensors[f"view.{k}.{part}"] for part in ("probe_latency_ms", "lower", "upper")))
        for k, device in enumerate(manifest["devices"])
    }
    proposals = {device: tensors[f"proposals.{k}"] for k, device in enumerate(manifest["devices"])}
    measurements = _measurements(load_file(folder / MEASUREMENTS), manifest["devices"])
    space.check(measurements.choices)
    measurements.check()
    predictor = Predictor.from_files(
        space, measurements, folder / SURROGATES, manifest["devices"], manifest["exact"], manifest["adapted"]
    )
    for choices in (tensors["probes"], *proposals.values()):
        space.check(choices)
    return Generator(
        None,
        predictor,
        views,
        probes=tensors["probes"],
        seed=_whole(manifest, "seed", 0, 2**63),
        n_candidates=_whole(manifest, "candidates", 1, MOST_CANDIDATES),
        description=manifest,
        folder=folder,
        proposals=proposals,
        quantities={device: checked(manifest["measures"][device]) for device in manifest["devices"]},
    )


def _try(generator: Generator) -> None:
    """Check on a few architectures that the parts of a generator fit one another.

    Raises
    ------
    Exception
        Of whatever kind, where they do not.
    """
    predictor = generator.predictor
    choices = generator.space.sample(4, rng=np.random.default_rng(0))
    beliefs = [predictor.accuracy(choices)]
    for device, view in generator.views.items():
        beliefs += [predictor.latency_ms(device, choices), predictor.latency_bound_ms(device, choices, 0.5)]
        view.conditions(view.lattice(2))
    if not generator.views:
        raise ValueError("it knows no device")
    if not np.isfinite(beliefs).all():
        raise ValueError("its surrogates predict no numbers")


def open_model(folder: Path, generator: Generator) -> FrontierModel:
    """Return the trained model of a bundle.

    Raises
    ------
    BundleError
        If its file is damaged, or does not fit the generator.
    """
    import torch

    from nagevo.generator.model import FrontierModel

    path = files.verified(folder, files.open_manifest(folder), MODEL)
    view = next(iter(generator.views.values()))
    conditions = torch.from_numpy(view.conditions(np.full((1, len(view.lower)), np.nan)))
    try:
        tensors = load_file(path)
        model = FrontierModel(generator.space.n_options, conditions.shape[1], hidden=len(tensors["trunk.0.bias"]))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
        model.decode(conditions, 1, rng=torch.Generator().manual_seed(0))
    except Exception as error:  # a bundle that another program has sealed may hold anything
        reason = one_line(error)
        raise BundleError(
            f"bundle {folder}: {MODEL} was not written by this nagevo ({reason}): distill it again"
        ) from None
    return model.eval()


def latest_bundle(results: str | os.PathLike = "results") -> Path:
    """Return the bundle below a folder that was written last.

    Raises
    ------
    BundleError
        If there is none.
    """
    manifests = list(Path(results).glob(f"*/generator/{files.MANIFEST}"))
    if not manifests:
        raise BundleError(f"no bundle below {Path(results).absolute()}; run `snakemake --cores 8 all` or name a bundle")
    return max(manifests, key=lambda path: path.stat().st_mtime).parent


def open_evaluator(folder: Path, space: SearchSpace) -> Evaluator | None:
    """Return the evaluator with the trained weights of a bundle, or None where the bundle has no weights."""
    from nagevo.measure.accuracy import EVALUATORS

    manifest = files.open_manifest(folder)
    if WEIGHTS not in manifest["files"]:
        return None
    options = dict(manifest["accuracy"])
    evaluator = EVALUATORS.create(options.pop("evaluator"), space, seed=manifest["seed"], **options)
    evaluator.load(files.verified(folder, manifest, WEIGHTS))
    return evaluator


def _whole(manifest: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """Return a whole number of a manifest."""
    value = manifest[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
        raise ValueError(f"{key}: expected a whole number from {least} and below {most}, got {value!r}")
    return value


def _save_devices(folder: Path, generator: Generator) -> None:
    """Write how the model sees devices, and what it proposes for them, into a folder."""
    tensors = {"probes": generator.probes}
    for number, (device, view) in enumerate(generator.views.items()):
        tensors |= {f"view.{number}.{part}": array for part, array in vars(view).items()}
        tensors[f"proposals.{number}"] = generator.proposals(device)
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / DEVICES)


def _arrays(measurements: Measurements) -> dict[str, np.ndarray]:
    fixed: dict[str, Any] = {
        "choices": measurements.choices,
        "round": measurements.round.astype(np.int64),
        "accuracy": measurements.accuracy,
    }
    latencies = {f"latency_ms.{device}": values for device, values in measurements.values.items()}
    return {name: np.ascontiguousarray(array) for name, array in (fixed | latencies).items()}


def _measurements(arrays: dict[str, np.ndarray], devices: list[str]) -> Measurements:
    latency_ms = {device: arrays[f"latency_ms.{device}"] for device in devices}
    return Measurements(arrays["choices"], arrays["round"], arrays["accuracy"], latency_ms)
