"""Latencies of exported networks in onnxruntime."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nagevo.deploy.models import built, model_for_timing
from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.foundation.machine import describe_machine
from nagevo.foundation.options import Option
from nagevo.foundation.quantities import ENERGY
from nagevo.measure.latency.energy import Counter, LocalDevice, PowercapCounter
from nagevo.measure.latency.layers import PROFILED_RUNS, Layer, onnxruntime_layers
from nagevo.measure.latency.timing import Burst, Prepare

if TYPE_CHECKING:
    import numpy as np
    from onnxruntime import InferenceSession
    from torch import nn

    from nagevo.spaces.base import SearchSpace


CPU = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True)
class ONNXRuntimeDevice(LocalDevice):
    """Run the exported ONNX file in onnxruntime, with all graph optimizations.

    Inputs and logits lie in the memory of the processor; with the provider of a GPU their transfer is in the latency.
    Energies are read from RAPL.
    """

    provider: Annotated[str, Option("Execution provider.")] = CPU

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.measures == ENERGY and self.provider != CPU:
            raise ConfigError(
                f"measures: the energy is that of the processor: expected provider {CPU}, got {self.provider}"
            )

    @property
    def machine(self) -> Mapping[str, str | int]:
        """This machine, with the provider named beside the processor where that does not run the networks."""
        machine = describe_machine()
        if self.provider == CPU:
            return machine
        return {**machine, "processor": f"{self.provider} beside {machine['processor']}"}

    @contextmanager
    def opened(self) -> Iterator[Prepare]:
        """Check that onnxruntime has the provider."""
        import onnxruntime

        available = onnxruntime.get_available_providers()
        if self.provider not in available:
            raise DeviceError(f"provider {self.provider} is not in this onnxruntime; it has {', '.join(available)}")
        counter = PowercapCounter() if self.measures == ENERGY else None
        yield partial(self._prepare, counter)

    def layers(self, space: SearchSpace, choices: np.ndarray) -> list[Layer]:
        network, input_shape = built(space, choices), space.input_shape_of(choices)
        with self.opened(), tempfile.TemporaryDirectory(prefix="nagevo-") as folder:
            session, feed = self._session(network, input_shape, profile=Path(folder) / "profile")
            for _ in range(self.warmup + PROFILED_RUNS):
                session.run(None, feed)
            events = json.loads(Path(session.end_profiling()).read_text())
        return onnxruntime_layers(events, warmup=self.warmup)

    @property
    def place(self) -> str:
        return self.provider

    def _prepare(
        self, counter: Counter | None, network: nn.Module | Path | bytes, input_shape: tuple[int, ...]
    ) -> Burst:
        session, feed = self._session(network, input_shape)
        return self.burst(lambda: session.run(None, feed), counter)

    def _session(
        self, network: nn.Module | Path | bytes, input_shape: tuple[int, ...], *, profile: Path | None = None
    ) -> tuple[InferenceSession, dict[str, np.ndarray]]:
        """Return what runs a network, and its inputs; with ``profile`` it begins a file of that name."""
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3  # errors only
        model = model_for_timing(network, input_shape, self.batch)
        session = onnxruntime.InferenceSession(model, options, providers=[self.provider])
        if session.get_providers()[0] != self.provider:
            raise DeviceError(f"provider {self.provider} cannot be loaded here; onnxruntime fell back to another")
        feed = {}
        for taken in session.get_inputs():
            fixed = all(isinstance(size, int) for size in taken.shape)
            dtype = np.int64 if taken.type == "tensor(int64)" else np.float32
            feed[taken.name] = np.zeros(taken.shape if fixed else (self.batch, *input_shape), dtype=dtype)
        return session, feed
