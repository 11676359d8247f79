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

from nagevo.errors import BundleError, NagevoError
from nagevo.files import replacing_folder
from nagevo.generator import bundle as files
from nagevo.generator.conditions import DeviceView
from nagevo.machine import describe_machine
from nagevo.measurements import Measurements
from nagevo.predictor import Predictor

if TYPE_CHECKING:
    from nagevo.config import Experiment
    from nagevo.evaluators import Evaluator
    from nagevo.generator.answers import Generator
    from nagevo.generator.model import FrontierModel
    from nagevo.spaces import SearchSpace

MODEL, MEASUREMENTS, SURROGATES, WEIGHTS = (
    "model.safetensors",
    "measurements.safetensors",
    "surrogates",
    "weights.safetensors",
)
PACKAGES = ("nagevo", "torch", "numpy", "xgboost-cpu", "deap", "scikit-learn", "onnxruntime")


def save_generator(
    folder: str | os.PathLike,
    experiment: Experiment,
    model: FrontierModel,
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
    views : mapping of str to DeviceView
    predictor : Predictor
        Whose measurements are kept.
    surrogates : path
        The folder that the predictor was read from.
    weights : path, optional
        What the evaluator's :meth:`train` wrote.
    """
    description = {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "space": {"name": experiment.space.name, **experiment.space.options},
        "accuracy": {"evaluator": experiment.accuracy.name, **experiment.accuracy.options},
        "devices": list(views),
        "exact": sorted(predictor.exact),
        "hidden": model.hidden,
        "candidates": experiment.generator.candidates,
        "machine": describe_machine(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for number, view in enumerate(views.values()):
        tensors[f"view.{number}.probe_latency_ms"] = view.probe_latency_ms
        tensors[f"view.{number}.lower"], tensors[f"view.{number}.upper"] = view.lower, view.upper
    with replacing_folder(folder) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, temporary / MODEL)
        save_file(_arrays(predictor.measurements), temporary / MEASUREMENTS)
        shutil.copytree(surrogates, temporary / SURROGATES)
        if weights is not None:
            shutil.copyfile(weights, temporary / WEIGHTS)
        files.seal(temporary, description)


def load_generator(folder: str | os.PathLike | None = None) -> Generator:
    """Return the generator in a bundle, by default the latest one below ``results/``.

    Raises
    ------
    BundleError
        If there is none, or it is damaged or of another version.
    """
    from nagevo.generator.answers import Generator
    from nagevo.spaces import create_space

    folder = latest_bundle() if folder is None else Path(folder)
    manifest = files.open_manifest(folder)
    for name in manifest["files"]:
        if name != WEIGHTS:
            files.verified(folder, manifest, name)
    try:
        space = create_space(**manifest["space"])
        tensors = load_file(folder / MODEL)
        views = {
            device: DeviceView(*(tensors.pop(f"view.{k}.{part}") for part in ("probe_latency_ms", "lower", "upper")))
            for k, device in enumerate(manifest["devices"])
        }
        measurements = _measurements(load_file(folder / MEASUREMENTS), manifest["devices"])
        predictor = Predictor.from_files(
            space, measurements, folder / SURROGATES, manifest["devices"], exact=manifest["exact"]
        )
        model = _model(space, tensors, manifest["hidden"], next(iter(views.values())))
        return Generator(
            model,
            predictor,
            views,
            seed=manifest["seed"],
            n_candidates=manifest["candidates"],
            description=manifest,
            folder=folder,
        )
    except (KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, NagevoError):
            raise
        raise BundleError(f"bundle {folder} was not written by this nagevo ({error}): distill it again") from None


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
    from nagevo.evaluators import create_evaluator

    manifest = files.open_manifest(folder)
    if WEIGHTS not in manifest["files"]:
        return None
    options = dict(manifest["accuracy"])
    evaluator = create_evaluator(options.pop("evaluator"), space, seed=manifest["seed"], **options)
    evaluator.load(files.verified(folder, manifest, WEIGHTS))
    return evaluator


def _model(space: SearchSpace, tensors: dict[str, np.ndarray], hidden: int, view: DeviceView) -> FrontierModel:
    import torch

    from nagevo.generator.model import FrontierModel

    n_conditions = view.conditions(np.full((1, len(view.lower)), np.nan)).shape[1]
    model = FrontierModel(space.n_options, n_conditions, hidden)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return model.eval()


def _arrays(measurements: Measurements) -> dict[str, np.ndarray]:
    fixed: dict[str, Any] = {
        "choices": measurements.choices,
        "round": measurements.round.astype(np.int64),
        "accuracy": measurements.accuracy,
    }
    latencies = {f"latency_ms.{device}": values for device, values in measurements.latency_ms.items()}
    return {name: np.ascontiguousarray(array) for name, array in (fixed | latencies).items()}


def _measurements(arrays: dict[str, np.ndarray], devices: list[str]) -> Measurements:
    latency_ms = {device: arrays[f"latency_ms.{device}"] for device in devices}
    return Measurements(arrays["choices"], arrays["round"], arrays["accuracy"], latency_ms)
