"""Random search."""

from __future__ import annotations

import numpy as np

from nagevo.search.base import Strategy


class RandomSearch(Strategy):
    """Propose architectures drawn uniformly from the space: the baseline of every comparison."""

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
