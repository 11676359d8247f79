"""Models that devices run: a torch network, an ONNX file, or an ONNX model in int8.

torch is imported only where a network is built or exported, so that ONNX files are timed without it.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import nn


def built(space: SearchSpace, choices: np.ndarray) -> nn.Module | Path | bytes:
    """Return the network of an architecture, the ONNX file that it is, or its ONNX model in int8 for any batch.

    The ranges of values in int8 are made up: it runs as long as with those of trained weights.
    """
    file, (precision,) = space.onnx_file(choices), space.precisions_of(choices[None])
    if file is not None or precision == "fp32":
        return file or space.network(choices)
    from nagevo.deploy.quantization import quantized

    return quantized(space.network(choices), space.input_shape_of(choices))


def model_for_timing(network: nn.Module | Path | bytes, input_shape: tuple[int, ...], batch: int) -> bytes:
    """Return the ONNX model that a device runs: of a network, of a file, or of a model in int8 that takes any batch."""
    if isinstance(network, Path):
        return network.read_bytes()
    if isinstance(network, bytes):
        from nagevo.deploy.quantization import with_batch

        return with_batch(network, batch)
    from nagevo.deploy.export import onnx_for_timing
    from nagevo.training.loop import fold

    folded = fold(deepcopy(network).eval())  # as runtimes do, but a fifth less to export
    return onnx_for_timing(folded, input_shape, batch=batch)
