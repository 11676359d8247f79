"""Trained weights in files of other programs, read so that nothing in them can run code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line


def read_state(path: str | os.PathLike) -> Mapping[str, torch.Tensor]:
    """Return the state dict in a ``.safetensors`` file, or in one that ``torch.save`` wrote.

    In the latter it may stand under the key ``state_dict``.

    Raises
    ------
    DataError
        If the file is absent, damaged, or holds anything but tensors by name.
    """
    if not Path(path).exists():
        raise DataError(f"file {path} does not exist")
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, weights_only=True, map_location="cpu")
        state = content.get("state_dict", content)
        if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
            raise TypeError("it holds more than tensors by name")
    except Exception as error:  # damaged files and foreign objects raise many kinds
        raise DataError(f"file {path} is not a state dict of torch: {one_line(error)[:100]}") from None
    return state
