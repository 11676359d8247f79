"""Memory that an ONNX model needs: see :mod:`nagevo.spaces.memory`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from nagevo.foundation.errors import optional_packages
from nagevo.spaces.memory import PEAK, WEIGHTS, Lifetimes

log = logging.getLogger(__name__)

VIEWS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Dropout")
"""Operators that copy nothing; quantizing is a part of the operators around it."""
IN_PLACE = (
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "Mish", "Softplus", "Clip", "Sigmoid", "Tanh", "Erf"),
    *("HardSigmoid", "HardSwish", "Add", "Sub", "Mul", "Div", "Neg", "Exp", "Sqrt", "BatchNormalization", "Softmax"),
)
"""Operators that can write over what they read, where it has the same size."""


def memory_of_file(path: str | os.PathLike) -> dict[str, float]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of an ONNX file for a batch of one; see :func:`memory_of_model`."""
    with optional_packages("the memory of an ONNX file"):
        import onnx
    return memory_of_model(onnx.load(path, load_external_data=False), os.fspath(path))


def memory_of_model(model: Any, name: str = "an ONNX model") -> dict[str, float]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of an ONNX model for a batch of one.

    The peak is left out, with a warning about the model called ``name``, where the size of a value is not known: what
    is computed by operators that are not of ONNX itself, or depends on other values.
    """
    weights = {WEIGHTS: sum(_bytes_of_tensors(model)) / 1000}
    try:
        return {PEAK: _peak(model) / 1000, **weights}
    except _UnknownSize as error:
        log.warning("%s: %s is not known, since the size of %s is left open", name, PEAK, error)
        return weights


class _UnknownSize(Exception):
    """The size of a value, which it names, is not known."""


def _peak(model: Any) -> int:
    """Return the most bytes of values that are alive at a time."""
    graph, sizes = model.graph, _sizes(model)
    constant = {tensor.name for tensor in graph.initializer} | {""}
    outputs = {value.name for value in graph.output}
    quantized = _quantized(graph)
    lifetimes, places = Lifetimes(1), dict[str, np.ndarray]()
    for value in graph.input:
        if value.name not in constant:
            places[value.name] = lifetimes.made(_size(sizes, value.name)[0], [])
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
                number, of_number = _size(sizes, name)
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


def _size(sizes: dict[str, tuple[int, int]], name: str) -> tuple[int, int]:
    if name not in sizes:
        raise _UnknownSize(name)
    return sizes[name]


def _sizes(model: Any) -> dict[str, tuple[int, int]]:
    """Return the bytes of each value for a batch of one, and those of one of its numbers, by name, where known."""
    from onnx import helper, shape_inference

    try:
        inferred = shape_inference.infer_shapes(model).graph
    except shape_inference.InferenceError:  # declared sizes contradict one another, or operators are of no known set
        inferred = model.graph
    sizes = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        dims = [dim.dim_value for dim in kind.shape.dim]
        if kind.HasField("shape") and kind.elem_type and all(dims[1:]):
            of_number = helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
            sizes[value.name] = (prod(dims[1:]) * max(dims[0], 1) if dims else 1) * of_number, of_number
    return sizes


def _bytes_of_tensors(model: Any) -> Iterator[int]:
    """Yield the bytes of each tensor of more than one number, shapes left out."""
    from onnx import TensorProto, helper

    for tensor in model.graph.initializer:
        if prod(tensor.dims) > 1 and tensor.data_type != TensorProto.INT64:
            yield prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
