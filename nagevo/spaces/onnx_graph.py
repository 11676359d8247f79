"""Memory that an ONNX model needs: see :mod:`nagevo.spaces.memory`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from nagevo.foundation.errors import ConfigError, optional_packages
from nagevo.spaces.memory import PEAK, WEIGHTS, Lifetimes

VIEWS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Dropout")
"""Operators that copy nothing; quantizing is a part of the operators around it."""
IN_PLACE = (
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "Mish", "Softplus", "Clip", "Sigmoid", "Tanh", "Erf"),
    *("HardSigmoid", "HardSwish", "Add", "Sub", "Mul", "Div", "Neg", "Exp", "Sqrt", "BatchNormalization", "Softmax"),
)
"""Operators that can write over what they read, where it has the same size."""


def memory_of_file(path: str | os.PathLike) -> dict[str, float]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of an ONNX file for a batch of one."""
    with optional_packages("the memory of an ONNX file"):
        import onnx
    return memory_of_model(onnx.load(path))


def memory_of_model(model: Any) -> dict[str, float]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of an ONNX model for a batch of one.

    Raises
    ------
    ConfigError
        If the sizes of its values are not known.
    """
    return {PEAK: _peak(model) / 1000, WEIGHTS: sum(_bytes_of_tensors(model)) / 1000}


def _peak(model: Any) -> int:
    """Return the most bytes of values that are alive at a time."""
    graph, sizes = model.graph, _sizes(model)
    constant = {tensor.name for tensor in graph.initializer} | {""}
    outputs = {value.name for value in graph.output}
    quantized = _quantized(graph)
    lifetimes, places = Lifetimes(1), dict[str, np.ndarray]()
    for value in graph.input:
        if value.name not in constant:
            places[value.name] = lifetimes.made(sizes[value.name][0], [])
    for node in graph.node:
        if all(name in constant for name in node.input):
            constant.update(node.output)
            continue
        read = [places[name] for name in node.input if name not in constant]
        is_view = node.op_type in VIEWS or (node.op_type == "Concat" and len(node.input) == 1)
        crosses = node.op_type == "QuantizeLinear" and node.input[0] not in quantized
        crosses |= node.op_type == "DequantizeLinear" and node.output[0] in outputs
        for name in node.output:
            if is_view and not crosses:
                places[name] = read[0]
            elif name:
                number, of_number = sizes[name]
                size = number // of_number if name in quantized else number
                places[name] = lifetimes.made(size, read, in_place=read if node.op_type in IN_PLACE else ())
    for name in outputs & set(places):
        lifetimes.kept(places[name])
    return int(lifetimes.peak()[0])


def _quantized(graph: Any) -> set[str]:
    """Return the names of values that operations return quantized: all that read them quantize them."""
    readers: dict[str, set[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    ends = {value.name for value in (*graph.input, *graph.output)}
    return {name for name, found in readers.items() if found == {"QuantizeLinear"}} - ends


def _sizes(model: Any) -> dict[str, tuple[int, int]]:
    """Return the bytes of each value for a batch of one, and those of one of its numbers, by name."""
    from onnx import helper, shape_inference

    inferred = shape_inference.infer_shapes(model).graph
    sizes = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        dims = [dim.dim_value for dim in kind.shape.dim]
        if not all(dims[1:]):
            raise ConfigError(f"the size of {value.name} is left open: the memory of the model cannot be computed")
        of_number = helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
        sizes[value.name] = (prod(dims[1:]) * max(dims[0], 1) if dims else 1) * of_number, of_number
    return sizes


def _bytes_of_tensors(model: Any) -> Iterator[int]:
    """Yield the bytes of each tensor of more than one number, shapes left out."""
    from onnx import TensorProto, helper

    for tensor in model.graph.initializer:
        if prod(tensor.dims) > 1 and tensor.data_type != TensorProto.INT64:
            yield prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
