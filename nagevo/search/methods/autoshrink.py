"""AutoShrink: start from the largest architecture and remove, step by step, the part that contributes least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.measure.measurements import PERPLEXITY, Measurements
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, unique, without

BETAS = {"accuracy": 10.0, "perplexity": 2.0}
"""Default of ``beta`` by ``quality``."""
MAX_PATHS = 8
"""Maximum number of paths followed side by side to fill one round."""


@dataclass(eq=False, repr=False, kw_only=True)
class AutoShrink(Strategy):
    """Shrink the largest architecture step by step, by removals that lose least quality for the cost saved.

    A step of a path draws ``candidates`` random removals (one choice, a lower option), measures each, and keeps the one
    with the largest ``quality - beta * log10(cost)``. A path ends where nothing is left to remove. Every device has
    paths of its own: the first with the given ``beta``, later ones with up to three times more or less.

    The quality is the accuracy in percent, or the perplexity as -100 times its natural logarithm: changes in percent.

    References
    ----------
    Zhang et al. (2020), "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture", AAAI, and the
    authors' code: ten random candidate edges a step, the edge whose removal scores best is removed for good, then nodes
    that the input does not reach (``canonical`` of the spaces ``dag`` and ``rnn_dag`` does this); ``score = accuracy -
    0.1 * (log10(MACs) - 6)`` with the accuracy as a fraction, hence the 10 here; for recurrent cells ``score = 0.25 *
    (200 - perplexity) - (log10(FLOPs) - 6)``; the code too has a number of edges removed at each step, 1 by default.

    Deviations: latency on the device in place of MACs, unless ``cost: macs``; on spaces without edges the removal of an
    edge becomes a lower option of a choice, in the order in which the space lists them; several removals at once where
    the space is too large for one at a time; all graphs on the way are kept, and not only the best one.

    The constants of the recurrent score are for perplexities of words: ten times the FLOPs are worth 4 of them, and a
    perplexity of 200 scores 0. They are rescaled as shares, so that they hold for characters too, whose perplexities
    are 3 to 10: 4 of 200 are 2 %, the ``beta`` of ``quality: perplexity``. The other constants leave the order of
    candidates as it is.
    """

    candidates: Annotated[int, Option("Number of possible removals that are measured in each step.", ge=1)] = 10
    quality: Annotated[
        Literal["accuracy", "perplexity"],
        Option("Quality that a removal should keep: the accuracy, or for text the perplexity."),
    ] = "accuracy"
    cost: Annotated[
        Literal["device", "macs"],
        Option("Cost that removals should save: the quantity that the device measures, or multiply–accumulates."),
    ] = "device"
    beta: Annotated[
        float | None,
        Option(
            "Loss of quality that outweighs saving nine tenths of the cost: in points of accuracy (null: 10) or "
            "percent of perplexity (null: 2).",
            gt=0,
        ),
    ] = None
    removals: Annotated[
        int | None,
        Option(
            "Number of choices lowered in a step; null for the fewest with which a path for each device fits "
            "into the evaluations.",
            ge=1,
        ),
    ] = None

    def __post_init__(self):
        super().__post_init__()
        self.points = BETAS[self.quality] if self.beta is None else self.beta
        if self.cost == "macs" and "macs" not in self.space.costs(self.space.extremes()):
            raise ConfigError(
                f"search.cost: {self.space} does not know the multiply–accumulates of its networks: take device"
            )
        self.removals = self.removals or self._affordable_removals()
        self._n_finished = dict.fromkeys(self.devices, 0)

    def _affordable_removals(self) -> int:
        """Return the fewest removals at once with which one path for each device fits into the evaluations."""
        total = int(self.space.extremes()[1].sum())
        for removals in range(1, total):
            left = np.arange(total, 0, -removals)
            combined = len(left) if removals > 1 else 1  # what a step keeps is one of its candidates otherwise
            if (np.minimum(left, self.candidates).sum() + combined) * len(self.devices) <= self.evaluations:
                return removals
        return max(total, 1)

    def tell(self, measurements: Measurements) -> None:
        super().tell(measurements)
        read = np.isfinite(measurements.accuracy)
        if self.quality == "perplexity" and read.any() and np.isnan(measurements.readings[PERPLEXITY][read]).all():
            raise ConfigError("search.quality: the evaluator reads no perplexity: take accuracy")

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        wanted = np.empty((0, self.space.n_choices), dtype=np.int8)
        for device, share in self.shares(n).items():
            missing = self._missing(device, share)
            wanted = unique(np.concatenate([wanted, missing]))
        return self.first_new(wanted, n, rng=rng)

    def _missing(self, device: str, n: int) -> np.ndarray:
        """Return what the next steps of a device's paths need measured: n architectures, fewer when paths run out."""
        missing = np.empty((0, self.space.n_choices), dtype=np.int8)
        number, last = self._n_finished[device], self._n_finished[device] + MAX_PATHS
        while len(missing) < n and number < last:
            _, needed = self._follow(device, number)
            if not len(needed) and number == self._n_finished[device]:
                self._n_finished[device] += 1  # for good: what is measured stays measured
            missing, number = unique(np.concatenate([missing, needed])), number + 1
        return missing[:n]

    def path(self, device: str, number: int = 0) -> np.ndarray:
        """Return the architectures that a path of a device has kept so far, the largest first, (n, n_choices)."""
        return self._follow(device, number)[0]

    def _follow(self, device: str, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what a path has kept as far as all is measured, and what its next step needs measured."""
        rng = np.random.default_rng([self.seed, self.devices.index(device), number])
        beta = self.points * 3.0 ** (rng.uniform(-1, 1) if number else 0.0)
        kept = self.space.extremes()[1:]
        for _ in range(int(kept.sum())):
            columns, options = self._removals_from(kept, rng=rng)
            candidates = self._with_options(kept[-1], columns[:, None], options[:, None])
            missing = without(np.concatenate([kept[-1:], candidates]), self.evaluated())
            if len(missing) or not len(candidates):
                return kept, missing
            order = np.argsort(-self._scores(candidates, device, beta), kind="stable")
            _, first = np.unique(columns[order], return_index=True)
            best = order[np.sort(first)[: self.removals]]
            kept = np.concatenate([kept, self._with_options(kept[-1], columns[None, best], options[None, best])])
        return kept, kept[:0]

    def _removals_from(self, kept: np.ndarray, *, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return random choices of the architecture kept last, and a lower option for each.

        Removals that change nothing, or lead back to an architecture kept before, are left out.
        """
        last = kept[-1]
        columns = np.repeat(np.arange(len(last)), last)
        options = np.concatenate([np.arange(option, dtype=np.int8) for option in last])
        order = rng.permutation(len(columns))
        rows = self._with_options(last, columns[order, None], options[order, None])
        _, first = np.unique(rows, axis=0, return_index=True)
        new = [i for i in np.sort(first) if not (rows[i] == kept).all(axis=1).any()][: self.candidates]
        return columns[order][new], options[order][new]

    def _with_options(self, architecture: np.ndarray, columns: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Return the architecture with some choices changed, once for each row of columns and options."""
        rows = np.repeat(architecture[None], len(columns), axis=0)
        np.put_along_axis(rows, columns, options, axis=1)
        return self.space.normal(rows)

    def _scores(self, candidates: np.ndarray, device: str, beta: float) -> np.ndarray:
        """Return the quality less ``beta`` for each tenfold cost; what failed scores lowest."""
        table = self.measurements
        rows = RowIndex(table.choices).rows(candidates)
        quality = (
            table.accuracy[rows] if self.quality == "accuracy" else -100 * np.log(table.readings[PERPLEXITY][rows])
        )
        cost = table.values[device][rows] if self.cost == "device" else self.space.costs(candidates)["macs"]
        return np.nan_to_num(quality - beta * np.log10(cost), nan=-np.inf)
