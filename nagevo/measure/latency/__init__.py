"""Devices by the name of their backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nagevo.foundation.quantities import checked
from nagevo.foundation.registry import Kind
from nagevo.measure.latency.base import Device

BACKENDS = Kind(
    "backend",
    {
        "torch": "nagevo.measure.latency.torch:TorchDevice",
        "onnxruntime": "nagevo.measure.latency.onnxruntime:ONNXRuntimeDevice",
        "command": "nagevo.measure.latency.command:CommandDevice",
        "table": "nagevo.measure.latency.table:TableDevice",
        "lookup": "nagevo.measure.latency.lookup:LookupDevice",
        "onnx_file": "nagevo.measure.latency.onnx_file:ONNXFileDevice",
        "nasbench_graph": "nagevo.measure.latency.nasbench_graph:NASBenchGraphDevice",
    },
    Device,
)


def create_device(backend: str, **options: Any) -> Device:
    """Return the device with this backend (built in, or ``package.module:Class``) and its options."""
    return BACKENDS.create(backend, **options)


def quantity(backend: str, options: Mapping[str, Any]) -> str:
    """Return what the device with this backend and these options measures.

    Raises
    ------
    ConfigError
        If the backend is unknown, or says that it measures what nagevo knows nothing of.
    """
    return checked(options.get("measures", BACKENDS.resolve(backend).measures))
