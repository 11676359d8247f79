"""Training and scoring of torch networks: one loop for everything that is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nagevo.foundation.progress import track
from nagevo.spaces.convolutions import safe_gradients
from nagevo.training.accelerator import mixed_precision, torch_device
from nagevo.training.checkpoint import Best, resume, save_checkpoint
from nagevo.training.examples import Examples
from nagevo.training.recipe import Recipe

CHECKPOINT_INTERVAL_S = 10.0
BATCH_SIZES = {"cpu": 128, "cuda": 1024}
"""Examples that are scored at once: on a processor so few that the activations of small networks stay in its cache."""

Step = Callable[[torch.Tensor, torch.Tensor, torch.Generator], None]
"""Sets the gradients of all parameters for one batch of inputs and labels."""


def fit(
    network: nn.Module,
    step: Step,
    examples: Examples,
    recipe: Recipe,
    *,
    seed: int,
    description: str | None = None,
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
    score: Callable[[], float] | None = None,
) -> list[float]:
    """Train a network in place; afterwards it lies on the recipe's accelerator.

    All randomness of an epoch follows from the seed and the number of the epoch: training that resumes from a
    checkpoint ends with the same bits as training that was never interrupted.

    Parameters
    ----------
    step : callable
        Sets the gradients for a batch of inputs and labels; the random generator is for its own draws.
    description : str, optional
        Text of the progress bar; without it there is none.
    checkpoint : Path, optional
        Where the state is kept during training; removed at the end.
    about : mapping, optional
        Further values that the result depends on: a checkpoint that differs in them is not resumed.
    score : callable, optional
        Returns how good the network is at the moment. Called before the first epoch and after each; the network ends
        with the state that scored best.

    Returns
    -------
    list of float
        All scores; empty without ``score``.
    """
    device = torch_device(recipe.accelerator)
    network, examples = network.to(device), examples.to(device)
    optimizer, best = _optimizer(network, recipe), Best(network, score)
    about = {**(about or {}), "recipe": asdict(recipe), "seed": seed}
    done = 0 if checkpoint is None else resume(checkpoint, about, network, optimizer, best)
    if not done:
        best.look()
    saved = time.monotonic()
    epochs = range(done, recipe.epochs)
    for epoch in track(epochs, description, completed=done) if description else epochs:
        with safe_gradients(network):
            _train_epoch(network, step, examples, recipe, optimizer, seed=seed, epoch=epoch)
        best.look()
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
            saved = time.monotonic()
            save_checkpoint(checkpoint, about, network, optimizer, best, epoch + 1)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    network.load_state_dict(best.state or network.state_dict())
    return best.scores


def _train_epoch(
    network: nn.Module,
    step: Step,
    examples: Examples,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    *,
    seed: int,
    epoch: int,
) -> None:
    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    rng = torch.Generator().manual_seed(number)
    n_batches = max(1, len(examples) // recipe.batch_size)
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(number)  # for dropout
        for batch, (x, labels) in enumerate(examples.epoch(recipe, rng)):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(epoch + batch / n_batches)
            optimizer.zero_grad()
            step(x, labels, rng)
            if recipe.clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimizer.step()


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Return the mean cross-entropy of logits, shape (batch, classes) or (batch, length, classes), in nats."""
    return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), label_smoothing=label_smoothing)


def cross_entropy_step(network: nn.Module, recipe: Recipe) -> Step:
    """Return the step of ordinary supervised training."""

    def step(x: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> None:
        with mixed_precision(x.device, recipe.precision):
            loss = cross_entropy(network(x), labels, label_smoothing=recipe.label_smoothing)
        loss.backward()

    return step


def batches_for(
    network: Callable[[torch.Tensor], torch.Tensor], examples: Examples, batch_size: int | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and labels in order, in the memory that holds a network; batches are of :data:`BATCH_SIZES`."""
    parameters = network.parameters() if isinstance(network, nn.Module) else ()
    device = next((parameter.device for parameter in parameters), torch.device("cpu"))
    return examples.to(device).batches(batch_size or BATCH_SIZES[device.type])


def recalibrate(network: nn.Module, examples: Examples, *, batch_size: int | None = None) -> nn.Module:
    """Set the statistics of batch normalization to their means over batches of examples; return the network.

    All other layers compute as in evaluation, so that nothing is dropped at random.

    References
    ----------
    Yu and Huang 2019, "Universally Slimmable Networks and Improved Training Techniques", section 3.3: statistics are
    computed anew for each sub-network after training.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    if not norms:
        return network
    with torch.no_grad():
        for x, _ in batches_for(network, examples, batch_size):
            network(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def fold(network: nn.Module) -> nn.Module:
    """Fold batch normalization into the convolution before it, where both stand in a sequence; return the network.

    The network has to be in evaluation mode, and computes the same in about two thirds of the time.
    """
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for (name, conv), (following, norm) in pairwise(list(sequence.named_children())):
            if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or not norm.track_running_stats:
                continue
            if isinstance(conv, nn.Conv1d | nn.Conv2d):
                setattr(sequence, name, fuse_conv_bn_eval(conv, norm))
                setattr(sequence, following, nn.Identity())
    return network


def standard_error(accuracy: float, n: int) -> float:
    """Return the standard error of an accuracy that was read on n examples drawn at random, both in percent.

    It is that of a share with one label more of either kind (Agresti and Coull 1998, "Approximate Is Better than Exact
    for Interval Estimation of Binomial Proportions"), so that it is not 0 where all are right.

    >>> round(standard_error(97.0, 1000), 2)
    0.55
    """
    share = (accuracy / 100.0 * n + 1) / (n + 2)
    return 100.0 * float(share * (1 - share) / (n + 2)) ** 0.5


def accuracy(
    network: Callable[[torch.Tensor], torch.Tensor], examples: Examples, *, batch_size: int | None = None
) -> float:
    """Return the percentage of labels that a network in evaluation mode names: of examples, or of their tokens."""
    with torch.inference_mode():
        correct = sum(
            int((network(x).argmax(-1) == labels).sum()) for x, labels in batches_for(network, examples, batch_size)
        )
    return 100.0 * correct / examples.labels.numel()
