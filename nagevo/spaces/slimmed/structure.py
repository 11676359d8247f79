"""The parts of a network that can be removed: channels that shrink together, attention heads, residual blocks.

References
----------
Fang, Ma, Song, Mi, Wang 2023, "DepGraph: Towards Any Structural Pruning", section 3: layers whose channels depend on
each other are pruned together. The dependency graph is torch-pruning's; the slicing, and the check of each part against
the original network, are nagevo's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn
from torch_pruning.pruner.importance import GroupMagnitudeImportance

TOLERANCE = 1e-4
"""Largest difference, over the largest output, of a sliced network from the original with the same channels at zero."""

Axis = tuple[str, int]
"""A dimension of a parameter or buffer: its name in the network, and the number of the dimension."""

Cut = Mapping[Axis, np.ndarray]
"""Indices that are removed along each axis."""


@dataclass(frozen=True, eq=False)
class Part:
    """Channels, groups of channels or attention heads that are kept or removed as units.

    Attributes
    ----------
    name : str
        The layer whose outputs the channels are.
    size : int
        Number of units.
    units : mapping of Axis to ndarray of int
        For each index along an axis, the unit that it belongs to, or -1.
    order : ndarray of int, shape (size,)
        Units from the least to the most important.
    positions : int
        Positions (pixels, tokens) of the layer's output, by which stages are distinguished.
    """

    name: str
    size: int
    units: Mapping[Axis, np.ndarray]
    order: np.ndarray
    positions: int

    @property
    def layer(self) -> str:
        """Name of the module that the part belongs to."""
        return self.name.removesuffix(".num_heads")

    @property
    def is_attention(self) -> bool:
        """Whether the units are attention heads."""
        return self.layer != self.name

    @property
    def channels_per_unit(self) -> int:
        """Channels of the layer that make up one unit: more than one where a grouped convolution reads them."""
        return int((self.units[f"{self.layer}.weight".lstrip("."), 0] >= 0).sum()) // self.size

    def cut(self, kept: int) -> Cut:
        """Return the indices that are removed if only the given number of units, the most important ones, is kept."""
        removed = self.order[: self.size - kept]
        return {axis: np.flatnonzero(np.isin(units, removed)) for axis, units in self.units.items()}


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
        reference = _telling(network, inputs)
        outputs, traced = _traced(reference, inputs)
    except Exception as error:  # the user's own code
        raise ValueError(f"it does not run on inputs of shape {tuple(input_shape)}: {error}") from None
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != len(inputs):
        raise ValueError("expected one row of scores for each input")
    whole: list[str] = []
    parts = _checked(reference, inputs, list(_parts(deepcopy(network), inputs, traced, whole)), whole)
    blocks = tuple(_residual_blocks(reference, traced))
    return Structure(network, tuple(parts), blocks, tuple(whole), outputs.shape[1])


def slimmer(structure: Structure, cuts: Iterable[Cut], left_out: Collection[str] = ()) -> nn.Module:
    """Return a plain copy of the network without the cut indices and without some of its blocks."""
    network = deepcopy(structure.network)
    removed = union(cuts)
    for name in left_out:
        _replace(network, name, nn.Identity())
    parameters = dict(network.named_parameters())
    tensors = parameters | dict(network.named_buffers())
    kept = kept_indices(tensors, removed)
    for name in dict.fromkeys(name for name, _ in kept):
        module, _, attribute = name.rpartition(".")
        tensor = sliced(tensors[name].detach(), name, kept)
        if name in parameters:
            tensor = nn.Parameter(tensor, requires_grad=tensors[name].requires_grad)
        setattr(network.get_submodule(module), attribute, tensor)
    modules = dict(structure.network.named_modules())
    for name, module in network.named_modules():
        if name not in left_out:
            _set_widths(module, modules[name])
    return network


def union(cuts: Iterable[Cut]) -> dict[Axis, np.ndarray]:
    """Return all indices that any of the cuts takes away, by axis."""
    removed: dict[Axis, np.ndarray] = {}
    for cut in cuts:
        for axis, indices in cut.items():
            removed[axis] = np.union1d(removed[axis], indices) if axis in removed else indices
    return {axis: indices for axis, indices in removed.items() if len(indices)}


def kept_indices(tensors: Mapping[str, torch.Tensor], removed: Cut) -> dict[Axis, torch.Tensor]:
    """Return the indices that are kept along each axis from which some are removed."""
    return {
        (name, dim): torch.from_numpy(np.setdiff1d(np.arange(tensors[name].shape[dim]), indices))
        for (name, dim), indices in removed.items()
        if name in tensors
    }


def sliced(tensor: torch.Tensor, name: str, kept: Mapping[Axis, torch.Tensor]) -> torch.Tensor:
    """Return a tensor with only the kept indices along each of its dimensions; gradients flow back through it."""
    for dim in range(tensor.ndim):
        if (name, dim) in kept:
            tensor = tensor.index_select(dim, kept[name, dim])
    return tensor


def _telling(network: nn.Module, inputs: torch.Tensor) -> nn.Module:
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
    traces = [_traced(network, torch.zeros(1, *shape))[1] for shape in shapes]
    uses: dict[str, tuple[int, ...]] = {}
    found: list[Weight] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            uses[f"{name}.weight"] = tuple(_positions(trace, name, module.out_channels) for trace in traces)
        elif isinstance(module, nn.Linear):
            uses[f"{name}.weight"] = tuple(_positions(trace, name, module.out_features) for trace in traces)
        elif (attention := _attention(module)) is not None:
            axis, width = (f"{name}.proj.weight", 1), attention.proj.in_features
            tokens = [_positions(trace, f"{name}.qkv", 3 * width) for trace in traces]
            found.append(Weight(f"{name}.attention", (axis,), (width,), False, tuple(2 * n * n for n in tokens)))
    none = (0,) * len(shapes)
    for name, parameter in network.named_parameters():
        axes = tuple((name, dim) for dim in range(parameter.ndim))
        found.append(Weight(name, axes, tuple(parameter.shape), True, uses.get(name, none)))
    return found


def _positions(trace: _Trace, layer: str, channels: int) -> int:
    """Return the number of positions (pixels, tokens) of a layer's output for one input; 0 if it does not run."""
    output = trace.outputs.get(layer)
    return 0 if output is None else output[0].numel() // channels


@dataclass(frozen=True)
class _Trace:
    """Shapes and values seen in one forward pass, by name of the module."""

    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


def _traced(network: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, _Trace]:
    trace = _Trace({}, {})

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


def _parts(network: nn.Module, inputs: torch.Tensor, trace: _Trace, whole: list[str]) -> Iterator[Part]:
    """Yield every part that the dependency graph knows, and the heads of attention modules, not yet checked."""
    names = {module: name for name, module in network.named_modules()}
    found = {name: _attention(module) for name, module in network.named_modules()}
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
        whole.append(f"the channels of all layers: torch-pruning cannot trace the network ({_first_line(error)})")
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
    owner: dict[nn.Module, int] = {}
    parent = list(range(len(groups)))

    def find(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for number, group in enumerate(groups):
        for item in group:
            module = item.dep.target.module
            if isinstance(module, nn.Conv1d | nn.Conv2d) and 1 < module.groups < module.out_channels:
                parent[find(number)] = find(owner.setdefault(module, number))
    together: dict[int, list] = {}
    for number, group in enumerate(groups):
        together.setdefault(find(number), []).append(group)
    return list(together.values())


def _part(
    root: str,
    groups: Sequence[Any],
    graph: torch_pruning.DependencyGraph,
    names: Mapping[nn.Module, str],
    trace: _Trace,
) -> Part:
    """Return the part of one group of the dependency graph, or of several that a grouped convolution joins.

    Raises
    ------
    ValueError
        If a layer of it cannot be sliced.
    """
    channels = [len(group[0].idxs) for group in groups]
    grouped = {
        item.dep.target.module.groups
        for group in groups
        for item in group
        if isinstance(item.dep.target.module, nn.Conv1d | nn.Conv2d)
        and 1 < item.dep.target.module.groups < item.dep.target.module.out_channels
    }
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
    return Part(root, size, units, np.argsort(scores, kind="stable"), _positions(trace, root, channels[0]))


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


@dataclass(frozen=True)
class _Attention:
    """Self-attention with one projection to queries, keys and values."""

    qkv: nn.Linear
    proj: nn.Linear
    heads: int


def _attention(module: nn.Module) -> _Attention | None:
    """Return the layers of a module that is self-attention under timm's names, or None."""
    qkv, proj, heads = (getattr(module, name, None) for name in ("qkv", "proj", "num_heads"))
    if not isinstance(qkv, nn.Linear) or not isinstance(proj, nn.Linear) or not isinstance(heads, int) or heads < 2:
        return None
    width = proj.in_features
    return _Attention(qkv, proj, heads) if qkv.out_features == 3 * width and width % heads == 0 else None


def _is_output(graph: torch_pruning.DependencyGraph, item: Any) -> bool:
    """Return whether an item of a group takes channels from the outputs of its layer, not from its inputs."""
    return graph.is_out_channel_pruning_fn(item.dep.handler)


def _heads(name: str, module: _Attention, trace: _Trace) -> Part:
    width = module.proj.in_features
    unit = np.arange(width) // (width // module.heads)
    units: dict[Axis, np.ndarray] = {(f"{name}.qkv.weight", 0): np.tile(unit, 3), (f"{name}.proj.weight", 1): unit}
    if module.qkv.bias is not None:
        units[f"{name}.qkv.bias", 0] = np.tile(unit, 3)
    norms = module.proj.weight.detach().double().square().sum(0).numpy()
    norms = norms + module.qkv.weight.detach().double().square().sum(1).reshape(3, width).sum(0).numpy()
    order = np.argsort(np.bincount(unit, norms), kind="stable")
    return Part(f"{name}.num_heads", module.heads, units, order, _positions(trace, f"{name}.qkv", 3 * width))


def _checked(network: nn.Module, inputs: torch.Tensor, parts: Sequence[Part], whole: list[str]) -> list[Part]:
    """Return the parts whose removal, each with all others, leaves the network right."""
    structure = Structure(network, (), (), (), 0)
    accepted: list[Part] = []

    def take(candidates: Sequence[Part]) -> None:
        """Accept candidates that are right together with all accepted ones; where they are not, try their halves."""
        reason = _difference(structure, [part.cut(part.size // 2) for part in (*accepted, *candidates)], inputs)
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


def _difference(structure: Structure, cuts: Sequence[Cut], inputs: torch.Tensor) -> str | None:
    """Return why a sliced network is wrong, or None where it equals the original with the same channels at zero."""
    zeroed = deepcopy(structure.network)
    tensors = dict(zeroed.named_parameters()) | dict(zeroed.named_buffers())
    try:
        with torch.no_grad():
            for (name, dim), indices in union(cuts).items():
                tensors[name].index_fill_(dim, torch.from_numpy(indices), 0.0)
            expected, got = zeroed(inputs), slimmer(structure, cuts)(inputs)
    except Exception as error:  # reshapes with fixed sizes, traces that torch-pruning took wrongly, and the like
        return f"without some of them the network does not run ({_first_line(error)})"
    if got.shape != expected.shape:
        return "they are the network's outputs"
    if not bool(((got - expected).abs() <= TOLERANCE * expected.abs().max()).all()):
        return "without some of them the others change, as after a normalization over channels"
    return None


def _residual_blocks(network: nn.Module, trace: _Trace) -> Iterator[str]:
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


def _set_widths(module: Any, original: Any) -> None:
    """Set the attributes of a layer, or of an attention module, that say how wide it is, from its sliced weights."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        if module.groups > 1:
            module.groups = module.weight.shape[0] * original.groups // original.out_channels
        module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.modules.batchnorm._NormBase) and module.weight is not None:
        module.num_features = len(module.weight)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif (attention := _attention(original)) is not None:
        width = module.proj.weight.shape[1]
        module.num_heads = attention.heads * width // attention.proj.in_features
        if hasattr(module, "attn_dim"):
            module.attn_dim = width


def _replace(network: nn.Module, name: str, replacement: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, replacement)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
