"""Architectures as ONNX files with an index, to be measured on a device that only its owner can reach."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nagevo.deploy.models import built, model_for_timing
from nagevo.foundation.errors import ExportError
from nagevo.foundation.files import one_line
from nagevo.foundation.progress import track
from nagevo.foundation.quantities import LATENCY
from nagevo.foundation.tables import write_table
from nagevo.foundation.writing import replacing_folder
from nagevo.spaces.base import SearchSpace

INDEX, LISTING = "index.csv", "manifest.json"
"""The table to fill in, and the list of all files with their checksums: an index that was filled in is kept."""


def export_probes(space: SearchSpace, choices: np.ndarray, folder: str | os.PathLike) -> pd.DataFrame:
    """Write the ONNX file of each architecture and an index of them, and return the index.

    Parameters
    ----------
    choices : ndarray of int8, shape (n, n_choices)
        Distinct.
    folder : path
        A new one, an empty one, or one of earlier probes whose index was not filled in yet.

    Returns
    -------
    DataFrame
        ``file``, ``architecture``, ``latency_ms`` (empty) and ``status`` (why there is no file, else empty): what
        :meth:`nagevo.generator.generator.Generator.adapt` is told, once latencies are filled in.

    Raises
    ------
    ExportError
        If not one of them can be exported.
    """
    rows = []
    digits = len(str(len(choices) - 1))
    with replacing_folder(folder, LISTING) as new:
        for number, (text, row) in enumerate(zip(space.to_text(choices), track(choices, "exporting"), strict=True)):
            name, status = f"{number:0{digits}d}.onnx", None
            try:
                model = model_for_timing(built(space, row), space.input_shape_of(row), 1)
                (new / name).write_bytes(model)
            except Exception as error:  # whatever a network or an exporter raises is the row's status
                name, status = "", one_line(error)[:200]
            rows.append({"file": name, "architecture": text, LATENCY: None, "status": status})
        index = pd.DataFrame(rows)
        if index["status"].notna().all():
            raise ExportError(f"none of {len(index)} networks can be exported, the first: {index['status'].iloc[0]}")
        write_table(index, new / INDEX)
    return index
