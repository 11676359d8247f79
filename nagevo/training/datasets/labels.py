"""From labels as they are stored (texts, numbers, booleans, some of them missing) to indices of classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError

UNLABELED = -1
"""Index of an example without a label; such examples belong to no split."""


def classify(
    stored: Mapping[str, Iterable],
    where: str,
    *,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the names of the classes and, for each pool, the index of the class of each example.

    Parameters
    ----------
    stored : mapping of str to iterable
        By pool, a label for each example: text, a whole number, a boolean, a list of one of these, or None.
    where : str
        Name of the dataset in errors.
    names : sequence of str, optional
        Names that the dataset itself gives to the labels 0, 1, …
    classes : sequence of str, optional
        Names that the user gives. Numbers get them in their order; for texts they set the order only.

    Returns
    -------
    classes : tuple of str
    indices : dict of str to ndarray of int64, shape (n,)
        ``UNLABELED`` where a label is missing, and throughout a pool other than ``train`` whose labels are all -1.

    Raises
    ------
    ConfigError
        If ``classes`` are not those of the labels.
    DataError
        If a label is of another kind, or each occurs once.
    """
    if classes is not None and len(set(classes)) < len(classes):
        raise ConfigError(f"dataset.classes: expected different names, got {', '.join(map(str, classes))}")
    labels: dict[str, list[Any]] = {}
    for pool, values in stored.items():
        of_pool = f"{where}, split {pool}"
        labels[pool] = [_label(value, row, of_pool) for row, value in enumerate(values, start=1)]
    for pool, values in labels.items():
        hidden = names is not None or (pool != "train" and set(values) == {-1} and -1 not in set(labels["train"]))
        labels[pool] = [None if hidden and value == -1 else value for value in values]
    if any(isinstance(value, str) for values in labels.values() for value in values):  # numbers among texts are texts
        labels = {pool: [value if value is None else str(value) for value in values] for pool, values in labels.items()}
    every = [value for values in labels.values() for value in values if value is not None]
    found = set(every)
    if len(found) == len(every) > 2:
        raise DataError(f"{where}: expected classes, got a different label for each of {len(every)} examples")
    order: list[Any]
    if any(isinstance(value, str) for value in found):
        order, ours = _named(sorted(found), classes, where)
    elif names is not None:
        _check_range(found, len(names), where)
        named, ours = _named(list(names), classes, where)
        order = [names.index(name) for name in named]
    else:
        order, ours = _numbered(sorted(found), classes, where)
    index = {value: place for place, value in enumerate(order)} | {None: UNLABELED}
    indices = {pool: np.array([index[value] for value in values], dtype=np.int64) for pool, values in labels.items()}
    return tuple(ours), indices


def _label(value: object, row: int, where: str) -> int | str | bool | None:
    """Return a label as text, whole number, boolean, or None where it is missing."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple) and len(value) == 1:
        (value,) = value
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return value.strip() or None
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == round(value):
        return int(value)
    if isinstance(value, list | tuple):
        raise DataError(f"{where}, row {row}: expected one label, got {str(value)[:60]}")
    raise DataError(
        f"{where}, row {row}: expected a class (text, a whole number or a boolean), "
        f"got {str(value)[:60]} ({type(value).__name__})"
    )


def _named(names: list[str], classes: Sequence[str] | None, where: str) -> tuple[list[str], list[str]]:
    """Return the classes of a dataset whose labels are names, in the user's order where there is one."""
    if classes is not None and set(classes) != set(names):
        ours = ", ".join(map(str, classes))
        raise ConfigError(f"dataset.classes: {where} has the classes {', '.join(names)}, got {ours}")
    order = names if classes is None else list(classes)
    return order, order


def _numbered(found: list[int], classes: Sequence[str] | None, where: str) -> tuple[list[int], list[str]]:
    """Return the labels of a dataset whose labels are numbers or booleans, and the names of their classes."""
    if classes is None:
        return found, [str(value) for value in found]
    if len(found) == len(classes):
        return found, list(classes)
    _check_range(found, len(classes), where)
    return list(range(len(classes))), list(classes)


def _check_range(found: Iterable[int], n: int, where: str) -> None:
    outside = [value for value in found if not 0 <= value < n]
    if outside:
        least, most = min(found), max(found)
        raise DataError(f"{where}: expected labels from 0 to {n - 1}, one for each class, got {least} to {most}")
