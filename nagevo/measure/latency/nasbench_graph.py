"""Latencies of NAS-Bench-Graph."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from nagevo.foundation.errors import DeviceError
from nagevo.foundation.options import Option
from nagevo.measure.latency.base import Device
from nagevo.measure.status import OK, UNKNOWN
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.nasbench_graph import GraphDataset, NASBenchGraphSpace, measured


class NASBenchGraphDevice(Device):
    """Read latencies from the tables of the package ``nas-bench-graph``."""

    exact = free = True

    def __init__(self, dataset: Annotated[GraphDataset, Option("Graph on which networks are run.")] = "cora"):
        self.dataset, self.table = dataset, measured(dataset)

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        if not isinstance(space, NASBenchGraphSpace):
            raise DeviceError(f"backend nasbench_graph knows the space nasbench_graph only, got {space}")
        latency_ms = self.table["latency_ms"].reindex(space.keys(choices)).to_numpy()
        status = np.where(np.isfinite(latency_ms), OK, f"{UNKNOWN}not measured on {self.dataset}")
        return pd.DataFrame({"latency_ms": latency_ms, "status": status})
