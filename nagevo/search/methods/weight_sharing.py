"""Gradient search on a weight-sharing network that is trained on examples, with expected latency as a penalty.

One run trains the weights of a :class:`~nagevo.spaces.nasbench201.supernet.MixtureNetwork` and its operations' mixture
together and ends in one cell; runs with several penalties on latency trace a frontier. What the runs find is then
measured like every other proposal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.foundation.progress import track
from nagevo.measure.measurements import Measurements
from nagevo.search.methods.relaxation import Mixture, Simplices
from nagevo.spaces.nasbench201.cell import N_EDGES, OPERATIONS
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.spaces.nasbench201.supernet import MixtureNetwork
from nagevo.training.accelerator import Accelerator, Precision, mixed_precision, torch_device
from nagevo.training.datasets import DATASET, check_fits, load_dataset
from nagevo.training.examples import Examples
from nagevo.training.recipe import Recipe

MakeMixture = Callable[..., Mixture]
"""From the number of operations, ``edge_weights`` and a ``generator`` to a new mixture."""


@dataclass(frozen=True)
class SupernetRecipe:
    """How the weight-sharing network is trained; defaults are those of GAEA's configuration for NAS-Bench-201."""

    dataset: Annotated[Mapping[str, Any], Option("Dataset on which the weights are trained.", of=DATASET)]
    epochs: Annotated[int, Option("Passes over the training examples.", ge=1)] = 25
    batch_size: Annotated[int, Option("Examples in a step.", ge=1)] = 64
    width: Annotated[int, Option("Channels of the first stage.", ge=1)] = 24
    cells: Annotated[int, Option("Cells of each stage.", ge=1)] = 5
    learning_rate: Annotated[float, Option("Learning rate of the weights at the start.", gt=0)] = 0.025
    final_learning_rate: Annotated[float, Option("Learning rate of the weights at the end.", ge=0)] = 0.001
    momentum: Annotated[float, Option("Momentum of the weights.", ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Option("Decay of the weights.", ge=0)] = 3e-4
    clip: Annotated[float, Option("Largest norm of the gradient of the weights.", gt=0)] = 5.0
    single_level: Annotated[
        bool,
        Option(
            "Whether mixture and weights are trained on the same batches (single-level); otherwise on one half "
            "of the examples each (bi-level)."
        ),
    ] = True
    exclude_zero: Annotated[bool, Option("Whether the operation none is left out.")] = True
    edge_weights: Annotated[bool, Option("Whether the edges into a node have learned weights too (gaea only).")] = False
    penalties: Annotated[
        Sequence[Annotated[float, Option("", ge=0)]],
        Option(
            "Weights of the logarithm of the expected latency beside the cross-entropy; one run for each weight and "
            "device.",
            min_length=1,
        ),
    ] = (0.0, 0.1, 0.3, 1.0)
    shift_pixels: Annotated[int, Option("Of images: largest random shift.", "pixels", ge=0)] = 4
    flip: Annotated[bool, Option("Of images: whether half of them are mirrored.")] = True
    accelerator: Accelerator = "auto"
    precision: Precision = "float32"

    @property
    def augmentation(self) -> Recipe:
        """Batches and random changes of the examples."""
        return Recipe(batch_size=self.batch_size, shift_pixels=self.shift_pixels, flip=self.flip)

    def rate(self, progress: float) -> float:
        """Return the learning rate of the weights after a share of the training."""
        span = self.learning_rate - self.final_learning_rate
        return self.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * progress))


def frontier_cells(
    recipe: SupernetRecipe,
    space: NASBench201Space,
    measurements: Measurements,
    make_mixture: MakeMixture,
    *,
    seed: int,
) -> np.ndarray:
    """Return the cells of all runs: those in which they ended first, then those after earlier and earlier epochs.

    Parameters
    ----------
    measurements : Measurements
        Source of the latencies; every device gets runs with all penalties.
    make_mixture : callable

    Returns
    -------
    ndarray of int8, shape (n, 6)
    """
    dataset = load_dataset(shape=space.input_shape, seed=seed, **recipe.dataset)
    check_fits(dataset, space)
    examples = Examples.of(dataset.split("train"), dataset.form)
    runs = []
    for penalty, latency in _objectives(recipe.penalties, measurements):
        search = SupernetSearch(recipe, space, examples, penalty=penalty, latency=latency, seed=seed)
        runs.append(list(search.run(make_mixture)))
    from_the_end = zip_longest(*(reversed(run) for run in runs))
    return np.array([cell for cells in from_the_end for cell in cells if cell is not None])


def _objectives(penalties: Sequence[float], known: Measurements) -> Iterator[tuple[float, ExpectedLatency | None]]:
    """Yield penalty and latency of each run: one run without a penalty, the others for each device."""
    if 0 in penalties:
        yield 0.0, None
    for penalty in penalties:
        for device in known.devices if penalty else ():
            yield penalty, ExpectedLatency(known, device)


class ExpectedLatency:
    """The latency that is expected of a cell drawn from a mixture: linear in the mixture, fitted by least squares.

    Parameters
    ----------
    known : Measurements
        Cells with their latencies.

    Raises
    ------
    ConfigError
        If too few latencies are known.
    """

    def __init__(self, known: Measurements, device: str):
        rows = known.rows(np.isfinite(known.values[device]))
        simplices = Simplices((len(OPERATIONS),) * N_EDGES)
        if len(rows) < len(simplices.owner):
            raise ConfigError(
                f"search.mode weight_sharing needs the latencies of at least {len(simplices.owner)} cells before the "
                f"first round: set devices.{device}.extra_measurements (got {len(rows)})"
            )
        corners = simplices.corners(rows.choices).numpy().astype(float)
        solution, *_ = np.linalg.lstsq(corners, rows.values[device], rcond=None)
        self.latency_ms = torch.from_numpy(solution).float().view(N_EDGES, -1)
        self.floor_ms = float(rows.values[device].min())

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the expected latency in ms, at least the smallest known one.

        Parameters
        ----------
        weights : Tensor, shape (6, n_operations)
            Weights of the last ``n_operations`` of ``OPERATIONS``; those of an edge need not sum to 1.
        """
        shares = weights / weights.sum(dim=1, keepdim=True)
        return (shares * self.latency_ms[:, -weights.shape[1] :].to(weights.device)).sum().clamp(min=self.floor_ms)


class SupernetSearch:
    """One run: weights and mixture trained in turn, batch by batch.

    Parameters
    ----------
    examples : Examples
        For training.
    latency : ExpectedLatency, optional
        Latency that the penalty is on.
    """

    def __init__(
        self,
        recipe: SupernetRecipe,
        space: NASBench201Space,
        examples: Examples,
        *,
        penalty: float = 0.0,
        latency: ExpectedLatency | None = None,
        seed: int,
    ):
        self.recipe, self.penalty, self.latency = recipe, penalty, latency
        self.device = torch_device(recipe.accelerator)
        self.examples = examples.to(self.device)
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = MixtureNetwork(
                width=recipe.width,
                cells=recipe.cells,
                channels=space.channels,
                classes=space.classes,
                exclude_zero=recipe.exclude_zero,
            )
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, make_mixture: MakeMixture) -> Iterator[np.ndarray]:
        """Yield the cell, int8 of shape (6,), after each epoch."""
        mixture = make_mixture(
            len(self.network.operations), edge_weights=self.recipe.edge_weights, generator=self.generator
        )
        optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=self.recipe.learning_rate,
            momentum=self.recipe.momentum,
            weight_decay=self.recipe.weight_decay,
        )
        first_option = len(OPERATIONS) - len(self.network.operations)
        for epoch in track(range(self.recipe.epochs), f"weight sharing, latency penalty {self.penalty:g}"):
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.rate(epoch / self.recipe.epochs)
            self._train_epoch(mixture, optimizer)
            yield mixture.options() + np.int8(first_option)

    def _train_epoch(self, mixture: Mixture, optimizer: torch.optim.Optimizer) -> None:
        self.network.train()
        for batch, architecture_batch in self.batches():
            self.network.requires_grad_(False)
            mixture.step(partial(self._objective, architecture_batch))
            self.network.requires_grad_(True)
            optimizer.zero_grad()
            self._cross_entropy(batch, mixture.weights()).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
            optimizer.step()

    def batches(self) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Yield a batch for the weights and one for the mixture: the same, or one from either half of the examples."""
        if self.recipe.single_level:
            for batch in self.examples.epoch(self.recipe.augmentation, self.generator):
                yield batch, batch
            return
        half = len(self.examples) // 2
        first, second = (
            replace(self.examples, inputs=self.examples.inputs[part], labels=self.examples.labels[part])
            for part in (slice(half), slice(half, 2 * half))
        )
        augmentation = self.recipe.augmentation
        yield from zip(
            first.epoch(augmentation, self.generator), second.epoch(augmentation, self.generator), strict=True
        )

    def _cross_entropy(self, batch: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
        inputs, labels = batch
        with mixed_precision(self.device, self.recipe.precision):
            return nn.functional.cross_entropy(self.network(inputs, weights.to(self.device)), labels)

    def _objective(self, batch: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
        loss = self._cross_entropy(batch, weights)
        return loss if self.latency is None else loss + self.penalty * torch.log(self.latency(weights)).to(loss.device)
