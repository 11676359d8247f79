"""The size of the file that is deployed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

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
                given = space.onnx_file(row)
                if space.precisions_of(row[None])[0] == "int8":
                    given = path
                    path.write_bytes(model_for_timing(built(space, row), space.input_shape_of(row), 1))
                if given is None:
                    from nagevo.deploy.export import export_onnx
        from nagevo.deploy.quantization import model_for_timing
        from nagevo.measure.latency.timing import built

                    export_onnx(space.network(row), space.input_shape_of(row), path)
                sizes.append((given or path).stat().st_size / 1000)
        return pd.DataFrame({self.measures: np.array(sizes, dtype=float), "status": OK})
