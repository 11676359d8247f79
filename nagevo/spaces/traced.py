"""Memory that any torch network needs, read from the operations of one run: see :mod:`nagevo.spaces.memory`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nagevo.spaces.memory import Memory, filters

CONVOLUTION, PRODUCTS = "convolution", ("addmm", "mm", "linear")
NORMALIZATIONS = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
VIEWS = (
    *("view", "_unsafe_view", "reshape", "expand", "squeeze", "unsqueeze", "flatten", "alias", "detach", "clone"),
    *("_to_copy", "dropout", "contiguous", "lift_fresh"),
)
"""Operations that make no value in an ONNX graph, or one that takes no memory of its own."""
IN_PLACE = (
    *("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "hardtanh", "clamp", "sigmoid", "tanh", "erf"),
    *("hardsigmoid", "hardswish", "add", "sub", "mul", "div", "neg", "exp", "sqrt", "_softmax", *NORMALIZATIONS),
)
"""Operations that can write over what they read, where it has the same size."""


@dataclass(frozen=True)
class Operation:
    """One operation of a run.

    Attributes
    ----------
    name : str
        Name in torch, without the underscore of operations that change what they read.
    reads : tuple of int
        Places of the values that it reads: first those of the inputs of the network, then of what operations return.
    numbers : int or ndarray of int, shape (n,)
        How many numbers it returns: in all architectures, or in each.
    shapes : tuple of tuple of int or ndarray of int, shape (n,)
        Shapes of the weights that it reads and that no operation before it reads.
    arguments : str
        Its other arguments.
    module : str
        Path of the innermost module in which it runs.
    """

    name: str
    reads: tuple[int, ...]
    numbers: Any
    shapes: tuple[tuple[Any, ...], ...]
    arguments: str
    module: str


@dataclass(frozen=True)
class Trace:
    """The operations of a run, in order, and the places of the values that the network returned.

    Attributes
    ----------
    inputs : tuple of (int, bool)
        For each input how many numbers it has, and whether these are tokens.
    """

    inputs: tuple[tuple[int, bool], ...]
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]

    def numbers(self, place: int) -> Any:
        """Return how many numbers a value has."""
        n = len(self.inputs)
        return self.inputs[place][0] if place < n else self.operations[place - n].numbers

    def reduced(self, variants: Sequence[tuple[Sequence[Trace], np.ndarray]], scaled: Trace) -> Trace:
        """Return this trace in the sizes of many architectures, each of which is smaller in several ways.

        Reductions of an axis by single choices are additive.

        Parameters
        ----------
        variants : sequence of (sequence of Trace, ndarray of int, shape (n,))
            For each choice the traces of the largest architecture with each option of this choice, and the option that
            each architecture has.
        scaled : Trace
            The largest architecture on the inputs of these architectures.

        Raises
        ------
        ValueError
            If a trace has other operations.
        """
        for traces, _ in variants:
            for other in traces:
                if [each.name for each in other.operations] != [each.name for each in self.operations]:
                    raise ValueError("its operations depend on the choice")

        def smaller(full: int, of: Callable[[Operation], int], number: int) -> Any:
            lost = [
                np.array([full - of(other.operations[number]) for other in traces])[options]
                for traces, options in variants
                if any(of(other.operations[number]) != full for other in traces)
            ]
            return full - sum(lost) if lost else full

        operations = []
        for number, (operation, at) in enumerate(zip(self.operations, scaled.operations, strict=True)):
            numbers = smaller(operation.numbers, lambda other: other.numbers, number)
            shapes = tuple(
                tuple(smaller(length, partial(_length, i, axis), number) for axis, length in enumerate(shape))
                for i, shape in enumerate(operation.shapes)
            )
            numbers = numbers * at.numbers // operation.numbers
            operations.append(replace(operation, numbers=numbers, shapes=shapes))
        return replace(scaled, operations=tuple(operations))


def _length(weight: int, axis: int, operation: Operation) -> Any:
    return operation.shapes[weight][axis]


def memory_of(network: nn.Module, input_shape: tuple[int, ...], precision: str = "fp32") -> dict[str, float]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of a network for a batch of one."""
    memory = Memory(1, precision)
    replay(memory, trace(network, input_shape))
    return {name: float(values[0]) for name, values in memory.costs().items()}


def replay(
    memory: Memory, traced: Trace, present: Callable[[Operation], bool | np.ndarray] = lambda operation: True
) -> None:
    """Add the operations of a trace to the memory of architectures.

    Parameters
    ----------
    memory : Memory
    traced : Trace
    present : callable
        Tells in which architectures an operation is there, bool or of shape (n,); elsewhere it passes on what it reads.
    """
    operations, n = traced.operations, len(traced.inputs)
    readers = Counter(place for operation in operations for place in operation.reads) + Counter(traced.outputs)
    folded = {  # normalizations become a part of a convolution that they alone read
        place - n
        for place in (operation.reads[0] for operation in operations if operation.name in NORMALIZATIONS)
        if place >= n and operations[place - n].name == CONVOLUTION and readers[place] == 1
    }
    values = [memory.input(numbers, tokens=tokens) for numbers, tokens in traced.inputs]
    for number, operation in enumerate(operations):
        read = [values[place] for place in operation.reads]
        folds = operation.name in NORMALIZATIONS and operation.reads[0] - n in folded
        if operation.name in VIEWS or folds or (operation.name == "cat" and len(read) == 1):
            values.append(read[0])
            continue
        tensors = _tensors(operation, bias=number in folded)
        values.append(
            memory.add(
                read,
                operation.numbers,
                present=present(operation),
                in_place=operation.name in IN_PLACE,
                same="" if tensors else f"{operation.name} {operation.arguments}",
                **tensors,
            )
        )
    for place in traced.outputs:
        memory.output(values[place], traced.numbers(place))


def _tensors(operation: Operation, *, bias: bool) -> dict[str, Any]:
    """Return what an operation holds, as :meth:`Memory.add` takes it; ``bias``: it gets one from a normalization."""
    shapes = operation.shapes
    if operation.name == CONVOLUTION and shapes:
        outputs, inputs, *kernel = shapes[0]
        return filters(inputs, outputs, prod(kernel), bias=bias or len(shapes) > 1)
    if operation.name in PRODUCTS and shapes and len(shapes[-1]) == 2:
        return filters(*shapes[-1], bias=len(shapes) > 1)
    if operation.name in NORMALIZATIONS:
        return {"weights": shapes[0][0], "others": 12 * shapes[0][0]}
    several = [prod(shape) for shape in shapes if np.max(prod(shape)) > 1]
    return {"weights": sum(several)} if several else {}


def inputs_for(
    network: nn.Module, input_shape: tuple[int, ...], batch: int, *, rng: torch.Generator | None = None
) -> tuple[torch.Tensor, ...]:
    """Return what a network takes in one inference on a device: zeros, or random values of a generator.

    Inputs are float32 of the given shape, or int64 where the network has a ``vocabulary`` of tokens. A network with a
    ``state_shape`` takes one token and its state, whatever the length of the sequences that it is trained on.
    """

    def numbers(*shape: int) -> torch.Tensor:
        return torch.zeros(batch, *shape) if rng is None else torch.randn(batch, *shape, generator=rng)

    vocabulary: int | None = getattr(network, "vocabulary", None)
    state_shape: tuple[int, ...] | None = getattr(network, "state_shape", None)
    shape = input_shape if state_shape is None else (1,)
    if vocabulary is None:
        inputs = numbers(*shape)
    elif rng is None:
        inputs = torch.zeros(batch, *shape, dtype=torch.int64)
    else:
        inputs = torch.randint(vocabulary, (batch, *shape), generator=rng)
    return (inputs,) if state_shape is None else (inputs, numbers(*state_shape))


def trace(network: nn.Module, input_shape: tuple[int, ...]) -> Trace:
    """Return the operations of a network in evaluation mode on inputs of zeros, of the shape without the batch."""
    inputs = inputs_for(network, input_shape, 1)
    recorder = _Recorder(inputs)
    with _entered(network.eval(), recorder.path), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), recorder:
        returned = tree_leaves(network(*inputs))
    outputs = tuple(recorder.places[id(each)] for each in returned if id(each) in recorder.places)
    sizes = tuple((each.numel(), each.dtype == torch.int64) for each in inputs)
    return Trace(sizes, tuple(recorder.operations), outputs)


@contextmanager
def _entered(network: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep the names of the modules that run in a list, the innermost one last."""

    def left(*_: Any) -> None:
        path.pop()

    handles: list[Any] = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: path.append(name)))
        handles.append(module.register_forward_hook(left))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Recorder(TorchDispatchMode):
    """Records the operations that depend on the inputs of a network."""

    def __init__(self, inputs: Sequence[torch.Tensor]):
        super().__init__()
        self.path: list[str] = [""]
        self.operations: list[Operation] = []
        self.places = {id(each): place for place, each in enumerate(inputs)}
        self._held: list[Any] = [*inputs]  # as long as they are, no other tensor has their id
        self._weights: set[tuple] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs or {}))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        reads = tuple(self.places[id(tensor)] for tensor in tensors if id(tensor) in self.places)
        if reads:
            weights = {
                (tensor.untyped_storage().data_ptr(), tensor.shape, tensor.stride()): tensor
                for tensor in tensors
                if id(tensor) not in self.places
            }
            shapes = tuple(tuple(tensor.shape) for key, tensor in weights.items() if key not in self._weights)
            self._weights |= set(weights)
            others = repr([*weights, *(leaf for leaf in leaves if not isinstance(leaf, torch.Tensor))])
            name = func._schema.name.rpartition("::")[2].removesuffix("_")
            made = result if isinstance(result, list) else tree_leaves(result)[:1]
            for number, tensor in enumerate(made):
                self.operations.append(
                    Operation(name, reads, tensor.numel(), shapes, f"{others} {number}", self.path[-1])
                )
                self.places[id(tensor)] = len(self._held)
                self._held.append(tensor)
        return result
