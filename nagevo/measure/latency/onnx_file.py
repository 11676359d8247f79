"""The size of the file that is deployed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from nagevo.deploy.models import built
from nagevo.foundation.progress import track
from nagevo.foundation.quantities import FILE_SIZE
from nagevo.measure.latency.base import Device
from nagevo.measure.status import OK, reason
from nagevo.spaces.base import SearchSpace


class ONNXFileDevice(Device):
    """Measure the size of a network as the ONNX file that nagevo exports, weights included, in kB of 1,000 bytes.

    The description that is written into the file of an answer comes on top: a few hundred bytes, and the names of the
    classes.
    """

    measures = FILE_SIZE
    exact = True

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the size of each architecture's file, in order; see :meth:`Device.measure`.

        Raises
        ------
        ConfigError
            If the space has no networks.
        """
        shapes = [space.input_shape_of(row) for row in choices]
        sizes, status = np.full(len(choices), np.nan), [OK] * len(choices)
        with tempfile.TemporaryDirectory(prefix="nagevo-") as folder:
            for number, (row, shape) in enumerate(zip(track(choices, "exporting"), shapes, strict=True)):
                try:
                    sizes[number] = _file(space, row, shape, Path(folder)).stat().st_size / 1000
                except Exception as error:  # whatever a network or an exporter raises is the row's status
                    status[number] = reason(error)
        return pd.DataFrame({self.measures: sizes, "status": status})


def _file(space: SearchSpace, choices: np.ndarray, shape: tuple[int, ...], folder: Path) -> Path:
    """Return the ONNX file of an architecture: the one that it is, or one that is written into a folder."""
    given, path = built(space, choices), folder / "network.onnx"
    if isinstance(given, Path):
        return given
    if isinstance(given, bytes):
        from nagevo.deploy.quantization import with_batch

        path.write_bytes(with_batch(given, 1))
    else:
        from nagevo.deploy.export import export_onnx

        export_onnx(given, shape, path)
    return path
