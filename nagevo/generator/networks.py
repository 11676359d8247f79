"""The networks of an experiment: with trained weights where the bundle holds any, and trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nagevo.foundation.errors import ConfigError
from nagevo.generator.bundle import WEIGHTS, Bundle

if TYPE_CHECKING:
    import torch

    from nagevo.measure.accuracy import Evaluator
    from nagevo.measure.accuracy.training import TrainingEvaluator
    from nagevo.spaces.base import SearchSpace


class Networks:
    """The space, the evaluator and the networks of the experiment that a generator is from; made when they are used.

    Parameters
    ----------
    description : mapping
        The experiment: see :class:`Generator`.
    bundle : Bundle or None
        Has trained weights where the experiment has any.
    """

    def __init__(self, description: Mapping[str, Any], bundle: Bundle | None):
        self.description, self.bundle = description, bundle
        self.seed: int = description["seed"]

    @cached_property
    def space(self) -> SearchSpace:
        """The search space."""
        from nagevo.spaces import SPACES

        with nullcontext() if self.bundle is None else self.bundle.reading("its space"):
            return SPACES.restore(**self.description["space"])

    def condition(self, device: str) -> Mapping[str, Any] | None:
        """Return what is known of the condition in which a device was timed, as in ``conditions.json``."""
        return self.description.get("conditions", {}).get(device)

    @cached_property
    def evaluator(self) -> Evaluator | None:
        """The evaluator with its trained weights, where the bundle has any."""
        if self.bundle is None or WEIGHTS not in self.bundle:
            return None
        from nagevo.measure.accuracy import EVALUATORS

        options = dict(self.description["accuracy"])
        evaluator = EVALUATORS.create(options.pop("evaluator"), self.space, seed=self.seed, **options)
        evaluator.load(self.bundle.path(WEIGHTS))
        return evaluator

    def trained(self, architecture: str) -> torch.nn.Module | None:
        """Return the network of an architecture with the experiment's weights, None where it has none of it."""
        choices = self.space.from_text([architecture])[0]
        network = None if self.evaluator is None else self.evaluator.network(choices)
        return None if network is None else network.eval()

    def network(self, architecture: str, *, untrained: bool) -> torch.nn.Module:
        """Return the network of an architecture; see :meth:`nagevo.generator.answer.Answer.network`."""
        import torch

        network = self.trained(architecture)
        if network is not None:
            return network
        if not untrained:
            raise ConfigError(
                f"experiment {self.description['experiment']} has no trained weights of the answer: train it with "
                "`nagevo finetune --from-scratch`; `nagevo generate` and `nagevo export` can take random weights "
                "(--untrained)"
            )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.space.network(self.space.from_text([architecture])[0]).eval()

    def quantized(self, architecture: str, network: torch.nn.Module) -> bytes | None:
        """Return the ONNX model of a network in int8, if the architecture is in int8.

        Its ranges are those on training examples where there are trained weights, else on random inputs.
        """
        choices = self.space.from_text([architecture])
        if self.space.precisions_of(choices)[0] != "int8":
            return None
        from nagevo.deploy.quantization import quantized
        from nagevo.measure.accuracy.dataset import DatasetEvaluator

        shape, evaluator = self.space.input_shape_of(choices[0]), self.evaluator
        if isinstance(evaluator, DatasetEvaluator):
            return evaluator.quantized(network, shape)
        return quantized(network, shape)

    def trainer(self, dataset: Mapping[str, object] | None = None) -> TrainingEvaluator:
        """Return what trains networks from scratch, by the experiment's recipe where it has one.

        Parameters
        ----------
        dataset : mapping, optional
            Name and options; the experiment's by default.

        Raises
        ------
        ConfigError
            If neither has a dataset.
        """
        from nagevo.measure.accuracy import EVALUATORS

        options = self.description["accuracy"]
        dataset = options.get("dataset") if dataset is None else dataset
        if dataset is None:
            raise ConfigError(
                f"experiment {self.description['experiment']} has no dataset to train on: name one with --dataset"
            )
        recipe = {key: options[key] for key in ("training", "calibration_examples") if key in options}
        return EVALUATORS.create("training", self.space, seed=self.seed, dataset=dataset, **recipe)
