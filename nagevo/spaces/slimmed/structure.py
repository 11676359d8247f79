"""The parts of a network that can be removed: channels that shrink together, attention heads, residual blocks.

References
----------
Fang, Ma, Song, Mi, Wang 2023, "DepGraph: Towards Any Structural Pruning", section 3: layers whose channels depend on
each other are pruned together. The dependency graph is torch-pruning's; the slicing, and the check of each part against
the original network, are nagevo's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn
from torch_pruning.pruner.importance import GroupMagnitudeImportance

from nagevo.foundation.files import one_line
from nagevo.spaces.slimmed.costs import ForwardPass, forward_pass, positions
from nagevo.spaces.slimmed.cutting import Attention, Axis, Cut, Part, attention_of, slimmer, union

TOLERANCE = 1e-4
"""Largest difference, over the largest output, of a sliced network from the original with the same channels at zero."""


@dataclass(frozen=True, eq=False)
class Structure:
    """A network in evaluation mode and the parts of it that can be removed, each checked.

    Attributes
    ----------
    blocks : tuple of str
        Names of the residual blocks that can be left out, in the order in which they run.
    whole : tuple of str
        One sentence for each layer or block that is left as it is, with the reason.
    classes : int
        Outputs of the network.
    """

    network: nn.Module
    parts: tuple[Part, ...]
    blocks: tuple[str, ...]
    whole: tuple[str, ...]
    classes: int


def find_structure(network: nn.Module, input_shape: Sequence[int]) -> Structure:
    """Return the parts of a network that can be removed so that a correct network is left.

    A part is accepted if the network without half of it gives the same output as the original with the same
    channels set to zero; everything else is left whole.

    Parameters
    ----------
    network : Module
        Returns one row of scores for each input.
    input_shape : sequence of int
        Shape of an input without the batch.

    Raises
    ------
    ValueError
        If the network does not run on such inputs, or returns something else.
    """
    network = network.eval()
    inputs = torch.randn(4, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        reference = _randomized(network, inputs)
        outputs, traced = forward_pass(reference, inputs)
    except Exception as error:  # the user's own code
        raise ValueError(f"it does not run on inputs of shape {tuple(input_shape)}: {error}") from None
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != len(inputs):
        raise ValueError("expected one row of scores for each input")
    whole: list[str] = []
    parts = _checked(reference, inputs, list(_parts(deepcopy(network), inputs, traced, whole)), whole)
    blocks = tuple(_residual_blocks(reference, traced))
    return Structure(network, tuple(parts), blocks, tuple(whole), outputs.shape[1])


def _randomized(network: nn.Module, inputs: torch.Tensor) -> nn.Module:
    """Return a copy whose parameters make a wrongly sliced network give different outputs.

    Parameters that are all equal, such as fresh factors and biases, get random values; batch normalization gets the
    statistics of these inputs, so that the signals of all layers have a size near one.
    """
    network = deepcopy(network)
    rng = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        values = parameter.detach()
        if values.is_floating_point() and values.numel() > 1 and values.max() == values.min():
            mean = 0.0 if parameter.ndim > 1 or values.max() == 0 else 1.0
            values.copy_(mean + 0.2 * torch.randn(values.shape, generator=rng))
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
        norm.train()
    with torch.no_grad():
        network(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def _parts(network: nn.Module, inputs: torch.Tensor, trace: ForwardPass, whole: list[str]) -> Iterator[Part]:
    """Yield every part that the dependency graph knows, and the heads of attention modules, not yet checked."""
    names = {module: name for name, module in network.named_modules()}
    found = {name: attention_of(module) for name, module in network.named_modules()}
    attention = {name: module for name, module in found.items() if module is not None}
    between_heads = {(module.qkv, True) for module in attention.values()}
    between_heads |= {(module.proj, False) for module in attention.values()}
    for name, module in attention.items():
        yield _heads(name, module, trace)
    try:
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            graph = torch_pruning.DependencyGraph().build_dependency(network, inputs, verbose=False)
            groups = list(graph.get_all_groups())
    except Exception as error:  # torch-pruning fails in many ways on what it does not know
        whole.append(f"the channels of all layers: torch-pruning cannot trace the network ({one_line(error)[:120]})")
        return
    order = {name: number for number, name in enumerate(names.values())}
    joined = _joined_by_grouped_convolutions(groups)
    for members in joined:
        members.sort(key=lambda group: order[names[group[0].dep.target.module]])
        root = names[members[0][0].dep.target.module]
        sides = {(item.dep.target.module, _is_output(graph, item)) for group in members for item in group}
        if sides & between_heads:  # these channels go by heads
            continue
        try:
            yield _part(root, members, graph, names, trace)
        except ValueError as error:
            whole.append(f"the channels of {root}: {error}")
        except IndexError:
            whole.append(f"the channels of {root}: torch-pruning follows them to layers that have fewer")


def _joined_by_grouped_convolutions(groups: Sequence[Any]) -> list[list[Any]]:
    """Return the groups, those together whose channels meet in one grouped convolution: its groups go as a whole."""
    joined: list[tuple[set[nn.Conv1d | nn.Conv2d], list[Any]]] = []
    for group in groups:
        convolutions, members, apart = _grouped_convolutions(group), [group], []
        for others, their_members in joined:
            if others & convolutions:
                convolutions, members = convolutions | others, their_members + members
            else:
                apart.append((others, their_members))
        joined = [*apart, (convolutions, members)]
    return [members for _, members in joined]


def _grouped_convolutions(group: Any) -> set[nn.Conv1d | nn.Conv2d]:
    """Return the grouped convolutions, other than depthwise ones, that a group of the dependency graph reaches."""
    modules = {item.dep.target.module for item in group}
    convolutions = {module for module in modules if isinstance(module, nn.Conv1d | nn.Conv2d)}
    return {module for module in convolutions if 1 < module.groups < module.out_channels}


def _part(
    root: str,
    groups: Sequence[Any],
    graph: torch_pruning.DependencyGraph,
    names: Mapping[nn.Module, str],
    trace: ForwardPass,
) -> Part:
    """Return the part of one group of the dependency graph, or of several that a grouped convolution joins.

    Raises
    ------
    ValueError
        If a layer of it cannot be sliced.
    """
    channels = [len(group[0].idxs) for group in groups]
    grouped = {module.groups for group in groups for module in _grouped_convolutions(group)}
    if len(grouped) > 1:
        raise ValueError(f"grouped convolutions with {' and '.join(map(str, sorted(grouped)))} groups meet there")
    size = grouped.pop() if grouped else channels[0]
    units: dict[Axis, np.ndarray] = {}
    scores = np.zeros(size)
    for group, n_channels in zip(groups, channels, strict=True):
        if n_channels % size:
            raise ValueError(f"{n_channels} channels cannot be split into {size} equal groups")
        unit_of = np.arange(n_channels) // (n_channels // size)
        np.add.at(scores, unit_of, _importance(group))
        for item in group:
            module = item.dep.target.module
            if module not in names:
                if isinstance(module, nn.Parameter):
                    raise ValueError("a parameter outside of all known layers depends on them")
                continue
            for tensor, dim, length in _axes(module, _is_output(graph, item)):
                axis = (f"{names[module]}.{tensor}".lstrip("."), dim)
                of_axis = units.setdefault(axis, np.full(length, -1))
                indices, roots = np.asarray(item.idxs), np.asarray(item.root_idxs)
                of_axis[indices] = unit_of[roots]
    return Part(root, size, units, np.argsort(scores, kind="stable"), positions(trace, root, channels[0]))


def _axes(module: nn.Module, is_output: bool) -> Iterator[tuple[str, int, int]]:
    """Yield name, dimension and length of every tensor axis of a layer that follows its outputs or its inputs.

    Raises
    ------
    ValueError
        If the layer is of a kind that is not sliced.
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        depthwise = module.groups == module.in_channels == module.out_channels and module.groups > 1
        if is_output or depthwise:
            yield "weight", 0, module.out_channels
            if module.bias is not None:
                yield "bias", 0, module.out_channels
        elif module.groups == 1:
            yield "weight", 1, module.in_channels
    elif isinstance(module, nn.Linear):
        yield "weight", 0 if is_output else 1, module.out_features if is_output else module.in_features
        if is_output and module.bias is not None:
            yield "bias", 0, module.out_features
    elif isinstance(module, nn.modules.batchnorm._NormBase):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if getattr(module, name) is not None:
                yield name, 0, module.num_features
    elif isinstance(module, nn.PReLU):
        if module.num_parameters > 1:
            yield "weight", 0, module.num_parameters
    elif any(True for _ in module.parameters(recurse=False)):
        raise ValueError(f"a layer {type(module).__name__} depends on them")


def _importance(group: Any) -> np.ndarray:
    """Return the norm of the weights that belong to each channel of a group, summed over its layers."""
    scores = GroupMagnitudeImportance(p=2, normalizer=None)(group)
    if scores is None:
        raise ValueError("they have no weights of their own")
    return scores.detach().double().numpy()


def _is_output(graph: torch_pruning.DependencyGraph, item: Any) -> bool:
    """Return whether an item of a group takes channels from the outputs of its layer, not from its inputs."""
    return graph.is_out_channel_pruning_fn(item.dep.handler)


def _heads(name: str, module: Attention, trace: ForwardPass) -> Part:
    width = module.proj.in_features
    unit = np.arange(width) // (width // module.heads)
    units: dict[Axis, np.ndarray] = {(f"{name}.qkv.weight", 0): np.tile(unit, 3), (f"{name}.proj.weight", 1): unit}
    if module.qkv.bias is not None:
        units[f"{name}.qkv.bias", 0] = np.tile(unit, 3)
    norms = module.proj.weight.detach().double().square().sum(0).numpy()
    norms = norms + module.qkv.weight.detach().double().square().sum(1).reshape(3, width).sum(0).numpy()
    order = np.argsort(np.bincount(unit, norms), kind="stable")
    return Part(f"{name}.num_heads", module.heads, units, order, positions(trace, f"{name}.qkv", 3 * width))


def _checked(network: nn.Module, inputs: torch.Tensor, parts: Sequence[Part], whole: list[str]) -> list[Part]:
    """Return the parts whose removal, each with all others, leaves the network right."""
    accepted: list[Part] = []

    def take(candidates: Sequence[Part]) -> None:
        """Accept candidates that are right together with all accepted ones; where they are not, try their halves."""
        reason = _difference(network, [part.cut(part.size // 2) for part in (*accepted, *candidates)], inputs)
        if reason is None:
            accepted.extend(candidates)
        elif len(candidates) == 1:
            whole.append(f"the channels of {candidates[0].name}: {reason}")
        else:
            middle = len(candidates) // 2
            take(candidates[:middle])
            take(candidates[middle:])

    place = {name: number for number, (name, _) in enumerate(network.named_modules())}
    take(sorted((part for part in parts if part.size > 1), key=lambda part: place[part.layer]))
    return accepted


def _difference(network: nn.Module, cuts: Sequence[Cut], inputs: torch.Tensor) -> str | None:
    """Return why a sliced network is wrong, or None where it equals the original with the same channels at zero."""
    zeroed = deepcopy(network)
    tensors = dict(zeroed.named_parameters()) | dict(zeroed.named_buffers())
    try:
        with torch.no_grad():
            for (name, dim), indices in union(cuts).items():
                tensors[name].index_fill_(dim, torch.from_numpy(indices), 0.0)
            expected, got = zeroed(inputs), slimmer(network, cuts)(inputs)
    except Exception as error:  # reshapes with fixed sizes, traces that torch-pruning took wrongly, and the like
        return f"without some of them the network does not run ({one_line(error)[:120]})"
    if got.shape != expected.shape:
        return "they are the network's outputs"
    if not bool(((got - expected).abs() <= TOLERANCE * expected.abs().max()).all()):
        return "without some of them the others change, as after a normalization over channels"
    return None


def _residual_blocks(network: nn.Module, trace: ForwardPass) -> Iterator[str]:
    """Yield the names of the innermost modules that pass their input on unchanged where all their weights are zero."""
    found: list[str] = []
    candidates = [
        (name, module)
        for name, module in network.named_modules()
        if name in trace.inputs
        and trace.inputs[name].shape == trace.outputs[name].shape
        and sum(isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear) for layer in module.modules()) >= 1
        and any(True for _ in module.children())
    ]
    for name, module in sorted(candidates, key=lambda item: -item[0].count(".")):
        if any(inner.startswith(f"{name}.") for inner in found):
            continue
        empty = deepcopy(module)
        with torch.no_grad():
            for parameter in empty.parameters():
                parameter.zero_()
            try:
                output = empty(trace.inputs[name])
            except Exception:  # a module that keeps state of its own
                continue
        given = trace.inputs[name]
        if bool(((output - given).abs() <= TOLERANCE * given.abs().max()).all()):
            found.append(name)
    order = [name for name, _ in network.named_modules()]
    yield from sorted(found, key=order.index)
