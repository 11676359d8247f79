"""Tensors on disk: equal content gives equal bytes, and damage is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line
from nagevo.foundation.writing import replacing

METADATA = "nagevo"
"""Key of the metadata of a file: JSON with a description of the tensors, and a checksum of both."""


def save_tensors(tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write tensors as safetensors with JSON metadata and a checksum; equal content always gives equal bytes.

    All metadata are one entry: safetensors writes several in an order of its own each time.
    """
    contiguous, text = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, _json(about)
    entry = _json({"about": text, "sha256": digest(contiguous, text)})
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata={METADATA: entry})


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True)


def digest(tensors: Mapping[str, torch.Tensor], text: str = "") -> str:
    """Return the SHA-256 of names, types, shapes and values of tensors, and of a text."""
    computed = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        computed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        computed.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return computed.hexdigest()


def load_tensors(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the metadata that :func:`save_tensors` wrote.

    Raises
    ------
    DataError
        If the file is absent, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            entry = json.loads(file.metadata()[METADATA])
            text, expected = entry["about"], entry["sha256"]
    except FileNotFoundError:
        raise DataError(f"weights {path} do not exist") from None
    except Exception as error:  # safetensors and torch raise many kinds for a damaged file
        reason = one_line(error)
        raise DataError(f"weights {path} were not written by this nagevo or are damaged ({reason})") from None
    if digest(tensors, text) != expected:
        raise DataError(f"weights {path} are damaged or were changed (checksum differs): train them again")
    return tensors, json.loads(text)


def under_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, named without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
