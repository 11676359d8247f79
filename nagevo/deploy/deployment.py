"""A network with all that is needed where it runs: weights, preprocessing, and what is known of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nagevo.deploy.model_card import model_card
from nagevo.foundation.errors import DataError, NagevoError
from nagevo.foundation.files import one_line, read_json, write_json
from nagevo.foundation.writing import FILES, checksum, replacing, replacing_folder
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
"""Keys of the description that an ONNX file carries as metadata."""


@dataclass(frozen=True)
class Deployment:
    """A plain network and its description.

    Attributes
    ----------
    network : Module
        In evaluation mode.
    description : mapping
        JSON values: ``architecture``, ``space``, ``input_shape``, ``device``, ``budget_ms``, ``confidence``,
        ``latency_ms``, ``latency_bound_ms``, ``measured_latency_ms`` (null where the search did not measure it),
        ``measures`` (which quantity these are), ``measured``, ``trained`` (false: the weights are random), ``accuracy``
        (percent, by what it was read on; empty if untrained), ``limits``,
        ``state`` (``statistic``, ``condition``, ``disturbed``, ``slowdown`` of the measurements; null where not known),
        ``experiment``, ``seed``, ``machine`` (that distilled), ``device_machine`` (that was measured; null where it is
        not known) and ``versions``. With an evaluator on a dataset also ``classes`` and
        how inputs are prepared: see :meth:`nagevo.measure.accuracy.Evaluator.preprocessing`.
    """

    network: nn.Module
    description: Mapping[str, Any]

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
        try:
            if description.pop(FILES)[WEIGHTS] != checksum(Path(folder) / WEIGHTS):
                raise DataError(f"folder {folder}: {DESCRIPTION} describes other weights than {WEIGHTS} holds")
            space = SPACES.create(**description["space"])
            choices = space.from_text([description["architecture"]])[0]
            if tuple(description["input_shape"]) != space.input_shape_of(choices):
                raise ValueError(f"its input_shape is {description['input_shape']}")
            network = space.network(choices)
            network.load_state_dict(tensors)
            model_card(description, {})
        except NagevoError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
            raise DataError(f"folder {folder} does not hold a network that nagevo wrote: {reason}") from None
        return cls(network.eval(), description)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input, without the batch."""
        return tuple(self.description["input_shape"])

    def save(self, folder: str | os.PathLike) -> None:
        """Write weights and description, whole or not at all; the same content always gives the same bytes."""
        with replacing_folder(folder, DESCRIPTION) as temporary:
            self._write(temporary)

    def export(
        self, folder: str | os.PathLike, *, openvino: bool = False, examples: Examples | None = None
    ) -> dict[str, float]:
        """Write the network in every form that it is deployed in, and run each of them.

        Parameters
        ----------
        folder : path
            Gets the weights with their description, ``network.onnx``, a model card ``README.md``, and where asked
            ``openvino/network.xml``.
        examples : Examples, optional
            Of the test split: ``network.onnx`` is run on them, and the accuracy is added to the description.

        Returns
        -------
        dict of str to float
            By file, the largest difference of an output from torch's.
        """
        with replacing_folder(folder, DESCRIPTION) as temporary:
            differences = {ONNX: self.export_onnx(temporary / ONNX)}
            exported = self if examples is None else self._read(temporary / ONNX, examples)
            exported._write(temporary)
            if openvino:
                differences[OPENVINO] = self._export_openvino(temporary)
            state_shape = getattr(self.network, "state_shape", None)
            (temporary / CARD).write_text(model_card(exported.description, differences, state_shape))
        return differences

    def _read(self, onnx: Path, examples: Examples) -> Deployment:
        """Return this with the accuracy of an ONNX file on the examples of the test split."""
        from nagevo.deploy.export import exported_accuracy, run_onnx

        accuracy = {
            **self.description["accuracy"],
            "exported": exported_accuracy(run_onnx(onnx), self.network, examples),
        }
        return replace(self, description={**self.description, "accuracy": accuracy})

    def export_onnx(self, path: str | os.PathLike) -> float:
        """Write the network as ONNX, run it, and return the largest difference of an output from torch's.

        Raises
        ------
        ExportError
            If the difference is not small; nothing is written then.
        """
        from nagevo.deploy.export import difference_from_torch, export_onnx, run_onnx

        known = {key: self.description[key] for key in METADATA if self.description.get(key) is not None}
        metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}
        with replacing(path) as temporary:
            export_onnx(self.network, self.input_shape, temporary, metadata=metadata)
            return difference_from_torch(run_onnx(temporary), self.network, self.input_shape, Path(path).name)

    def _export_openvino(self, folder: Path) -> float:
        from nagevo.deploy.export import difference_from_torch, export_openvino, run_openvino

        export_openvino(folder / ONNX, folder / OPENVINO)
        return difference_from_torch(run_openvino(folder / OPENVINO), self.network, self.input_shape, OPENVINO)

    def _write(self, folder: Path) -> None:
        save_tensors(self.network.state_dict(), {"architecture": self.description["architecture"]}, folder / WEIGHTS)
        write_json(self.description, folder / DESCRIPTION)
