"""Interrupt training as Ctrl+C does, where it reaches an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from nagevo.training.recipe import Recipe


@contextmanager
def interrupted_at(epoch: int) -> Iterator[None]:
    """Let training in this block be interrupted at the beginning of an epoch."""
    rate = Recipe.rate

    def interrupting(recipe: Recipe, at: float) -> float:
        if at >= epoch:
            raise KeyboardInterrupt
        return rate(recipe, at)

    with mock.patch.object(Recipe, "rate", interrupting), pytest.raises(KeyboardInterrupt):
        yield


@contextmanager
def epochs_trained() -> Iterator[set[int]]:
    """Yield the set of the epochs that are trained in this block."""
    rate, epochs = Recipe.rate, set()

    def recording(recipe: Recipe, at: float) -> float:
        epochs.add(int(at))
        return rate(recipe, at)

    with mock.patch.object(Recipe, "rate", recording):
        yield epochs
