"""Images in the file format of MNIST, which Fashion-MNIST and others share."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.options import Option
from nagevo.training.datasets.base import Pool, Source

PREFIXES = {"train": "train", "test": "t10k"}
"""By split, what the names of its files begin with."""
UNSIGNED_BYTE = 0x08


def idx(
    *,
    path: Annotated[str | os.PathLike, Option("Folder of the files.", path=True)],
    classes: Annotated[
        Sequence[str] | None, Option("Names of the classes in the order of the labels; null for the labels.")
    ] = None,
) -> Source:
    """Return the images of a folder with ``{train,t10k}-{images-idx3,labels-idx1}-ubyte``, gzipped or not.

    Raises
    ------
    DataError
        If a file is absent, damaged, or of another kind.

    References
    ----------
    LeCun, Cortes, Burges, "The MNIST database of handwritten digits": file formats.
    """
    folder = Path(path)
    pools = {split: _pool(folder, prefix) for split, prefix in PREFIXES.items()}
    n_classes = 1 + max(int(pool.labels.max(initial=0)) for pool in pools.values())
    return Source(folder.name, tuple(classes or map(str, range(n_classes))), pools)


def _pool(folder: Path, prefix: str) -> Pool:
    images = read_idx(folder, f"{prefix}-images-idx3-ubyte", dimensions=3)
    labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte", dimensions=1).astype(np.int64)
    if len(images) != len(labels):
        raise DataError(f"{folder}: {prefix} has {len(images)} images and {len(labels)} labels")
    return Pool(images, labels)


def read_idx(folder: Path, name: str, *, dimensions: int) -> np.ndarray:
    """Return the array of unsigned bytes in a file, or in its gzipped form with ``.gz`` after the name."""
    plain, zipped = folder / name, folder / f"{name}.gz"
    path = plain if plain.is_file() else zipped
    try:
        content = path.read_bytes() if path is plain else gzip.decompress(path.read_bytes())
        shape = np.frombuffer(content, ">i4", count=dimensions, offset=4)
        if content[2] != UNSIGNED_BYTE or content[3] != dimensions:
            raise ValueError(f"expected unsigned bytes in {dimensions} dimensions")
        return np.frombuffer(content, np.uint8, offset=4 * (1 + dimensions)).reshape(shape)
    except FileNotFoundError:
        raise DataError(f"file {plain} does not exist, nor does {zipped.name}") from None
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise DataError(f"file {path} cannot be read as idx: {error}") from None
