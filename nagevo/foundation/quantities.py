"""Quantities that a device can measure of an architecture: latency unless the config says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nagevo.foundation.errors import ConfigError, DataError, unknown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LATENCY: Final = "latency_ms"
ENERGY: Final = "energy_mj"
FILE_SIZE: Final = "file_kb"


@dataclass(frozen=True)
class Quantity:
    """The words for a quantity, its unit, and the adjective of a network that has less of it."""

    words: str
    unit: str
    smaller: str


QUANTITIES = {
    LATENCY: Quantity("latency", "ms", "faster"),
    ENERGY: Quantity("energy", "mJ", "more frugal"),
    FILE_SIZE: Quantity("file size", "kB", "smaller"),
}
"""Quantities by name, which is also the name of the limit and of the column of a table."""
LEAST, MOST = 1e-12, 1e12
"""Values of any quantity: from a femtosecond to thirty years, which no network takes. Their products stay finite."""
RANGE = f"a number from {LEAST:g} to {MOST:g}"
"""The description of a possible value."""


def checked(name: str) -> str:
    """Return the name of a quantity.

    Raises
    ------
    ConfigError
        If there is no such quantity.
    """
    if name not in QUANTITIES:
        raise ConfigError(unknown("quantity", name, QUANTITIES))
    return name


def column_name(quantity: str, device: str) -> str:
    """Return the name of the column that holds a quantity of a device.

    >>> column_name("energy_mj", "phone")
    'energy_mj_phone'
    """
    return f"{quantity}_{device}"


def split_column_name(column: str) -> tuple[str, str]:
    """Return the quantity and the device of a column; two empty texts if it holds neither.

    >>> split_column_name("energy_mj_phone"), split_column_name("accuracy")
    (('energy_mj', 'phone'), ('', ''))
    """
    for quantity in QUANTITIES:
        device = column.removeprefix(f"{quantity}_")
        if device and device != column:
            return quantity, device
    return "", ""


def possible(values: np.ndarray) -> np.ndarray:
    """Return which numbers a device can have measured of a quantity: bool, of the same shape; NaN is none."""
    return (values >= LEAST) & (values <= MOST)


def value_column(table: pd.DataFrame, column: str, where: str) -> np.ndarray:
    """Return a column of values of a quantity, shape (n_rows,); NaN where a cell is empty.

    Raises
    ------
    DataError
        If a cell is no value that can have been measured; ``where`` is the table's name in the message.
    """
    from nagevo.foundation.tables import number_column, refuse

    values = number_column(table, column, where)
    refuse(table, column, ~possible(values) & (values == values), RANGE, where)
    return values


def measured_quantity(table: pd.DataFrame, where: str) -> str:
    """Return the quantity that a table of one device holds.

    Raises
    ------
    DataError
        If it has a column of none, or of several; ``where`` is the table's name in the message.
    """
    found = [name for name in QUANTITIES if name in table]
    if len(found) != 1:
        raise DataError(
            f"{where}: expected one of the columns {', '.join(QUANTITIES)}, got {', '.join(found) or 'none'}"
        )
    return found[0]
