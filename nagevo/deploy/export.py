"""From a torch network to files that other programs run: ONNX and OpenVINO."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nagevo.foundation.errors import ExportError, check_installed, optional_packages
from nagevo.foundation.writing import replacing
from nagevo.spaces.traced import inputs_for
from nagevo.training.loop import accuracy

if TYPE_CHECKING:
    import onnx_ir

    from nagevo.training.examples import Examples

TOLERANCE = 1e-3
"""Largest difference of an exported network's output from torch's, as a share of the largest output."""
INPUT_NAME, OUTPUT_NAME = "inputs", "logits"
ANY_BATCH = 2
"""Batch with which networks are traced that take any: of 1, exporters would conclude that it is always 1."""
STATE_NAME, NEXT_STATE_NAME = "state", "next_state"
"""Names of the further input and output of networks with a ``state_shape``, which run token by token."""


def export_onnx(
    network: nn.Module,
    input_shape: tuple[int, ...],
    path: str | os.PathLike,
    *,
    batch: int | None = 1,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as one ONNX file, weights included, by torch's current exporter.

    Parameters
    ----------
    network : Module
        Exported in eval mode, so that batch normalization ends up in the convolutions.
    input_shape : tuple of int
        Shape of the input without the batch.
    path : str
        Replaced when the export has succeeded.
    batch : int or None
        The batch that the file takes; None for any.
    metadata : mapping of str to str
        Written into the file's ``metadata_props``.

    Raises
    ------
    MissingDependency
        If the package that torch's exporter needs is not installed.
    """
    check_installed("onnxscript")
    input_names, output_names = _names(network)
    with quiet("torch.onnx"):
        program: Any = torch.onnx.export(
            network.eval(),
            inputs_for(network, input_shape, batch or ANY_BATCH),
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in input_names) if batch is None else None,
            dynamo=True,
            verbose=False,
        )
    _forget_sources(program.model)
    program.model.metadata_props.update(metadata or {})
    with replacing(path) as temporary:
        program.save(temporary, external_data=False)


def _names(network: nn.Module) -> tuple[list[str], list[str]]:
    """Return the names of the inputs and of the outputs of an exported network."""
    if getattr(network, "state_shape", None) is None:
        return [INPUT_NAME], [OUTPUT_NAME]
    return [INPUT_NAME, STATE_NAME], [OUTPUT_NAME, NEXT_STATE_NAME]


def export_openvino(onnx: str | os.PathLike, path: str | os.PathLike) -> None:
    """Write what :func:`export_onnx` wrote as OpenVINO's pair of an XML file and, beside it, its weights in float32.

    Raises
    ------
    MissingDependency
        If OpenVINO is not installed.
    """
    openvino = _openvino()
    openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)


Run = Callable[..., Sequence[np.ndarray]]
"""From inputs, shape (1, …), to logits, shape (1, classes), or (1, length, vocabulary) for tokens. Networks with a
state take it as a second argument, and return the next one as a second array."""


def run_onnx(path: str | os.PathLike) -> Run:
    """Return how onnxruntime runs what :func:`export_onnx` wrote."""
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    names = [taken.name for taken in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))


def run_openvino(path: str | os.PathLike) -> Run:
    """Return how OpenVINO runs what :func:`export_openvino` wrote, in float32 on processors with bfloat16 too."""
    compiled = _openvino().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda *inputs: tuple(compiled(inputs).values())


def difference_from_torch(
    run: Run,
    network: nn.Module,
    input_shape: tuple[int, ...],
    name: str,
    *,
    batch: int = 1,
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference between an output of an exported network and torch's, for a random input.

    Parameters
    ----------
    run : callable
        Runs the exported network.
    input_shape : tuple of int
        Shape of the input without the batch.
    name : str
        Name of the exported file in errors.
    batch : int
        Number of examples in the random input.
    tolerance : float
        Largest difference, as a share of the largest output; infinite where outputs have only to be finite.

    Raises
    ------
    ExportError
        If an output is not finite, or differs by more than the tolerance times the largest output (or 1).
    """
    inputs = inputs_for(network, input_shape, batch, rng=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        outputs = network.eval()(*inputs)
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    largest = 0.0
    for expected, got in zip([each.numpy() for each in several], run(*[each.numpy() for each in inputs]), strict=True):
        if not np.isfinite(expected).all():
            raise ExportError(
                "the network's own outputs are not finite: its weights are damaged or diverged in training"
            )
        if got.shape != expected.shape:
            raise ExportError(f"{name} is not exported: its output has the shape {got.shape}, torch's {expected.shape}")
        difference = float(np.abs(got - expected).max())
        allowed = tolerance * max(1.0, float(np.abs(expected).max()))
        if not difference <= allowed:  # NaN too
            raise ExportError(
                f"{name} is not exported: an output differs from torch's by {difference:.3g}, more than {allowed:.1g}"
            )
        largest = max(largest, difference)
    return largest


def exported_accuracy(run: Run, network: nn.Module, examples: Examples) -> float:
    """Return the percentage of the labels that an exported network names: example by example, or token by token."""
    state_shape: tuple[int, ...] | None = getattr(network, "state_shape", None)

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        if state_shape is None:
            return torch.from_numpy(run(inputs.numpy())[0])
        state, outputs = np.zeros((1, *state_shape), dtype=np.float32), []
        for token in inputs.split(1, dim=1):
            output, state = run(token.numpy(), state)
            outputs.append(torch.from_numpy(output))
        return torch.cat(outputs, dim=1)

    return accuracy(logits, examples, batch_size=1)


def _openvino() -> ModuleType:
    with optional_packages("the format OpenVINO"):
        import openvino
    return openvino


def onnx_for_timing(network: nn.Module, input_shape: tuple[int, ...], *, batch: int | None = 1) -> bytes:
    """Return an ONNX model with the latency of what :func:`export_onnx` writes, exported in a tenth of the time.

    It comes from torch's earlier exporter, by TorchScript. On ten MobileNetV3 architectures at 28 × 28 pixels,
    onnxruntime optimized both models to the same operators (but for the name of the reshape before the classifier), and
    the median difference of their latencies was 0.7 %, less than the noise of the measurement.

    Parameters
    ----------
    network, input_shape, batch
        As :func:`export_onnx`.
    """
    buffer = io.BytesIO()
    input_names, output_names = _names(network)
    with quiet("torch.onnx"), torch.no_grad():
        torch.onnx.export(
            network.eval(),
            inputs_for(network, input_shape, batch or ANY_BATCH),
            buffer,  # type: ignore[arg-type]
            input_names=input_names,
            output_names=output_names,
            dynamic_axes={name: {0: "batch"} for name in (*input_names, *output_names)} if batch is None else None,
            dynamo=False,
        )
    return buffer.getvalue()


def _forget_sources(model: onnx_ir.Model) -> None:
    """Remove the exporter's notes on Python code, which enlarge small files and hold paths of this machine."""
    model.metadata_props.clear()
    for node in model.graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


@contextmanager
def quiet(logger_name: str | None = None) -> Iterator[None]:
    """Keep the warnings of an exporter, about itself and about packages that are not needed, and its advice, silent."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
