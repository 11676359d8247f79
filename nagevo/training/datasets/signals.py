"""Synthetic windows of signals of a rotation, for which the best possible accuracy is known."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from nagevo.foundation.options import Option
from nagevo.training.datasets.base import Pool, Source

COURSES = ("steady", "rising", "falling", "wavering")
TURNS = {"left": 1, "right": -1}
CLASSES = tuple(f"{course} {turn}" for course in COURSES for turn in TURNS)
FREQUENCIES = (0.12, 0.18)
"""Lowest and highest mean frequency of a window, in cycles a value."""
SWEEP = 0.1
"""Difference of the highest and the lowest frequency within a window, in cycles a value."""
PERIODS = 4
"""How often the frequency goes from the lowest to the highest within a window."""
AMPLITUDES = (0.5, 1.5)


def signals(
    *,
    windows: Annotated[int, Option("Number of windows, equally many of each class.", ge=80)] = 6000,
    length: Annotated[int, Option("Values of each channel in a window.", ge=8)] = 128,
    noise: Annotated[float, Option("Standard deviation of the noise; amplitudes are 0.5 to 1.5.", ge=0)] = 1.0,
    windows_seed: Annotated[int, Option("Seed of the windows.", ge=0)] = 0,
) -> Source:
    """Return synthetic windows of three sensors around an axis whose speed is steady, rises, falls or oscillates.

    A channel is ``amplitude · cos(phase(t) + turn · 2π/3 · channel) + noise``: three sensors around an axis that turns
    left or right. Mean frequency, amplitude, the beginning of a course and the phase there are random in all of the
    eight classes, so that every class has the same mean, and no linear classifier is better than chance.
    """
    rng = np.random.default_rng(windows_seed)
    labels = np.arange(windows) % len(CLASSES)
    frequency, amplitude = rng.uniform(*FREQUENCIES, windows), rng.uniform(*AMPLITUDES, windows)
    phase = phases(frequency, rng.random(windows), length)[labels // len(TURNS), np.arange(windows)]
    phase += rng.uniform(0, 2 * np.pi, (windows, 1))
    turn = np.array(list(TURNS.values()))[labels % len(TURNS)]
    shift = turn[:, None] * 2 * np.pi / 3 * np.arange(3)  # (windows, channels)
    clean = amplitude[:, None, None] * np.cos(phase[:, None] + shift[:, :, None])
    inputs = clean + noise * rng.standard_normal(clean.shape)
    return Source("signals", CLASSES, {"train": Pool(inputs.astype(np.float32), labels)}, kind="arrays")


def phases(frequency: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
    """Return the phase over time of each course, from 0: shape (courses, n, length).

    Parameters
    ----------
    frequency : ndarray, shape (n,)
        Mean frequency in cycles a value.
    start : ndarray, shape (n,)
        Where in a period a window begins, from 0 to 1.
    """
    time = (start[:, None] + PERIODS * np.arange(length) / length) % 1.0  # (n, length), in periods
    deviations = np.stack([0 * time, time - 0.5, 0.5 - time, 0.5 * np.sin(2 * np.pi * time)])
    return 2 * np.pi * np.cumsum(frequency[:, None] + SWEEP * deviations, axis=-1)
