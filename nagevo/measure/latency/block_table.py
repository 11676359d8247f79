"""Tables of block latencies, as Once-for-All publishes them and in other spellings of the same blocks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import load_yaml
from nagevo.spaces.separable.layout import rounded_width

BLOCK, STEM, HEAD, POOLING, FEATURES, CLASSIFIER = "block", "stem", "head", "pooling", "features", "classifier"
KINDS = {
    "expanded_conv": BLOCK,
    "MBConv": BLOCK,
    "MBInvertedConvLayer": BLOCK,
    "Conv": STEM,
    "first_conv": STEM,
    "Conv_1": HEAD,
    "final_expand_layer": HEAD,
    "AvgPool2D": POOLING,
    "global_avg_pool": POOLING,
    "Conv_2": FEATURES,
    "feature_mix_layer": FEATURES,
    "Logits": CLASSIFIER,
    "classifier": CLASSIFIER,
}
"""Kind of layer by the word that begins the name of an entry: that of the published tables, or of the module."""
MODULES = {"first_conv", "final_expand_layer", "feature_mix_layer", "classifier"}
"""Words of tables that name modules; they may leave out the pooling."""
_FIELD = re.compile(r"-(?=[a-z_]+:)")


@dataclass(frozen=True)
class Entry:
    """The parsed name of an entry.

    Attributes
    ----------
    input, output : tuple of int
        Height (and width), and channels.
    options : mapping of str to float
        ``expand`` (channels, or the factor), ``kernel``, ``stride``, ``idskip``, ``se``, ``hs``, as far as stated.
    """

    kind: str
    input: tuple[int, int]
    output: tuple[int, int]
    options: Mapping[str, float]

    @classmethod
    def of(cls, name: str) -> Entry | None:
        """Return the parsed name; None if it does not name a layer.

        >>> Entry.of("MBConv-input:56x56x24-output:28x28x40-expand:3-kernel:5").options
        {'expand': 3.0, 'kernel': 5.0}
        """
        word, *fields = _FIELD.split(name)
        values = dict(field.split(":", 1) for field in fields)
        try:
            input, output = (_shape(values.pop(side)) for side in ("input", "output"))
            return cls(KINDS[word], input, output, {key: float(value) for key, value in values.items()})
        except (KeyError, ValueError):
            return None

    def means(self, other: Entry) -> bool:
        """Return whether this entry, whose ``expand`` is in channels, and another one name the same layer."""
        if (self.kind, self.input, self.output) != (other.kind, other.input, other.output):
            return False
        shared = self.options.keys() & other.options.keys() - {"expand"}
        same = all(self.options[key] == other.options[key] for key in shared)
        return same and ("expand" not in other.options or self._expands_by(other.options["expand"]))

    def _expands_by(self, stated: float) -> bool:
        hidden, width = self.options["expand"], self.input[1]
        return hidden == stated or hidden == rounded_width(width * stated, 8)


class BlockTable(Mapping[str, float]):
    """Latency in ms by the name of a block, found in whichever spelling the table has.

    Parameters
    ----------
    means : mapping of str to float
        By name as the table spells it.
    """

    def __init__(self, means: Mapping[str, float]):
        self._means = dict(means)
        self._entries: dict[tuple[object, ...], list[tuple[Entry, float]]] = {}
        for name, mean in means.items():
            entry = Entry.of(name)
            if entry is not None:
                self._entries.setdefault((entry.kind, entry.input, entry.output), []).append((entry, mean))
        kinds = {key[0] for key in self._entries}
        words = {_FIELD.split(name)[0] for name in means}
        self._leaves_out = {POOLING} - kinds if words & MODULES else set()

    def __getitem__(self, name: str) -> float:
        """Return the latency of an entry in the published spelling."""
        if name in self._means:
            return self._means[name]
        asked = Entry.of(name)
        if asked is None:
            raise KeyError(name)
        if asked.kind in self._leaves_out:
            return 0.0
        for entry, mean in self._entries.get((asked.kind, asked.input, asked.output), ()):
            if asked.means(entry):
                return mean
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._means)

    def __len__(self) -> int:
        return len(self._means)


def read_block_table(path: str | os.PathLike) -> BlockTable:
    """Return the ``mean`` in ms of each entry of a block table.

    Raises
    ------
    DataError
        If the file is absent, is not YAML, or an entry has no mean that is a latency.
    """
    try:
        entries = load_yaml(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"lookup table {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"lookup table {path} is not YAML: {error}") from None
    if not isinstance(entries, dict) or not entries:
        raise DataError(f"lookup table {path}: expected a mapping from block names to their latencies")
    return BlockTable({str(name): _mean(path, name, entry) for name, entry in entries.items()})


def _mean(path: str | os.PathLike, name: object, entry: Any) -> float:
    mean = entry.get("mean") if isinstance(entry, dict) else None
    if isinstance(mean, bool) or not isinstance(mean, int | float) or not 0 <= mean <= sys.float_info.max:
        found = mean if isinstance(mean, str | int | float) else type(entry if mean is None else mean).__name__
        raise DataError(f"lookup table {path}: expected a mean in ms, not negative, for {name}, got {str(found)[:80]}")
    return float(mean)


def _shape(text: str) -> tuple[int, int]:
    """Return height and channels of a shape, whichever comes first.

    >>> _shape("56x56x24"), _shape("24x56x56"), _shape("1x1x1000"), _shape("1000")
    ((56, 24), (56, 24), (1, 1000), (1, 1000))
    """
    first, second, third = [1, 1, int(text)] if text.isdigit() else map(int, text.split("x"))
    return (first, third) if first == second else (second, first)
