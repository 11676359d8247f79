"""Layers of the delivered networks with their latencies, for the page."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nagevo.deploy.config import DELIVERED, INDEX
from nagevo.experiment.explaining import MOST_LAYERS, neighbors
from nagevo.experiment.profiling import delivered_layers, elsewhere
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.files import content_of, read_json
from nagevo.generator.generator import Generator


def delivered(generator: Generator, folder: str | os.PathLike, devices: Iterable[str]) -> list[dict[str, Any]]:
    """Return the delivered networks whose layers were profiled, with the slowest layers and the answers next to them.

    Parameters
    ----------
    generator : Generator
    folder : path
        Holds a folder of delivered networks for each device.
    devices : iterable of str

    Returns
    -------
    list of dict
        ``device``, ``asked``, ``architecture``, ``measured``, ``kept``, ``layers`` (``layer``, ``operator``, ``place``,
        ``ms``), ``n_layers``, ``elsewhere`` (layers that do not run where the device runs networks), ``faster`` and
        ``better`` (see :func:`nagevo.experiment.explaining.neighbors`).
    """
    networks: list[dict[str, Any]] = []
    for device in devices:
        path = Path(folder) / device / INDEX
        if not path.is_file():
            continue
        index: Any = read_json(path)
        with content_of(path, DELIVERED):
            layers, confidence = delivered_layers(path.parent), float(index["confidence"])
            for network in index["networks"]:
                rows = layers[layers["architecture"] == network["architecture"]]
                (answer,) = generator.answers([network["asked"]], device=device, confidence=confidence)
                if not len(rows) or isinstance(answer, InfeasibleBudget):
                    continue
                known = {key: network[key] for key in ("asked", "architecture", "measured", "kept")}
                shown = rows.nlargest(MOST_LAYERS, "ms")[["layer", "operator", "place", "ms"]].to_dict("records")
                away = elsewhere(rows, index["place"])
                more = {"device": device, "layers": shown, "n_layers": len(rows), "elsewhere": away}
                networks.append(known | more | neighbors(generator, answer))
    return networks
