"""From a network in float32 to an ONNX model in int8, by static quantization in onnxruntime.

References
----------
Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
section 2: values are multiples of a scale, of activations the range is that seen on calibration examples. Here weights
have a scale for each filter, and 7 bits: on x86 processors without VNNI sums of two products of 8 bits would overflow,
so that the accuracy of a file would depend on where it runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nagevo.deploy.export import INPUT_NAME, onnx_for_timing, quiet
from nagevo.foundation.errors import optional_packages

if TYPE_CHECKING:
    from nagevo.training.examples import Examples

CALIBRATION_EXAMPLES, CALIBRATION_BATCH = 256, 32
"""Maximum number of examples from which ranges are taken, and number of examples that run at a time."""
RANDOM_EXAMPLES = 8
"""Number of random inputs for the ranges of networks without trained weights, of which only latencies matter."""


def quantized(network: nn.Module, input_shape: tuple[int, ...], inputs: np.ndarray | None = None) -> bytes:
    """Return a network as an ONNX model in int8 that takes any batch.

    It is in the form QDQ, which onnxruntime and converters for other runtimes read: operators of float32 between
    operators that quantize and dequantize. Inputs and outputs stay float32.

    Parameters
    ----------
    network : Module
        In float32; quantized in eval mode.
    input_shape : tuple of int
        Shape of an input without the batch.
    inputs : ndarray of float32, shape (n, ...), optional
        Inputs, a few hundred of those that it was trained on, whose values tell the range of every activation; random
        ones by default.
    """
    with optional_packages("networks in int8"):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

    if inputs is None:
        inputs = np.random.default_rng(0).standard_normal((RANDOM_EXAMPLES, *input_shape)).astype(np.float32)
    batches = np.array_split(inputs, -(-len(inputs) // CALIBRATION_BATCH))

    class Reader(CalibrationDataReader):
        """Hands out the inputs batch by batch."""

        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT_NAME: batch}

    with tempfile.TemporaryDirectory(prefix="nagevo-") as folder, quiet():
        given, prepared, result = (Path(folder) / name for name in ("given.onnx", "prepared.onnx", "result.onnx"))
        given.write_bytes(onnx_for_timing(network, input_shape, batch=None))
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            result,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return result.read_bytes()


def with_batch(model: bytes, batch: int | None, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a model of :func:`quantized` as one that takes this batch (None: any), with metadata."""
    import onnx

    loaded = onnx.load_from_string(model)
    for value in (*loaded.graph.input, *loaded.graph.output):
        size = value.type.tensor_type.shape.dim[0]
        size.ClearField("value")
        if batch is None:
            size.dim_param = "batch"
        else:
            size.dim_value = batch
    del loaded.graph.value_info[:]
    del loaded.metadata_props[:]
    for key, text in (metadata or {}).items():
        loaded.metadata_props.add(key=key, value=text)
    serialized: bytes = loaded.SerializeToString(deterministic=True)
    return serialized


def inputs_of(examples: Examples) -> np.ndarray:
    """Return inputs for :func:`quantized`: those of the first examples, as networks take them."""
    return torch.cat([inputs for inputs, _ in examples.first(CALIBRATION_EXAMPLES).batches(CALIBRATION_BATCH)]).numpy()


class Int8Network:
    """An ONNX model that is called like a torch network, and runs in onnxruntime on one thread."""

    def __init__(self, model: bytes | str | os.PathLike):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
        options.log_severity_level = 3  # errors only
        given = model if isinstance(model, bytes) else os.fspath(model)
        self._session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch."""
        (logits,) = self._session.run(None, {INPUT_NAME: np.ascontiguousarray(inputs.numpy())})
        return torch.from_numpy(logits)
