"""Latencies of torch networks, on this machine's processor or on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from nagevo.deploy.models import built
from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.foundation.machine import describe_machine
from nagevo.foundation.options import Option
from nagevo.foundation.quantities import ENERGY
from nagevo.measure.latency.energy import Counter, LocalDevice, NVMLCounter, PowercapCounter
from nagevo.measure.latency.layers import PROFILED_RUNS, Layer, timed_modules
from nagevo.measure.latency.timing import Burst, Prepare
from nagevo.training.accelerator import torch_threads

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nagevo.spaces.base import SearchSpace

RUNS_BEFORE_RECORDING = 3


@dataclass(frozen=True, kw_only=True)
class TorchDevice(LocalDevice):
    """Run the network as ``answer.network()`` delivers it: eager torch, eval mode, ``torch.inference_mode``.

    Batch normalization is not folded into the convolutions, nothing is compiled, and the inputs lie in the memory of
    the processor already. Energies are read from RAPL, or on a GPU from NVML.
    """

    processor: Annotated[Literal["cpu", "cuda"], Option("Processor that runs the network.")] = "cpu"
    channels_last: Annotated[bool, Option("Whether tensors have torch's memory format channels_last.")] = False
    cuda_graphs: Annotated[
        bool,
        Option("On a GPU: whether a run replays a recorded CUDA graph, so that launching kernels takes no time."),
    ] = False

    runs_files: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cuda_graphs and self.processor != "cuda":
            raise ConfigError(f"cuda_graphs: expected processor cuda, got {self.processor}")

    @property
    def machine(self) -> Mapping[str, str | int]:
        """This machine, with the GPU as its processor where the networks run there."""
        if self.processor == "cpu":
            return describe_machine()
        import torch

        return {**describe_machine(), "processor": torch.cuda.get_device_name()}

    @contextmanager
    def opened(self) -> Iterator[Prepare]:
        """Set torch to the threads of the device as long as it is open."""
        import torch

        if self.processor == "cuda" and not torch.cuda.is_available():
            raise DeviceError("processor cuda: torch finds no GPU on this machine (torch.cuda.is_available() is False)")
        counter: Counter | None = None
        if self.measures == ENERGY:
            counter = NVMLCounter() if self.processor == "cuda" else PowercapCounter()
        with torch_threads(self.threads), torch.inference_mode():
            yield partial(self._prepare, counter)

    def layers(self, space: SearchSpace, choices: np.ndarray) -> list[Layer]:
        with self.opened():
            network = built(space, choices)
            burst = replace(self, runs=PROFILED_RUNS, cuda_graphs=False)._prepare(
                None, network, space.input_shape_of(choices)
            )
            assert not isinstance(network, Path | bytes)
            with timed_modules(network.eval(), gpu=self.processor == "cuda") as layers:
                burst()
            return layers(self.warmup)

    @property
    def place(self) -> str:
        return self.processor

    def _prepare(
        self, counter: Counter | None, network: nn.Module | Path | bytes, input_shape: tuple[int, ...]
    ) -> Burst:
        import torch

        from nagevo.spaces.traced import inputs_for

        if isinstance(network, bytes):
            raise DeviceError("backend torch runs float32 alone; expected backend onnxruntime or command for int8")
        if isinstance(network, Path):
            raise DeviceError("backend torch runs no ONNX files; expected backend onnxruntime or command")
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        placed: nn.Module = network.to(self.processor, memory_format=layout)  # type: ignore[call-overload]
        given = [each.to(self.processor) for each in inputs_for(placed, input_shape, self.batch)]
        inputs = [each.contiguous(memory_format=layout) if each.ndim == 4 else each for each in given]
        run: Callable[[], object] = partial(placed, *inputs)
        if self.cuda_graphs:
            run = _recorded(run)
        if self.processor == "cuda" and counter is None:
            return partial(self._time_on_gpu, run)
        settle = torch.cuda.synchronize if self.processor == "cuda" else None
        return self.burst(run, counter, settle=settle)

    def _time_on_gpu(self, run: Callable[[], object]) -> list[float]:
        """Return the ms between the events before and after each timed run."""
        import torch

        for _ in range(self.warmup):
            run()
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(self.runs)]
        for start, end in events:
            start.record()
            run()
            end.record()
            end.synchronize()
        return [start.elapsed_time(end) for start, end in events]


def _recorded(run: Callable[[], object]) -> Callable[[], object]:
    """Return a function that replays the kernels of a run as a CUDA graph, on the same memory."""
    import torch

    stream = torch.cuda.Stream()  # libraries allocate and choose kernels before the recording
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(RUNS_BEFORE_RECORDING):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
