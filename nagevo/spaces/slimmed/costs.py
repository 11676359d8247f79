"""Which tensors decide what a network costs, and how often each is used in an inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nagevo.spaces.slimmed.cutting import Axis, attention_of


@dataclass(frozen=True)
class Weight:
    """A tensor whose size decides what the network costs.

    Attributes
    ----------
    name : str
        Name of the tensor, or of the layer that it stands for.
    axes : tuple of Axis
        Its dimensions; those that parts shorten shorten it.
    sizes : tuple of int
        Its shape in the whole network.
    uses : tuple of int
        How often each of its elements is multiplied in one inference, at each of the resolutions.
    """

    name: str
    axes: tuple[Axis, ...]
    sizes: tuple[int, ...]
    is_parameter: bool
    uses: tuple[int, ...]


def weights(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> list[Weight]:
    """Return the tensors that make up the parameters and multiply–accumulates of a network.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Shape of an input at each resolution, without the batch.
    """
    traces = [forward_pass(network, torch.zeros(1, *shape))[1] for shape in shapes]
    uses: dict[str, tuple[int, ...]] = {}
    found: list[Weight] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            uses[f"{name}.weight"] = tuple(positions(trace, name, module.out_channels) for trace in traces)
        elif isinstance(module, nn.Linear):
            uses[f"{name}.weight"] = tuple(positions(trace, name, module.out_features) for trace in traces)
        elif (attention := attention_of(module)) is not None:
            axis, width = (f"{name}.proj.weight", 1), attention.proj.in_features
            tokens = [positions(trace, f"{name}.qkv", 3 * width) for trace in traces]
            found.append(Weight(f"{name}.attention", (axis,), (width,), False, tuple(2 * n * n for n in tokens)))
    none = (0,) * len(shapes)
    for name, parameter in network.named_parameters():
        axes = tuple((name, dim) for dim in range(parameter.ndim))
        found.append(Weight(name, axes, tuple(parameter.shape), True, uses.get(name, none)))
    return found


def positions(trace: ForwardPass, layer: str, channels: int) -> int:
    """Return the number of positions (pixels, tokens) of a layer's output for one input; 0 if it does not run."""
    output = trace.outputs.get(layer)
    return 0 if output is None else output[0].numel() // channels


@dataclass(frozen=True)
class ForwardPass:
    """Inputs and outputs of the modules of a network in one forward pass, by name of the module."""

    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


def forward_pass(network: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, ForwardPass]:
    """Return the output of a network, and what each of its modules got and returned."""
    trace = ForwardPass({}, {})

    def record(name: str) -> Callable[[nn.Module, tuple, object], None]:
        def hook(module: nn.Module, given: tuple, output: object) -> None:
            if len(given) == 1 and isinstance(given[0], torch.Tensor) and isinstance(output, torch.Tensor):
                trace.inputs[name], trace.outputs[name] = given[0].clone(), output.clone()

        return hook

    hooks = [module.register_forward_hook(record(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad():
            return network(inputs), trace
    finally:
        for hook in hooks:
            hook.remove()
