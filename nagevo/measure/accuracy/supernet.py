"""Accuracies of sub-networks of one trained, weight-sharing network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.options import EMPTY, Option
from nagevo.measure.accuracy.dataset import (
    CalibrationExamples,
    DatasetEvaluator,
    DatasetOptions,
    Training,
    channels_last,
)
from nagevo.spaces.base import SearchSpace
from nagevo.training.datasets import described_inputs

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nagevo.training.examples import Examples
    from nagevo.training.loop import Step


class SupernetEvaluator(DatasetEvaluator):
    """Train one elastic network once; read the accuracy of each architecture from its part of the weights.

    References
    ----------
    Yu et al. 2020, "BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models", section 3.1: in-place
    distillation, and regularization (here dropout and label smoothing) of the largest network only. Its sandwich rule
    trains the smallest network in each step too, which then has higher accuracies here than better ones beside it. Its
    losses have equal weights; here those of random networks count as much as the largest network is right, because it
    has to learn before it can teach.
    """

    needs_training = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        dataset: DatasetOptions,
        training: Training = EMPTY,
        calibration_examples: CalibrationExamples = 512,
        random_networks: Annotated[
            int,
            Option("Number of random networks trained in each step, beside the largest.", ge=0),
        ] = 3,
        kernel_transform: Annotated[
            bool,
            Option(
                "Whether smaller kernels are the centers of larger ones, "
                "transformed by learned matrices, or the centers as they are."
            ),
        ] = True,
        threads: Annotated[int, Option("Number of networks of a step that are trained in parallel.", ge=1)] = 2,
        checkpoint: Annotated[
            str | os.PathLike | None,
            Option(
                "Published weights of Once-for-All's MobileNetV3, used in place of training (docs/spaces.md).",
                path=True,
            ),
        ] = None,
    ):
        super().__init__(
            space, seed=seed, dataset=dataset, training=training, calibration_examples=calibration_examples
        )
        self.checkpoint = checkpoint
        self.random_networks, self.kernel_transform, self.threads = random_networks, kernel_transform, threads
        self.supernet: Any = None
        self._stored: dict[tuple[int, ...], Examples] = {}

    def train(self, path: str | os.PathLike) -> None:
        from nagevo.spaces.mobilenetv3 import once_for_all
        from nagevo.training.tensors import save_tensors

        path, supernet = Path(path), self._untrained()
        about = self.about(supernet) | {"random_networks": self.random_networks}
        if self.checkpoint is None:
            self._train(supernet, path.with_name(f".{path.name}.checkpoint"), about)
        else:
            once_for_all.load_published(supernet, self.checkpoint)
        save_tensors(self._tensors(supernet), about | {"shapes": self._shapes(), **self.preprocessing()}, path)

    def _train(self, supernet: nn.Module, checkpoint: Path, about: Mapping[str, Any]) -> None:
        import torch

        from nagevo.training.loop import fit

        # As many kernels as random networks have shapes of layers: with oneDNN's 1,024 most of them are compiled anew
        # in every step, which takes as long as running them. It counts before the first convolution of the process.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
        torch.set_num_threads(1)
        examples = self.examples("train")
        with ThreadPoolExecutor(self.threads) as pool:
            fit(
                supernet,
                self.distillation_step(supernet, pool),
                examples,
                self.recipe,
                seed=self.seed,
                description="Training the supernet",
                checkpoint=checkpoint,
                about={**about, "content": self.content},
            )
        if not all(bool(parameter.isfinite().all()) for parameter in supernet.parameters()):
            rate = self.recipe.learning_rate
            raise ConfigError(f"accuracy.training.learning_rate: expected less than {rate:g}: the supernet diverged")

    def load(self, path: str | os.PathLike) -> None:
        from nagevo.training.examples import Examples
        from nagevo.training.tensors import load_tensors, under_prefix

        supernet = self._untrained()
        tensors, about = load_tensors(path)
        expected = self.about(supernet)
        if any(about.get(key) != expected[key] for key in ("network", "architectures")):
            raise DataError(f"weights {path} were trained for other options of the space: train them again")
        supernet.load_state_dict(under_prefix("network.", tensors))
        self.supernet = supernet
        form = described_inputs(self.plain.input_shape, about)
        if form is None:
            raise DataError(f"weights {path} do not say which inputs they take: train them again")
        self.classes, self.form = tuple(about["classes"]), form
        labels = tensors["calibration.labels"]
        for shape in map(tuple, about["shapes"]):
            self._stored[shape] = Examples(tensors[_key(shape)], labels, form.resized(shape))

    def calibration(self, shape: tuple[int, ...]) -> Examples:
        return self._stored[shape] if shape in self._stored else super().calibration(shape)

    def _tensors(self, supernet: nn.Module) -> dict[str, torch.Tensor]:
        """Return what :meth:`network` needs, so that the file serves where the dataset is not: weights and examples."""
        tensors = {f"network.{name}": tensor for name, tensor in supernet.state_dict().items()}
        for shape in self._shapes():
            kept = self.calibration(shape)
            tensors[_key(shape)] = kept.inputs
        return tensors | {"calibration.labels": kept.labels}

    def _shapes(self) -> list[tuple[int, ...]]:
        """Return all shapes of inputs that architectures take."""
        shape = self.plain.input_shape
        resolutions = self.plain.resolutions
        return [(shape[0], pixels, pixels) for pixels in resolutions] if len(resolutions) > 1 else [shape]

    def has_weights(self, choices: np.ndarray) -> np.ndarray:
        return np.full(len(choices), self.supernet is not None)

    def network(self, choices: np.ndarray) -> nn.Module | None:
        return None if self.supernet is None else self._calibrated(choices, "cpu")

    def trained(self, choices: np.ndarray) -> nn.Module:
        return self._calibrated(choices, self.accelerator)

    def _calibrated(self, choices: np.ndarray, device: str | torch.device) -> nn.Module:
        choices = self.space.plain_choices(choices)
        from nagevo.training.loop import recalibrate

        network = channels_last(self.supernet.subnetwork(choices)).to(device)
        return recalibrate(network, self.calibration(self.plain.input_shape_of(choices)))

    def _untrained(self) -> nn.Module:
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            supernet = self.plain.supernet(kernel_transform=self.kernel_transform)
        return channels_last(supernet)

    def distillation_step(self, supernet: nn.Module, pool: ThreadPoolExecutor) -> Step:
        """Return the step that trains the largest network on the labels and random ones on what the largest answers."""
        import torch
        from torch.nn import functional

        from nagevo.training.accelerator import mixed_precision

        parameters = list(supernet.parameters())

        def gradients(loss: torch.Tensor) -> Sequence[torch.Tensor | None]:
            return torch.autograd.grad(loss, parameters, allow_unused=True)

        def outputs(x: torch.Tensor, row: np.ndarray, dropout: bool) -> torch.Tensor:
            with mixed_precision(x.device, self.recipe.precision):  # it applies to one thread
                return supernet(x, row, dropout=dropout).flatten(0, -2).float()

        def step(x: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> None:
            seed = int(torch.randint(2**31, (), generator=rng))
            teacher, *students = self.drawn(np.random.default_rng(seed))
            dropout = (True, *(False for _ in students))
            logits, *others = pool.map(partial(outputs, x), (teacher, *students), dropout)
            teacher_logits, labels = logits.detach(), labels.flatten()
            losses = [functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)]
            weight = self.weight(teacher_logits, labels)
            losses += [weight * self.divergence(each, teacher_logits) for each in others]
            add_gradients(parameters, list(pool.map(gradients, losses)))

        return step

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Return the networks of a step, shape (1 + random_networks, n_choices): first the one that is the teacher."""
        _, largest = self.plain.extremes()
        return np.concatenate([largest[None], networks_of_a_step(self.plain, self.random_networks, rng=rng)])

    def weight(self, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the weight of a random network's loss, shape (): the mean probability that the teacher gives a label.

        Parameters
        ----------
        teacher : torch.Tensor, shape (n, n_classes)
            Its logits.
        labels : torch.Tensor of int64, shape (n,)
        """
        return teacher.softmax(1).gather(1, labels[:, None]).mean()

    def divergence(self, logits: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Return the loss of a random network's logits, given the teacher's, both of shape (n, n_classes)."""
        from torch.nn import functional

        return functional.cross_entropy(logits, teacher.softmax(1))


def networks_of_a_step(space: SearchSpace, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n random architectures to train in one step, shape (n, n_choices).

    Two of three are spread from small to large. The layers of one of these are alike in cost; every third has
    independent choices.
    """
    spread = space.sample_range(n - n // 3, rng=rng)
    return np.concatenate([spread, space.sample(n // 3, rng=rng)])


def _key(shape: tuple[int, ...]) -> str:
    """Return the name of the inputs of a shape among the tensors of a file."""
    return f"calibration.inputs.{shape[-1]}"


def add_gradients(parameters: Sequence[nn.Parameter], gradients: Sequence[Sequence[torch.Tensor | None]]) -> None:
    """Set the gradient of each parameter to the sum, always in the same order, of those that there are."""
    import torch

    for parameter, parts in zip(parameters, zip(*gradients, strict=True), strict=True):
        present = [part for part in parts if part is not None]
        parameter.grad = torch.stack(present).sum(0) if present else None
