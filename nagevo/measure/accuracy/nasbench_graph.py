"""Accuracies of NAS-Bench-Graph."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.status import OK, UNKNOWN
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.nasbench_graph import GraphDataset, NASBenchGraphSpace, measured


class NASBenchGraphEvaluator(Evaluator):
    """Read accuracies, means of three trainings, from the tables of the package ``nas-bench-graph``."""

    space: NASBenchGraphSpace
    exact = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        dataset: Annotated[GraphDataset, Option("Dataset of the benchmark.")] = "cora",
    ):
        super().__init__(space, seed=seed)
        if not isinstance(space, NASBenchGraphSpace):
            raise ConfigError(f"accuracy.evaluator: nasbench_graph knows the space nasbench_graph only, got {space}")
        self.dataset, self.table = dataset, measured(dataset)

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        accuracy = self.table[split].reindex(self.space.keys(choices)).to_numpy()
        status = np.where(np.isfinite(accuracy), OK, f"{UNKNOWN}not measured on {self.dataset}")
        return pd.DataFrame({"accuracy": accuracy, "status": status})
