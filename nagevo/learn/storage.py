"""Surrogates on disk: numbers as JSON, arrays as safetensors, trees as XGBoost writes them; no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nagevo.foundation.errors import BundleError, DataError
from nagevo.foundation.files import read_json, write_json
from nagevo.foundation.writing import replacing

NUMBERS, ARRAYS, TREES = "surrogate.json", "arrays.safetensors", "trees_{}.ubj"


def write(
    folder: str | os.PathLike,
    kind: str,
    numbers: Mapping[str, float],
    arrays: Mapping[str, np.ndarray],
    trees: Sequence[bytes],
) -> None:
    """Write the parts of a surrogate of some kind into a folder."""
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json({"kind": kind, "n_trees": len(trees), "numbers": dict(numbers)}, folder / NUMBERS)
    with replacing(folder / ARRAYS) as path:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    for i, model in enumerate(trees):
        with replacing(folder / TREES.format(i)) as path:
            path.write_bytes(model)


def read(folder: str | os.PathLike, kind: str) -> tuple[dict[str, float], dict[str, np.ndarray], tuple[bytes, ...]]:
    """Return numbers, arrays and trees that :func:`write` wrote.

    Raises
    ------
    BundleError
        If a file is absent or damaged, or holds a surrogate of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    try:
        description = read_json(folder / NUMBERS)
        if description["kind"] != kind:
            raise BundleError(f"{folder} holds a surrogate of {description['kind']}, expected one of {kind}")
        trees = tuple((folder / TREES.format(i)).read_bytes() for i in range(description["n_trees"]))
        return description["numbers"], load_file(folder / ARRAYS), trees
    except (DataError, OSError, SafetensorError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} holds no surrogate of {kind} that can be read: {error}") from None


def with_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays under longer names."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def without_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays that :func:`with_prefix` named so, under their own names."""
    return {name.removeprefix(f"{prefix}."): a for name, a in arrays.items() if name.startswith(f"{prefix}.")}
