"""A network with all that is needed where it runs: weights, preprocessing, and what is known of it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nagevo.deploy.export import (
    TOLERANCE,
    Run,
    difference_from_torch,
    export_onnx,
    export_openvino,
    exported_accuracy,
    run_onnx,
    run_openvino,
)
from nagevo.deploy.model_card import model_card
from nagevo.deploy.quantization import Int8Network, with_batch
from nagevo.foundation.errors import DataError
from nagevo.foundation.files import content_of, read_json, write_json
from nagevo.foundation.quantities import LATENCY
from nagevo.foundation.writing import FILES, check_onnx_name, checksum, replacing, replacing_folder
from nagevo.training.tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from nagevo.training.examples import Examples

WEIGHTS, DESCRIPTION, ONNX, OPENVINO, CARD = (
    "weights.safetensors",
    "network.json",
    "network.onnx",
    "openvino/network.xml",
    "README.md",
)
"""Files of a folder that :meth:`Deployment.save` and :meth:`Deployment.export` write."""
METADATA = (
    "trained",
    "architecture",
    "precision",
    "device",
    "budget_ms",
    "latency_ms",
    "classes",
    "mean",
    "std",
    "crop",
    "experiment",
    "accuracy",
)
"""Keys of the description that an ONNX file carries as metadata: see :attr:`Deployment.metadata`."""


@dataclass(frozen=True)
class Deployment:
    """A plain network and its description.

    Attributes
    ----------
    network : Module
        In evaluation mode, in float32.
    description : mapping
        JSON values: ``architecture``, ``precision``, ``space``, ``input_shape``, ``device``, ``budget_ms``,
        ``confidence``, ``latency_ms``, ``latency_bound_ms``, ``measured_latency_ms`` (null where the search did not
        measure it), ``measures`` (which quantity these are), ``measured``, ``trained`` (false: the weights are random),
        ``accuracy`` (percent, by what it was read on; empty if untrained), ``limits``, ``experiment``, ``seed``,
        ``state`` (``statistic``, ``condition``, ``disturbed``, ``slowdown`` of the measurements; null where not known),
        ``machine`` (that distilled), ``device_machine`` (that was measured; null where it is not known) and
        ``versions``. With an evaluator on a dataset also ``classes`` and how inputs are prepared: see
        :meth:`nagevo.measure.accuracy.Evaluator.preprocessing`.
    quantized : bytes, optional
        Of an architecture in int8: its ONNX model, see :mod:`nagevo.deploy.quantization`.
    """

    network: nn.Module
    description: Mapping[str, Any]
    quantized: bytes | None = None

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Deployment:
        """Return what :meth:`save` wrote.

        Raises
        ------
        DataError
            If the folder is absent, damaged or of another kind.
        """
        from nagevo.spaces import SPACES

        description = read_json(Path(folder) / DESCRIPTION)
        tensors, _ = load_tensors(Path(folder) / WEIGHTS)
        with content_of(Path(folder) / DESCRIPTION, "the description of a network that nagevo wrote"):
            if description.pop(FILES)[WEIGHTS] != checksum(Path(folder) / WEIGHTS):
                raise DataError(f"folder {folder}: {DESCRIPTION} describes other weights than {WEIGHTS} holds")
            space = SPACES.create(**description["space"])
            choices = space.from_text([description["architecture"]])[0]
            if tuple(description["input_shape"]) != space.input_shape_of(choices):
                raise ValueError(f"its input_shape is {description['input_shape']}")
            network = space.network(choices)
            network.load_state_dict(tensors)
            model_card(description, {})
            quantized = (Path(folder) / ONNX).read_bytes() if description.get("precision") == "int8" else None
        return cls(network.eval(), description, quantized)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input, without the batch."""
        return tuple(self.description["input_shape"])

    @property
    def runnable(self) -> nn.Module | Int8Network:
        """The model that predicts as the delivered file does: the network, or its quantized model in int8."""
        return self.network if self.quantized is None else Int8Network(self.quantized)

    @property
    def metadata(self) -> dict[str, str]:
        """The texts that an ONNX file carries; budget and value are named by the quantity, as in ``energy_mj``."""
        quantity = self.description.get("measures", LATENCY)
        names = {"latency_ms": quantity, "budget_ms": f"budget_{quantity.rpartition('_')[2]}"}
        present = [key for key in METADATA if self.description.get(key) is not None]
        known = {names.get(key, key): self.description[key] for key in present}
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}

    def save(self, folder: str | os.PathLike) -> None:
        """Write weights and description, whole or not at all; the same content always gives the same bytes."""
        with replacing_folder(folder, DESCRIPTION) as temporary:
            self._write(temporary)

    def export(
        self,
        folder: str | os.PathLike,
        *,
        openvino: bool = False,
        batch: int | None = 1,
        examples: Examples | None = None,
    ) -> dict[str, float]:
        """Write the network in every form that it is deployed in, and run each of them.

        Parameters
        ----------
        folder : path
            Gets the weights with their description, ``network.onnx``, a model card ``README.md``, and where asked
            ``openvino/network.xml``.
        batch : int or None
            The batch that the files take; None for any.
        examples : Examples, optional
            The test split: ``network.onnx`` is run on it, and the accuracy is added to the description.

        Returns
        -------
        dict of str to float
            By file, the largest difference of an output from torch's, in float32.
        """
        with replacing_folder(folder, DESCRIPTION) as temporary:
            self._write(temporary)
            differences = {ONNX: self.export_onnx(temporary / ONNX, batch=batch)}
            description = dict(self.description)
            if examples is not None:
                exported = exported_accuracy(run_onnx(temporary / ONNX), self.network, examples)
                description["accuracy"] = {**description["accuracy"], "exported": exported}
            write_json(description, temporary / DESCRIPTION)
            if openvino:
                export_openvino(temporary / ONNX, temporary / OPENVINO)
                differences[OPENVINO] = self._difference(run_openvino(temporary / OPENVINO), OPENVINO, batch)
            state_shape = getattr(self.network, "state_shape", None)
            (temporary / CARD).write_text(model_card(description, differences, state_shape, batch))
        return differences

    def export_onnx(self, path: str | os.PathLike, *, batch: int | None = 1) -> float:
        """Write the network as ONNX, run it, and return the largest difference of an output from torch's.

        Raises
        ------
        ExportError
            If the difference is not small, or in int8 an output is not finite; nothing is written then.
        OutputError
            If the name does not end in ``.onnx``, or is that of a part of a folder of nagevo's.
        """
        check_onnx_name(path)
        metadata = self.metadata
        with replacing(path) as temporary:
            if self.quantized is None:
                export_onnx(self.network, self.input_shape, temporary, batch=batch, metadata=metadata)
            else:
                temporary.write_bytes(with_batch(self.quantized, batch, metadata))
            return self._difference(run_onnx(temporary), Path(path).name, batch)

    def _difference(self, run: Run, name: str, batch: int | None) -> float:
        tolerance = TOLERANCE if self.quantized is None else math.inf
        return difference_from_torch(
            run, self.network, self.input_shape, name, batch=3 if batch is None else batch, tolerance=tolerance
        )

    def _write(self, folder: Path) -> None:
        save_tensors(self.network.state_dict(), {"architecture": self.description["architecture"]}, folder / WEIGHTS)
        if self.quantized is not None:
            (folder / ONNX).write_bytes(self.quantized)
        write_json(self.description, folder / DESCRIPTION)
