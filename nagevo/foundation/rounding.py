"""Rounding of promised numbers upwards, so that the promise also holds for the number as printed."""

from __future__ import annotations

import math


def rounded_up(value: float, digits: int = 4) -> str:
    """Return the shortest text of at most so many significant digits whose number is no smaller than the value.

    Examples
    --------
    >>> rounded_up(0.071234), rounded_up(0.0712), rounded_up(2.0), rounded_up(1234567.0, 6), rounded_up(math.inf)
    ('0.07124', '0.0712', '2', '1.23457e+06', 'inf')
    """
    text = f"{value:.{digits}g}"
    if float(text) >= value or not math.isfinite(value):
        return text
    step = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    return f"{float(text) + step:.{digits}g}"
