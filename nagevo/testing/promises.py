"""How a check says which promise is broken."""

from __future__ import annotations

import numpy as np


def require(condition: bool, promise: str) -> None:
    """Raise AssertionError with a promise unless a condition holds."""
    if not condition:
        raise AssertionError(f"broken promise: {promise}")


def equal(first: np.ndarray, second: np.ndarray, promise: str) -> None:
    """Raise AssertionError with a promise unless two arrays are equal."""
    np.testing.assert_array_equal(first, second, err_msg=f"broken promise: {promise}")
