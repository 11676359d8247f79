"""Accuracies of architectures that are each trained alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nagevo.measure.accuracy.images import ImageEvaluator, channels_last

if TYPE_CHECKING:
    from torch import nn


class TrainingEvaluator(ImageEvaluator):
    """Train each architecture from its own initial weights, all by the same recipe."""

    def network(self, choices: np.ndarray) -> nn.Module:
        import torch

        from nagevo.training.loop import cross_entropy_step, fit, recalibrate

        torch.set_num_threads(1)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = channels_last(self.space.network(choices))
        step = cross_entropy_step(network, self.recipe)
        shape = self.space.input_shape_of(choices)
        fit(network, step, self.images("train", shape), self.recipe, seed=self.seed)
        return recalibrate(network, self.calibration(shape))
