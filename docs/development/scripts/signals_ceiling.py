"""The accuracy that no classifier of the dataset `signals` can exceed, and that of a linear one.

    python docs/development/scripts/signals_ceiling.py [NOISE]

A window is told by its likelihood in each class, exactly: the three channels have the energy 3/2 · amplitude² · length
whatever the phase, so that the mean over phases is a Bessel function; frequency, start and amplitude are summed over a
grid.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import ive, logsumexp
from sklearn.linear_model import LogisticRegression

from nagevo.training.datasets.signals import AMPLITUDES, FREQUENCIES, TURNS, phases, signals


def most_likely(inputs: np.ndarray, noise: float, *, grid: tuple[int, int, int] = (40, 12, 8)) -> np.ndarray:
    """Return the class of the highest likelihood of each window, shape (n,); inputs have shape (n, 3, length)."""
    length = inputs.shape[-1]
    frequency, start = np.meshgrid(np.linspace(*FREQUENCIES, grid[0]), np.arange(grid[1]) / grid[1])
    templates = np.exp(-1j * phases(frequency.ravel(), start.ravel(), length)).reshape(-1, length)
    amplitude = np.linspace(*AMPLITUDES, grid[2])
    scores = []
    for turn in TURNS.values():
        rotation = np.exp(-1j * turn * 2 * np.pi / 3 * np.arange(3))
        found = np.abs(np.einsum("nct,c->nt", inputs, rotation) @ templates.T)  # (n, courses · frequencies · starts)
        argument = found[:, :, None] * amplitude / noise**2
        log_bessel = np.log(ive(0, argument)) + argument
        likelihood = log_bessel - 0.75 * amplitude**2 * length / noise**2
        scores.append(logsumexp(likelihood.reshape(len(inputs), len(templates) // frequency.size, -1), axis=2))
    return np.stack(scores, axis=2).reshape(len(inputs), -1).argmax(axis=1)


if __name__ == "__main__":
    noise = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    pool = signals(windows=2000, noise=noise, windows_seed=1).pools["train"]
    best = np.concatenate([most_likely(part, noise) for part in np.array_split(pool.inputs, 20)])
    flat, half = pool.inputs.reshape(len(pool), -1), len(pool) // 2
    linear = LogisticRegression(max_iter=50).fit(flat[:half], pool.labels[:half])
    print(f"noise {noise:g}: at most {100 * (best == pool.labels).mean():.1f} % by likelihood; ", end="")
    print(f"linear {100 * linear.score(flat[half:], pool.labels[half:]):.1f} %")
