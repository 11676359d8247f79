"""What a device can measure of an architecture, and a limit be set on: latency unless the config says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from nagevo.foundation.errors import ConfigError, unknown

LATENCY, ENERGY, FILE_SIZE = "latency_ms", "energy_mj", "file_kb"


@dataclass(frozen=True)
class Quantity:
    """What a quantity is called, and its unit."""

    words: str
    unit: str


QUANTITIES = {
    LATENCY: Quantity("latency", "ms"),
    ENERGY: Quantity("energy", "mJ"),
    FILE_SIZE: Quantity("file size", "kB"),
}
"""By the name of the limit. Columns of tables and attributes of answers that are called ``latency_ms`` hold whatever
quantity the device measures."""


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
