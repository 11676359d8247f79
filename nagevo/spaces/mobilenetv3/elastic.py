"""The choices of resolution and widths, which come behind those of the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from nagevo.spaces.base import option_index
from nagevo.spaces.mobilenetv3.layout import N_LAYER_CHOICES, N_STAGES, SLOTS, Widths


@dataclass(frozen=True)
class Elastic:
    """Resolutions and width multipliers among which an architecture chooses.

    Attributes
    ----------
    resolutions : tuple of int
        In increasing order; one, if there is no choice.
    default : int
        The resolution that texts leave out.
    multipliers : tuple of float
        In increasing order; one, if there is no choice. Texts leave out 1.
    widths : tuple of Widths
        The widths of a network at each multiplier.
    by_stage : bool
        Whether each stage has a multiplier of its own.
    """

    resolutions: tuple[int, ...]
    default: int
    multipliers: tuple[float, ...]
    widths: tuple[Widths, ...]
    by_stage: bool

    @cached_property
    def options(self) -> dict[str, int]:
        """Number of options of each choice, by name."""
        names = [f"width of stage {stage}" for stage in range(1, N_STAGES + 1)] if self.by_stage else ["width"]
        options = {"resolution": len(self.resolutions)} | dict.fromkeys(names, len(self.multipliers))
        return {name: n for name, n in options.items() if n > 1}

    @property
    def groups(self) -> tuple[int, ...]:
        """Numbers of choices of the resolution and of the widths, where there are any."""
        n_resolutions = int(len(self.resolutions) > 1)
        return tuple(n for n in (n_resolutions, len(self.options) - n_resolutions) if n)

    @property
    def size(self) -> int:
        """Number of distinct combinations."""
        classes = self._classes if self.by_stage else self._classes[:1]
        return len(self.resolutions) * prod(len(set(row)) for row in classes.tolist())

    @property
    def _first_width(self) -> int:
        """Number of choices before the first width."""
        return N_LAYER_CHOICES + (len(self.resolutions) > 1)

    def resolution(self, choices: np.ndarray) -> np.ndarray:
        """Return the place of each architecture's resolution among the resolutions, shape (n,)."""
        elastic = len(self.resolutions) > 1
        return choices[:, N_LAYER_CHOICES].astype(int) if elastic else np.zeros(len(choices), dtype=int)

    def multiplier(self, choices: np.ndarray) -> np.ndarray:
        """Return the place of the width multiplier of each stage among the multipliers, shape (n, 5)."""
        if len(self.multipliers) == 1:
            return np.zeros((len(choices), N_STAGES), dtype=int)
        return np.broadcast_to(choices[:, self._first_width :].astype(int), (len(choices), N_STAGES))

    @staticmethod
    def before(factors: np.ndarray) -> np.ndarray:
        """Return the multiplier of the layer that each slot reads, shape (n, 5, 4); ``factors`` has shape (n, 5)."""
        before = np.repeat(factors[:, :, None], SLOTS, axis=2)
        before[:, 1:, 0] = factors[:, :-1]
        return before

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures with the least of the multipliers that give the same widths."""
        if len(self.multipliers) == 1:
            return choices
        chosen = choices[:, self._first_width :]
        least = self._classes[np.arange(chosen.shape[1]), chosen]
        return np.concatenate([choices[:, : self._first_width], least], axis=1)

    @cached_property
    def _classes(self) -> np.ndarray:
        """The first multiplier that, once rounded, gives the same widths: int, shape (5, n_multipliers).

        A row for each stage; where a multiplier is for the whole network, all rows are the same.
        """
        rows: list[list[object]] = [list(self.widths)] * N_STAGES
        if self.by_stage:
            rows = [[self._of_stage(widths, stage) for widths in self.widths] for stage in range(N_STAGES)]
        return np.array([[row.index(widths) for widths in row] for row in rows])

    @staticmethod
    def _of_stage(widths: Widths, stage: int) -> tuple[int, ...]:
        """Return all widths that the multiplier of a stage determines."""
        first = (widths.stem, widths.first) if stage == 0 else ()
        last = (widths.head, widths.feature) if stage == N_STAGES - 1 else ()
        return (widths.stages[stage], *first, *last)

    def features(self, choices: np.ndarray) -> Iterator[np.ndarray]:
        """Yield logarithms to base 2 of resolutions, shape (n, 1), and multipliers, shape (n, 1 or 5), if chosen."""
        if len(self.resolutions) > 1:
            yield np.log2(self.resolutions)[self.resolution(choices)][:, None]
        if len(self.multipliers) > 1:
            yield np.log2(self.multipliers)[self.multiplier(choices)][:, : N_STAGES if self.by_stage else 1]

    def words(self, choices: np.ndarray) -> list[str]:
        """Return the value of each choice of one architecture, as shown to people; ``choices``: shape (n_options,)."""
        return [
            f"{self.resolutions[option]} pixels" if name == "resolution" else f"{self.multipliers[option]:g}"
            for name, option in zip(self.options, choices, strict=True)
        ]

    def suffixes(self, choices: np.ndarray) -> Iterator[dict[str, list[float]]]:
        """Yield the numbers that the text of each architecture ends in, by letter."""
        resolutions = np.array(self.resolutions)[self.resolution(choices)].tolist()
        factors = np.array(self.multipliers)[self.multiplier(choices)].tolist()
        for resolution, row in zip(resolutions, factors, strict=True):
            default = all(factor == 1 for factor in row)
            widths = [] if default else row if self.by_stage else row[:1]
            yield {"r": [] if resolution == self.default else [resolution], "w": widths}

    def parse(self, suffixes: Mapping[str, list[float]]) -> list[int]:
        """Return the choices that such numbers stand for; raise ValueError if they stand for none."""
        resolution, factors = suffixes.get("r", [float(self.default)]), suffixes.get("w", [1.0])
        n = N_STAGES if self.by_stage and len(self.multipliers) > 1 else 1
        factors = factors * n if len(factors) == 1 else factors
        if len(resolution) != 1 or len(factors) != n:
            raise ValueError(f"expected one resolution and {n} width multipliers: @r…@w…")
        chosen = [option_index("resolution", resolution[0], self.resolutions)]
        widths = [option_index("width multiplier", factor, self.multipliers) for factor in factors]
        return chosen * (len(self.resolutions) > 1) + widths * (len(self.multipliers) > 1)
