"""The base of evaluators that train networks on a dataset."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from nagevo.foundation.options import EMPTY, Option
from nagevo.foundation.progress import track
from nagevo.foundation.registry import create
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.status import OK, reason
from nagevo.spaces.base import SearchSpace
from nagevo.training.accelerator import torch_device
from nagevo.training.datasets import DATASET, Dataset, Inputs, check_fits, load_dataset
from nagevo.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nagevo.deploy.quantization import Int8Network
    from nagevo.training.examples import Examples


def channels_last(network: nn.Module) -> nn.Module:
    """Return the network with its weights in the layout of memory that is fastest on a processor."""
    import torch

    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def readings(network: nn.Module | Int8Network, examples: Examples) -> tuple[float, float, float]:
    """Return accuracy and its standard error (percent), and cross-entropy (nats), of a network in evaluation mode.

    See :func:`nagevo.training.loop.standard_error`.
    """
    import torch

    from nagevo.training.loop import batches_for, cross_entropy, standard_error

    correct, loss, n = 0, 0.0, examples.labels.numel()
    with torch.inference_mode():
        for x, labels in batches_for(network, examples):
            logits = network(x)
            correct += int((logits.argmax(-1) == labels).sum())
            loss += float(cross_entropy(logits, labels)) * labels.numel()
    accuracy = 100.0 * correct / n
    return accuracy, standard_error(accuracy, n), loss / n


DatasetOptions = Annotated[
    Mapping[str, Any], Option("Dataset on which networks are trained and evaluated.", of=DATASET)
]
Training = Annotated[
    Mapping[str, Any],
    Option("How networks are trained: by SGD under a linear warm-up and a cosine schedule.", of=Recipe),
]
CalibrationExamples = Annotated[
    int,
    Option(
        "Number of training examples from which the statistics of batch normalization are computed after training.",
        ge=1,
    ),
]
"""Options of every evaluator that trains networks."""


class DatasetEvaluator(Evaluator):
    """Reads accuracies of trained networks on a dataset."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        dataset: DatasetOptions,
        training: Training = EMPTY,
        calibration_examples: CalibrationExamples = 512,
    ):
        super().__init__(space, seed=seed)
        self.plain = space.plain
        self.dataset_options, self.calibration_examples = dict(dataset), calibration_examples
        self.recipe = create("training", Recipe, **training)

    @cached_property
    def dataset(self) -> Dataset:
        """The examples in the largest shape that the space takes, read when first needed."""
        dataset = load_dataset(shape=self.plain.input_shape, seed=self.seed, **self.dataset_options)
        check_fits(dataset, self.plain)
        dataset.form.check(self.recipe)
        return dataset

    @cached_property
    def _resized(self) -> dict[tuple[int, ...], Dataset]:
        return {self.dataset.shape: self.dataset}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.dataset.classes

    @cached_property
    def content(self) -> str:
        """Hash of the training examples."""
        return self.training_examples(self.plain.input_shape).digest

    @cached_property
    def form(self) -> Inputs:
        """The inputs of the networks."""
        return self.dataset.form

    @property
    def accelerator(self) -> torch.device:
        """Where networks are trained and their accuracies read."""
        return torch_device(self.recipe.accelerator)

    def preprocessing(self) -> dict[str, Any]:
        return {"classes": list(self.classes), **self.form.describe()}

    def splits(self) -> pd.DataFrame:
        return self.dataset.table()

    def examples(self, split: str, shape: tuple[int, ...] | None = None) -> Examples:
        """Return one split in a shape, by default the largest that the space takes."""
        from nagevo.training.examples import Examples

        shape = self.dataset.shape if shape is None else shape
        if shape not in self._resized:
            self._resized[shape] = self.dataset.resized(shape)
        return Examples.of(self._resized[shape].split(split), self.form.resized(shape))

    def training_examples(self, shape: tuple[int, ...]) -> Examples:
        """Return the training split for networks of a shape, whose inputs are changed at random before they are scaled.

        So a change, such as a shift by two pixels, means the same at every shape.
        """
        from nagevo.training.examples import Examples

        return Examples.of(self.dataset.split("train"), self.form.resized(shape))

    def calibration(self, shape: tuple[int, ...]) -> Examples:
        """Return the examples from which statistics of batch normalization are taken, in a shape."""
        return self.examples("train", shape).first(self.calibration_examples)

    @abstractmethod
    def trained(self, choices: np.ndarray) -> nn.Module:
        """Return the trained network of one architecture, shape (n_choices,), in evaluation mode on the accelerator."""

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        """Return one row for each architecture, in order; see :meth:`Evaluator.evaluate`.

        There are further columns: ``standard_error`` of the accuracy (percent), for examples drawn at random, and
        the mean ``cross_entropy`` (nats), which distinguishes networks whose accuracies on few examples are equal. For
        tokens there is also its exponential, the ``perplexity``.
        """
        import torch

        self.examples(split)  # a dataset that cannot be read is an error, not a status
        torch.set_num_threads(1)  # twice as fast for networks of this size as two threads on two cores
        rows = [self._reading(row, split) for row in track(choices, f"Scoring ({split})")]
        columns = {"accuracy": float, "standard_error": float, "cross_entropy": float, "status": object}
        table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
        return table.assign(**self.form.readings(table["cross_entropy"].to_numpy()))

    def _reading(self, choices: np.ndarray, split: str) -> tuple[float, float, float, str]:
        """Return the readings of one architecture with its status."""
        from nagevo.training.loop import fold

        failed = (math.nan, math.nan, math.nan)
        try:
            shape = self.space.input_shape_of(choices)
            trained = fold(self.trained(choices))
            is_int8 = self.space.precisions_of(choices[None])[0] == "int8"
            runnable = self._int8(trained.cpu(), shape) if is_int8 else trained
            values = readings(runnable, self.examples(split, shape))
        except (RuntimeError, ValueError, ArithmeticError) as error:  # of torch, for instance out of memory
            return *failed, reason(error)
        return (*values, OK) if np.isfinite(values).all() else (*failed, "its outputs are not finite numbers")

    def _int8(self, network: nn.Module, shape: tuple[int, ...]) -> Int8Network:
        from nagevo.deploy.quantization import Int8Network

        return Int8Network(self.quantized(network, shape))

    def quantized(self, network: nn.Module, shape: tuple[int, ...]) -> bytes:
        """Return the ONNX model of a trained network in int8, its ranges those on training examples of the shape."""
        from nagevo.deploy.quantization import inputs_of, quantized

        return quantized(network, shape, inputs_of(self.calibration(shape)))

    def about(self, network: nn.Module) -> dict[str, Any]:
        """Return what weights trained from those of a network depend on beside recipe, seed and :attr:`content`."""
        from nagevo.training.origin import origin

        return {
            "dataset": self.dataset_options,
            **origin(network),
            "architectures": [*self.plain.to_text(self.plain.extremes()), *self.plain.n_options],
            "input_shape": list(self.plain.input_shape),
        }
