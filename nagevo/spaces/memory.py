"""Memory that networks need, for many architectures at once: bytes of their weights, and the peak of their activations.

Both are those of the exported ONNX graph, for a batch of one. A value, whether the input of the network or what an
operation returns, takes memory from the operation that makes it to the last one that reads it; operations run in the
order of the file. An operation on each number by itself writes over its operand if nothing reads that later; reshaping
copies nothing; batch normalization behind a convolution is a part of it. In int8 a number takes one byte, except in the
input and the output of the network, which stay float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

PRECISIONS = ("fp32", "int8")
"""Types of numbers that networks compute in, from the shortest text to the longest."""
BYTES = {"fp32": 4, "int8": 1}
PEAK, WEIGHTS = "peak_memory_kb", "weights_kb"
"""Names of the two costs, in kB of 1,000 bytes."""
FILTER, BIAS = {"fp32": 0, "int8": 5}, {"fp32": 4, "int8": 12}
"""Bytes of a filter beside its weights, and of its bias (int32); in int8 each has a scale and a zero point."""
NO_PLACE = -1
"""Place of an absent value."""


def filters(inputs: Any, outputs: Any, taps: Any = 1, *, bias: bool = True) -> dict[str, Any]:
    """Return the tensors of a convolution, or of a linear layer, for :meth:`Memory.add`.

    Parameters
    ----------
    inputs, outputs : int or ndarray, shape (n,)
        Channels; ``inputs`` those that one filter reads.
    taps : int or ndarray, shape (n,)
        Positions of a kernel: its height times its width.
    bias : bool
        Whether it has one, be it from the batch normalization behind it.
    """
    return {"weights": inputs * outputs * taps, "filters": outputs, "biases": outputs * bias}


class Lifetimes:
    """Bytes of values from the operation that makes them to the last one that reads them.

    Values are handled as arrays of int, shape (n,): for each architecture the place of the value that holds the memory,
    or -1 where there is no value.

    Parameters
    ----------
    n : int
        Number of architectures.
    """

    def __init__(self, n: int):
        self.n = n
        self._sizes: list[np.ndarray] = []
        self._last: list[np.ndarray] = []
        self._operands: list[Sequence[np.ndarray]] = []

    def made(
        self, size: int | np.ndarray, reads: Sequence[np.ndarray], *, in_place: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """Return the value that an operation makes, the first of all being the input.

        Parameters
        ----------
        size : int or ndarray, shape (n,)
            Its bytes.
        reads : sequence of ndarray of int, shape (n,)
            The values that the operation reads.
        in_place : sequence of ndarray of int, shape (n,)
            Those among them that it can write over if they have the same size and nothing reads them later.
        """
        step = len(self._sizes)
        for value in reads:
            self._read(value, step)
        self._sizes.append(np.broadcast_to(size, (self.n,)).astype(np.int64))
        self._last.append(np.full(self.n, step))
        self._operands.append(in_place)
        return np.full(self.n, step)

    def kept(self, value: np.ndarray) -> None:
        """Keep a value to the end: the output."""
        self._read(value, len(self._sizes))

    def _read(self, value: np.ndarray, step: int) -> None:
        for place in np.unique(value[value != NO_PLACE]):
            self._last[place][value == place] = step

    def peak(self) -> np.ndarray:
        """Return the most bytes that are alive at a time, int of shape (n,)."""
        if not self._sizes:
            return np.zeros(self.n, dtype=np.int64)
        rows, n_steps = np.arange(self.n), len(self._sizes)
        sizes, last = np.stack(self._sizes), np.stack(self._last)  # (n_steps, n)
        change = np.zeros((n_steps + 2, self.n), dtype=np.int64)
        for step, operands in enumerate(self._operands):
            over = np.zeros(self.n, dtype=int)  # whether it writes over an operand, other than the input
            for operand in operands:
                fits = (last[operand, rows] == step) & (sizes[operand, rows] == sizes[step])
                over |= fits & (operand > 0)
            change[step + over, rows] += sizes[step]
            np.subtract.at(change, (last[step] + 1, rows), sizes[step])
        return change.cumsum(axis=0).max(axis=0)


class Memory:
    """Adds up the operations of networks, each for all architectures at once; values are those of :class:`Lifetimes`.

    Parameters
    ----------
    n : int
        Number of architectures.
    precision : str or ndarray of str, shape (n,)
        Of each architecture, one of ``PRECISIONS``.

    Examples
    --------
    A convolution from 4 to 8 numbers, a rectifier in place, and 2 outputs, in float32: while the convolution runs, 12
    numbers are alive. It has 32 weights and a bias for each of its 8 filters, the last operation 16 weights and 2.

    >>> memory = Memory(1)
    >>> x = memory.input(4)
    >>> x = memory.add([x], 8, weights=32, filters=8, biases=8)
    >>> x = memory.add([x], 8, in_place=True)
    >>> memory.output(memory.add([x], 2, weights=16, filters=2, biases=2), 2)
    >>> memory.costs()
    {'peak_memory_kb': array([0.048]), 'weights_kb': array([0.232])}
    """

    def __init__(self, n: int, precision: str | np.ndarray = "fp32"):
        self.n = n
        self._is_int8 = np.broadcast_to(np.asarray(precision) == "int8", (n,))
        self._of_number = self._bytes(BYTES)
        self._of_filter, self._of_bias = self._bytes(FILTER), self._bytes(BIAS)
        self._lifetimes = Lifetimes(n)
        self._named: list[tuple[str, np.ndarray, list[np.ndarray], np.ndarray]] = []
        self._weights = np.zeros(n, dtype=np.int64)

    def _bytes(self, by_precision: Mapping[str, int]) -> np.ndarray:
        return np.where(self._is_int8, by_precision["int8"], by_precision["fp32"])

    def input(self, numbers: int | np.ndarray, *, tokens: bool = False) -> np.ndarray:
        """Return an input of the networks, of so many numbers, or tokens (int64); int8 networks quantize numbers."""
        given = self._lifetimes.made(np.multiply(8 if tokens else 4, numbers), [])
        return given if tokens else self.add([given], numbers, present=self._is_int8)

    def add(
        self,
        reads: Sequence[np.ndarray],
        numbers: int | np.ndarray,
        *,
        present: bool | np.ndarray = True,
        in_place: bool = False,
        same: str = "",
        weights: int | np.ndarray = 0,
        filters: int | np.ndarray = 0,
        biases: int | np.ndarray = 0,
        others: int | np.ndarray = 0,
    ) -> np.ndarray:
        """Return the value of an operation.

        Parameters
        ----------
        reads : sequence of ndarray of int, shape (n,)
            The values that it reads; where it is not present it passes on the first.
        numbers : int or ndarray, shape (n,)
            How many numbers it returns.
        present : bool or ndarray of bool, shape (n,)
        in_place : bool
            Whether it can write over a value that it reads, of the same size.
        same : str
            Operations of the same name that read the same values are one, as exporters merge them.
        weights, filters, biases : int or ndarray, shape (n,)
            Numbers of its weights, of its filters (outputs that in int8 have a scale of their own), and of those with a
            bias.
        others : int or ndarray, shape (n,)
            Bytes of tensors that are float32 in any precision.
        """
        present = np.broadcast_to(present, (self.n,))
        merged = self._merged(same, reads) if same else np.full(self.n, NO_PLACE)
        passed = np.where(present, merged, reads[0]) if len(reads) else merged
        present = np.asarray(present & (merged == NO_PLACE))
        read = [np.where(present, value, NO_PLACE) for value in reads]
        size = np.where(present, self._of_number * numbers, 0)
        made = self._lifetimes.made(size, read, in_place=read if in_place else ())
        tensors = self._of_number * weights + self._of_filter * filters + self._of_bias * biases + others
        self._weights += np.where(present, tensors, 0)
        result: np.ndarray = np.where(present, made, passed)
        if same:
            self._named.append((same, np.asarray(present), list(reads), made))
        return result

    def _merged(self, name: str, reads: Sequence[np.ndarray]) -> np.ndarray:
        """Return the value of an earlier operation of this name that read the same values, or -1, shape (n,)."""
        merged = np.full(self.n, NO_PLACE)
        for other, present, others, made in self._named:
            if other == name:
                pairs = zip_longest(reads, others, fillvalue=np.full(self.n, NO_PLACE))
                equal = np.logical_and.reduce([present, *(a == b for a, b in pairs)])
                merged = np.where(equal, made, merged)
        return merged

    def output(self, value: np.ndarray, numbers: int | np.ndarray) -> None:
        """Take the output of the networks, of so many numbers; int8 networks return it in float32."""
        returned = self._lifetimes.made(np.where(self._is_int8, np.multiply(4, numbers), 0), [value])
        self._lifetimes.kept(np.where(self._is_int8, returned, value))

    def costs(self) -> dict[str, np.ndarray]:
        """Return ``peak_memory_kb`` and ``weights_kb`` of each architecture, float of shape (n,)."""
        return {PEAK: self._lifetimes.peak() / 1000, WEIGHTS: self._weights / 1000}
