"""An evaluator that asks a program for the accuracy of an architecture."""

from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd

from nagevo.measure.accuracy import OK, Evaluator
from nagevo.spaces.base import SearchSpace


class ProgramEvaluator(Evaluator):
    """Run ``command ARCHITECTURE SPLIT`` for each architecture, and read the percent that it prints."""

    def __init__(self, space: SearchSpace, *, seed: int = 0, command: str):
        super().__init__(space, seed=seed)
        self.command = command

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        rows = [self.read(text, split) for text in self.space.to_text(choices)]
        return pd.DataFrame(rows, columns=["accuracy", "status"])

    def read(self, text: str, split: str) -> tuple[float, str]:
        """Return the accuracy and ``"ok"``, or NaN and the reason why there is none."""
        done = subprocess.run([self.command, text, split], capture_output=True, text=True, check=False)
        try:
            return float(done.stdout), OK
        except ValueError:
            return np.nan, f"{self.command} printed {done.stdout.strip()!r}"
