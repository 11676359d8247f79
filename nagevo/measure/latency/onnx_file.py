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
from nagevo.measure.status import OK
from nagevo.spaces.base import SearchSpace


class ONNXFileDevice(Device):
    """Measure the size of a network as the ONNX file that nagevo exports, weights included, in kB of 1,000 bytes.

    The description that is written into the file of an answer comes on top: a few hundred bytes, and the names of the
    classes.
    """

    measures = FILE_SIZE
    exact = True

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the size of each architecture's file, in order.

        Raises
        ------
        ConfigError
            If the space has no networks.
        """
        sizes = []
        with tempfile.TemporaryDirectory(prefix="nagevo-") as folder:
            path = Path(folder) / "network.onnx"
            for row in track(choices, "exporting"):
                given = built(space, row)
                if isinstance(given, bytes):
                    from nagevo.deploy.quantization import with_batch

                    path.write_bytes(with_batch(given, 1))
                elif not isinstance(given, Path):
                    from nagevo.deploy.export import export_onnx

                    export_onnx(given, space.input_shape_of(row), path)
                sizes.append((given if isinstance(given, Path) else path).stat().st_size / 1000)
        return pd.DataFrame({self.measures: np.array(sizes, dtype=float), "status": OK})
