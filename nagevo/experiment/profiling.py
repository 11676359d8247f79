"""The layers of networks on a device: of those that were delivered, and of any one now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nagevo.foundation.errors import DeviceError
from nagevo.foundation.quantities import LATENCY
from nagevo.foundation.tables import number_column, read_table
from nagevo.measure.latency.layers import layers_table
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from nagevo.measure.latency.base import Device

LAYERS = "layers.csv"
"""Table of the layers of the networks that were delivered for a device, in their folder."""
SLOWER = 1.1
"""Factor, relative to that of all layers together, above which a layer counts as slower than it was."""


def profiled(space: SearchSpace, choices: np.ndarray, device: Device, value: float) -> pd.DataFrame | None:
    """Return the layers of an architecture, whose ``ms`` add up to ``value``; None where the device has no profile.

    Profiling itself takes time, so that each layer gets its share of the latency that the network has without it.

    Parameters
    ----------
    choices : ndarray of int8, shape (n_choices,)

    Returns
    -------
    DataFrame
        ``layer``, ``operator``, ``place``, ``ms``; see :class:`nagevo.measure.latency.layers.Layer`.
    """
    if device.measures != LATENCY:
        return None
    try:
        layers = layers_table(device.layers(space, choices))
    except DeviceError:
        return None
    return layers.assign(ms=value * layers["ms"] / layers["ms"].sum())


def profiles(space: SearchSpace, device: Device, measured: Mapping[str, float], texts: Iterable[str]) -> pd.DataFrame:
    """Return the layers of some architectures, with a column ``architecture``; no rows where there is no profile.

    Parameters
    ----------
    measured : mapping of str to float
        Milliseconds by text.
    texts : iterable of str
    """
    found = {
        text: profiled(space, space.from_text([text])[0], device, measured[text])
        for text in dict.fromkeys(texts)
        if np.isfinite(measured[text])
    }
    tables = [layers.assign(architecture=text) for text, layers in found.items() if layers is not None]
    nothing = layers_table([])
    nothing.insert(0, "architecture", "")
    return pd.concat(tables)[nothing.columns.tolist()] if tables else nothing


def delivered_layers(folder: str | os.PathLike) -> pd.DataFrame:
    """Return the layers in a folder of delivered networks, as :func:`profiles` returned them.

    Raises
    ------
    DataError
        If there is no table of them, or it is damaged.
    """
    path = Path(folder) / LAYERS
    table = read_table(path, ("architecture", "layer", "operator", "place", "ms"))
    return table.assign(ms=number_column(table, "ms", f"table {path}"))


def compared(layers: pd.DataFrame, then: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return layers with the ms that each took ``then``, and which are slower by more than all of them together.

    Parameters
    ----------
    layers, then : DataFrame
        Of one network, as :func:`profiled` returns them.
    """
    layers = layers.assign(then=layers["layer"].map(then.groupby("layer")["ms"].first()))
    factor = max(layers["ms"].sum() / then["ms"].sum(), 1.0)
    slower = layers[layers["ms"] > SLOWER * factor * layers["then"]]
    excess = slower["ms"] - factor * slower["then"]
    return layers, slower.loc[excess.sort_values(ascending=False).index, "layer"].tolist()


def elsewhere(layers: pd.DataFrame, place: str) -> list[str]:
    """Return the layers that do not run where the device runs networks."""
    return layers.loc[(layers["place"] != "") & (layers["place"] != place), "layer"].tolist()
