"""Training and scoring of torch networks on images: one loop for everything that is trained."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import one_line, replacing
from nagevo.foundation.progress import track
from nagevo.training.augmentation import augmented
from nagevo.training.datasets import Split

METADATA = "nagevo"
"""Key of the JSON that holds what tensors in a file are, as JSON text, and the checksum of that and of them."""

CHECKPOINT_INTERVAL_S = 10.0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a linear warm-up and a cosine schedule.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate : float
        The peak.
    warmup_epochs : float
    momentum, weight_decay : float
        Weights of batch normalization and biases do not decay.
    label_smoothing : float
        Share of the target that is spread evenly over all classes.
    shift_pixels : int
        Images are shifted at random by up to so many pixels each way (a random crop of the zero-padded image).
    flip : bool
        Half of the images are mirrored left to right.
    rotate_degrees : float
        Images are turned at random by up to so many degrees either way.
    zoom : float
        Images are magnified at random up to so many times.
    light : float
        Contrast and brightness change at random by up to this share.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.1
    warmup_epochs: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    shift_pixels: int = 2
    flip: bool = False
    rotate_degrees: float = 0.0
    zoom: float = 1.0
    light: float = 0.0

    def __post_init__(self):
        if self.epochs <= self.warmup_epochs:
            raise ConfigError(
                f"training: expected more epochs than warmup_epochs = {self.warmup_epochs}, got {self.epochs}"
            )

    def rate(self, progress: float) -> float:
        """Return the learning rate after ``progress`` epochs."""
        if progress < self.warmup_epochs:
            return self.learning_rate * progress / self.warmup_epochs
        done = (progress - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Images:
    """Images on their way into a network.

    Attributes
    ----------
    pixels : Tensor of uint8, shape (n, channels, height, width)
    labels : Tensor of int64, shape (n,)
    mean, std : Tensor, shape (channels, 1, 1)
        In units of full scale.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n: int) -> Images:
        """Return the first n images."""
        return Images(self.pixels[:n], self.labels[:n], self.mean, self.std)

    def normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pixels as the networks take them: float32, mean 0 and variance 1, channels last."""
        values = (pixels / 255 - self.mean) / self.std
        return values.contiguous(memory_format=torch.channels_last)

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield normalized images and labels in order."""
        for pixels, labels in zip(self.pixels.split(size), self.labels.split(size), strict=True):
            yield self.normalized(pixels), labels

    def epoch(self, recipe: Recipe, rng: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield whole batches of augmented images and labels in random order."""
        order = torch.randperm(len(self), generator=rng)
        size = min(recipe.batch_size, len(self))
        for chosen in order[: len(self) // size * size].split(size):
            yield self.normalized(augmented(self.pixels[chosen], recipe, rng)), self.labels[chosen]


def prepare(split: Split, statistics: tuple[np.ndarray, np.ndarray]) -> Images:
    """Return the images of a split with mean and standard deviation of each channel, both of shape (channels,)."""
    mean, std = (torch.from_numpy(values).view(-1, 1, 1) for values in statistics)
    return Images(torch.from_numpy(split.images), torch.from_numpy(split.labels), mean, std)


Step = Callable[[torch.Tensor, torch.Tensor, torch.Generator], None]
"""Sets the gradients of all parameters for one batch of images and labels."""


def fit(
    network: nn.Module,
    step: Step,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    description: str | None = None,
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
    score: Callable[[], float] | None = None,
) -> list[float]:
    """Train a network in place.

    All randomness of an epoch follows from the seed and the number of the epoch: training that resumes from a
    checkpoint ends with the same bits as training that was never interrupted.

    Parameters
    ----------
    network : Module
    step : callable
        Sets the gradients for a batch of images and labels; the random generator is for its own draws.
    images : Images
    recipe : Recipe
    seed : int
    description : str, optional
        What the progress bar says; without it there is none.
    checkpoint : Path, optional
        Where the state is kept during training; removed at the end.
    about : mapping, optional
        What the result depends on beside the recipe and the seed: a checkpoint that says otherwise is not resumed.
    score : callable, optional
        Returns how good the network is at the moment. Called before the first epoch and after each; the network ends
        with the state that scored best.

    Returns
    -------
    list of float
        All scores; empty without ``score``.
    """
    optimizer, best = _optimizer(network, recipe), Best(network, score)
    about = {**(about or {}), "recipe": asdict(recipe), "seed": seed}
    done = 0 if checkpoint is None else _resume(checkpoint, about, network, optimizer, best)
    if not done:
        best.look()
    saved = time.monotonic()
    epochs = range(done, recipe.epochs)
    for epoch in track(epochs, description, completed=done) if description else epochs:
        _train_epoch(network, step, images, recipe, optimizer, seed=seed, epoch=epoch)
        best.look()
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
            saved = time.monotonic()
            _save_checkpoint(checkpoint, about, network, optimizer, best, epoch + 1)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    network.load_state_dict(best.state or network.state_dict())
    return best.scores


class Best:
    """The state in which a network scored best so far, and all its scores.

    Parameters
    ----------
    network : Module
    score : callable, optional
        Without it nothing is scored or kept.
    """

    def __init__(self, network: nn.Module, score: Callable[[], float] | None):
        self.network, self.score = network, score
        self.scores: list[float] = []
        self.state: dict[str, torch.Tensor] = {}

    def look(self) -> None:
        """Score the network as it is now, and keep its state where no earlier one was as good."""
        if self.score is None:
            return
        value = self.score()
        if not self.scores or value > max(self.scores):
            self.state = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.scores.append(value)


def _train_epoch(network, step, images, recipe, optimizer, *, seed: int, epoch: int) -> None:
    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    rng = torch.Generator().manual_seed(number)
    n_batches = max(1, len(images) // recipe.batch_size)
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(number)  # for dropout
        for batch, (x, labels) in enumerate(images.epoch(recipe, rng)):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(epoch + batch / n_batches)
            optimizer.zero_grad()
            step(x, labels, rng)
            optimizer.step()


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True)


def cross_entropy_step(network: nn.Module, recipe: Recipe) -> Step:
    """Return the step of ordinary supervised training."""

    def step(x: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> None:
        nn.functional.cross_entropy(network(x), labels, label_smoothing=recipe.label_smoothing).backward()

    return step


def recalibrate(network: nn.Module, images: Images, *, batch_size: int = 512) -> nn.Module:
    """Set the statistics of batch normalization to their means over batches of the images; return the network.

    References
    ----------
    Yu and Huang 2019, "Universally Slimmable Networks and Improved Training Techniques", section 3.3: statistics are
    computed anew for each sub-network after training.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    network.train()
    with torch.no_grad():
        for x, _ in images.batches(batch_size):
            network(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def accuracy(network: nn.Module, images: Images, *, batch_size: int = 512) -> float:
    """Return the percentage of images whose class a network in evaluation mode names."""
    with torch.inference_mode():
        correct = sum(int((network(x).argmax(1) == labels).sum()) for x, labels in images.batches(batch_size))
    return 100.0 * correct / len(images)


def save_tensors(tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write tensors as safetensors with JSON metadata and a checksum; equal content always gives equal bytes.

    All metadata are one entry: safetensors writes several in an order of its own each time.
    """
    contiguous, text = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}, _json(about)
    entry = _json({"about": text, "sha256": _checksum(contiguous, text)})
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata={METADATA: entry})


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True)


def _checksum(tensors: Mapping[str, torch.Tensor], text: str) -> str:
    """Return the SHA-256 of names, types, shapes and values of tensors, and of a text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def load_tensors(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the metadata that :func:`save_tensors` wrote.

    Raises
    ------
    DataError
        If the file is absent, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            entry = json.loads(file.metadata()[METADATA])
            text, expected = entry["about"], entry["sha256"]
    except FileNotFoundError:
        raise DataError(f"weights {path} do not exist") from None
    except Exception as error:  # safetensors and torch raise many kinds for a damaged file
        reason = one_line(error)
        raise DataError(f"weights {path} were not written by this nagevo or are damaged ({reason})") from None
    if _checksum(tensors, text) != expected:
        raise DataError(f"weights {path} are damaged or were changed (checksum differs): train them again")
    return tensors, json.loads(text)


def with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _save_checkpoint(path: Path, about: Mapping[str, Any], network, optimizer, best: Best, epochs: int) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.state.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    save_tensors(tensors, {"about": about, "epochs": epochs, "scores": best.scores}, path)


def _resume(path: Path, about: Mapping[str, Any], network, optimizer, best: Best) -> int:
    """Return how many epochs a checkpoint has behind it, after taking its state; 0 where there is none to take."""
    try:
        tensors, metadata = load_tensors(path)
    except DataError:
        return 0
    if metadata["about"] != json.loads(json.dumps(about)):
        return 0
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    network.load_state_dict(with_prefix("network.", tensors))
    best.state, best.scores = with_prefix("best.", tensors), metadata["scores"]
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return metadata["epochs"]
