"""Milliseconds of the layers of a network, as onnxruntime profiles them or hooks in torch time them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

PROFILED_RUNS = 30
NETWORK = "the network"
OUTSIDE = "outside of its modules"


@dataclass(frozen=True)
class Layer:
    """A layer as it runs on a device.

    Attributes
    ----------
    layer : str
        Its name in the graph of the runtime, or in the torch module.
    operator : str
    place : str
        Execution provider or processor that it runs on.
    ms : float
        Median over the profiled runs; profiling itself takes some microseconds of each layer.
    """

    layer: str
    operator: str
    place: str
    ms: float


def layers_table(layers: Iterable[Layer]) -> pd.DataFrame:
    """Return layers as a table with a column for each attribute."""
    import pandas as pd

    return pd.DataFrame([asdict(layer) for layer in layers], columns=list(Layer.__annotations__))


def onnxruntime_layers(events: Sequence[Mapping[str, Any]], *, warmup: int) -> list[Layer]:
    """Return the layers in a profile that onnxruntime wrote, in their order.

    Parameters
    ----------
    events : sequence of mapping
        The list in the JSON file: times are in microseconds.
    warmup : int
        Number of runs at the beginning that do not count.
    """
    kernels = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    n_runs = sum(event.get("name") == "model_run" for event in events)
    times: dict[str, list[float]] = {}
    about: dict[str, Mapping[str, Any]] = {}
    for event in kernels:
        name = event["name"].removesuffix("_kernel_time")
        times.setdefault(name, []).append(event["dur"] / 1000.0)
        about[name] = event["args"]
    return [
        Layer(name, args["op_name"], args.get("provider", ""), _median_ms(times[name], n_runs, warmup))
        for name, args in about.items()
    ]


@contextmanager
def timed_modules(network: nn.Module, *, gpu: bool) -> Iterator[Callable[[int], list[Layer]]]:
    """Time the modules of a network that hold no others, and the network, in the runs that take place meanwhile.

    Torch's profiler makes a small network twice as slow; two readings of the clock for each module take little.

    Parameters
    ----------
    network : Module
    gpu : bool
        Whether the time is that on the GPU, between events there.

    Yields
    ------
    callable
        Returns the layers in their order; it takes the number of runs at the beginning that do not count.
    """
    import torch

    def now() -> Any:
        if not gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    begun: dict[str, list[Any]] = {}
    ended: dict[str, list[tuple[Any, Any]]] = {}
    places: dict[str, str] = {}

    def end(name: str, output: object) -> None:
        ended.setdefault(name, []).append((begun[name].pop(), now()))
        places[name] = output.device.type if isinstance(output, torch.Tensor) else ""

    def layer_of(name: str, module: nn.Module, warmup: int) -> Layer:
        pairs, n_runs = ended[name], len(ended[NETWORK])
        times = [first.elapsed_time(last) if gpu else 1000.0 * (last - first) for first, last in pairs]
        return Layer(name, type(module).__name__, places[name], _median_ms(times, n_runs, warmup))

    def layers(warmup: int) -> list[Layer]:
        if gpu:
            torch.cuda.synchronize()
        whole, *inner = (layer_of(name, module, warmup) for name, module in modules.items() if name in ended)
        rest = whole.ms - sum(layer.ms for layer in inner)
        return [*inner, Layer(OUTSIDE, "functions", whole.place, max(rest, 0.0))]

    inner = {name: module for name, module in network.named_modules() if name and not any(module.children())}
    modules = {NETWORK: network, **inner}
    handles = []
    for name, module in modules.items():
        begin = begun.setdefault(name, [])
        handles.append(module.register_forward_pre_hook(lambda *_, begin=begin: begin.append(now())))
        handles.append(module.register_forward_hook(lambda module, inputs, output, name=name: end(name, output)))
    try:
        yield layers
    finally:
        for handle in handles:
            handle.remove()


def _median_ms(times: Sequence[float], n_runs: int, warmup: int) -> float:
    """Return the median over the runs of the sum of what took place in each."""
    return float(np.median(np.asarray(times, dtype=float).reshape(n_runs, -1).sum(axis=1)[warmup:]))
