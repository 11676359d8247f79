"""Networks by name, one choice: a folder of ONNX files, or a function that builds a network of each name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from nagevo.foundation.errors import ConfigError, optional_packages
from nagevo.foundation.files import one_line
from nagevo.foundation.options import EMPTY, Option
from nagevo.foundation.registry import Kind
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.memory import PEAK, WEIGHTS

if TYPE_CHECKING:
    from torch import nn


class CatalogSpace(SearchSpace):
    """A list of finished networks.

    With ``path`` they are the ONNX files in a folder, measured as they are by devices that run ONNX; the text of an
    architecture is the name of its file without the ending. With ``build`` a function returns the network of each
    name, such as ``timm:create_model``.

    Notes
    -----
    Networks are ordered by their size in bytes (files) or as they are listed. A file is one input, float32, with a
    batch in front; a size that the file leaves open, other than the batch, is refused.
    """

    choice_names = ("network",)

    def __init__(
        self,
        *,
        path: Annotated[str | os.PathLike | None, Option("Folder of ONNX files.", path=True)] = None,
        build: Annotated[
            str | None, Option("Function that builds a network of a name, as `package.module:function`.")
        ] = None,
        networks: Annotated[
            Sequence[str] | None,
            Option("Names of the networks, for `build` or of files without their ending; null for all files."),
        ] = None,
        options: Annotated[Mapping[str, Any], Option("Further arguments of `build`.")] = EMPTY,
        input_shape: Annotated[
            Sequence[Annotated[int, Option("", ge=1)]] | None,
            Option("Shape of an input without the batch, for `build`.", min_length=1, max_length=4),
        ] = None,
    ):
        if (path is None) == (build is None):
            raise ConfigError("space: expected either path (a folder of ONNX files) or build (a function)")
        if build is not None and (not networks or input_shape is None):
            raise ConfigError("space: expected networks (names) and input_shape beside build")
        self.build, self.options = build, dict(options)
        self._shape = None if input_shape is None else tuple(int(size) for size in input_shape)
        self.files = None if path is None else _files(Path(path), networks)
        self.names = tuple(self.files) if self.files is not None else tuple(map(str, networks or ()))
        if len(set(self.names)) < len(self.names):
            raise ConfigError("space.networks: expected different names")
        if len(self.names) < 2:
            raise ConfigError(f"space: expected at least 2 networks, got {len(self.names)}")
        self.n_options = (len(self.names),)

    def to_text(self, choices: np.ndarray) -> list[str]:
        return [self.names[option] for option in choices[:, 0]]

    def words(self, choices: np.ndarray) -> list[str]:
        return self.to_text(choices[None])

    def _parse(self, text: str) -> list[int]:
        if text not in self.names:
            raise ValueError("it has no network of that name")
        return [self.names.index(text)]

    def lists(self, texts: Sequence[str]) -> np.ndarray:
        return np.isin(np.asarray(texts, dtype=object).astype(str), self.names)

    def extremes(self) -> np.ndarray:
        parameters = self.costs(self.enumerate())["parameters"]
        return np.array([[parameters.argmin()], [parameters.argmax()]], dtype=np.int8)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.input_shape_of(np.array([len(self.names) - 1]))

    def input_shape_of(self, choices: np.ndarray) -> tuple[int, ...]:
        return self._shape or self._facts[self.names[int(choices[0])]][0]

    def onnx_file(self, choices: np.ndarray) -> Path | None:
        return None if self.files is None else self.files[self.names[int(choices[0])]]

    def network(self, choices: np.ndarray) -> nn.Module:
        name = self.names[int(choices[0])]
        if self.build is None:
            raise ConfigError(f"{name} is an ONNX file, no torch network; devices onnxruntime and command run it")
        network = Kind("space.build", {}).resolve(self.build)(name, **self.options)
        if not hasattr(network, "eval"):
            got = type(network).__name__
            raise ConfigError(f"space.build: expected a torch module from {self.build} for {name}, got {got}")
        return network.eval()

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, n_networks + 1)
            The network as a one-hot vector, and the logarithm to base 10 of its parameters.
        """
        return np.column_stack([super().features(choices), np.log10(self.costs(choices)["parameters"] + 1)]).astype(
            np.float32
        )

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return the ``parameters`` (weights, of files everything that they hold): int64, shape (n,)."""
        parameters = np.array([parameters for _, parameters in self._facts.values()], dtype=np.int64)
        return {"parameters": parameters[choices[:, 0]]}

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        if self.files is None:
            return super().memory(choices, precision)
        return {
            name: np.array([self._memory_of_files[option][name] for option in choices[:, 0]], dtype=float)
            for name in (PEAK, WEIGHTS)
            if all(name in found for found in self._memory_of_files)
        }

    @cached_property
    def _memory_of_files(self) -> list[dict[str, float]]:
        """Memory needs of each file, in order; computed at the first access."""
        from nagevo.spaces.onnx_graph import memory_of_file

        return [memory_of_file(path) for path in (self.files or {}).values()]

    @cached_property
    def _facts(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Input shape and number of parameters by name, read when first needed."""
        if self.files is not None:
            return {name: _onnx_facts(path) for name, path in self.files.items()}
        import torch

        facts = {}
        for option, name in enumerate(self.names):
            with torch.device("meta"):
                network = self.network(np.array([option]))
            facts[name] = (self._shape or (), sum(parameter.numel() for parameter in network.parameters()))
        return facts

    def __str__(self) -> str:
        return f"the catalog of {len(self.names)} networks"


def _files(folder: Path, names: Sequence[str] | None) -> dict[str, Path]:
    """Return the ONNX files of a folder by name, the smallest first."""
    if not folder.is_dir():
        raise ConfigError(f"space.path: expected a folder of ONNX files, got {folder}")
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".onnx"}
    if not found:
        raise ConfigError(f"space.path: found no file *.onnx in {folder}")
    missing = [name for name in names or () if name not in found]
    if missing:
        raise ConfigError(f"space.networks: {folder} has no {missing[0]}.onnx; it has {', '.join(found)}"[:300])
    chosen = {name: path for name, path in found.items() if not names or name in names}
    return dict(sorted(chosen.items(), key=lambda item: (item[1].stat().st_size, item[0])))


def _onnx_facts(path: Path) -> tuple[tuple[int, ...], int]:
    """Return the shape of an input of an ONNX file without the batch, and how many weights it holds."""
    with optional_packages("a folder of ONNX files"):
        import onnx
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf raises many kinds
        raise ConfigError(f"file {path} is not an ONNX model: {one_line(error)[:100]}") from None
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ConfigError(f"file {path}: expected one input, got {len(inputs)}")
    sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
    if len(sizes) < 2 or not all(sizes[1:]):
        raise ConfigError(f"file {path}: expected an input of fixed shape after the batch, got {sizes}")
    return tuple(sizes[1:]), sum(
        prod(tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type != onnx.TensorProto.INT64  # shapes
    )
