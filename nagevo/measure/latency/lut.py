"""Block lookup tables: a few dozen measurements that predict every architecture of the MobileNetV3 space."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.foundation.quantities import LATENCY
from nagevo.foundation.writing import replacing
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.lookup import OVERHEAD, BlockSums, block_name, end_names
from nagevo.measure.latency.timing import TimedDevice
from nagevo.measure.status import OK
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

if TYPE_CHECKING:
    from torch import nn

Part = tuple[Callable[[], "nn.Module"], tuple[int, ...]]
"""Builder of a piece of a network, and its input shape without the batch."""


@dataclass(frozen=True)
class BlockLatencies:
    """The measured blocks of a space on a device, with the fit to whole networks.

    A whole network is predicted as ``overhead_ms`` + ``scale`` · Σ (latency of the block alone − ``overhead_ms``).

    Attributes
    ----------
    blocks : DataFrame
        ``latency_ms`` of each block alone and its ``dispersion_percent``, by name of block.
    overhead_ms : float
        Latency of a network that computes nothing.
    scale : float
        Cost of blocks in a network relative to alone: memory is warmer alone, layouts are converted less often in a
        network.
    rounds : int
        Bursts that each number comes from.
    checks : DataFrame
        ``architecture``, ``latency_ms``, ``predicted_ms``, and ``uncorrected_ms`` (the plain sum of blocks alone) of
        whole networks that the scale was not fitted to.
    """

    blocks: pd.DataFrame
    overhead_ms: float
    scale: float
    rounds: int
    checks: pd.DataFrame

    def error_percent(self, prediction: str = "predicted_ms") -> float:
        """Return the median absolute percentage error of a column of predictions for the checked networks."""
        return float(100.0 * (self.checks[prediction] / self.checks["latency_ms"] - 1.0).abs().median())

    def entries(self) -> dict[str, dict[str, float]]:
        """Return the table as device ``lookup`` and Once-for-All's own code read it.

        Each entry has ``count``, ``mean`` (ms in a network, so that means add up) and ``std`` of the bursts' medians;
        beyond the published format, ``alone`` is the ms that was measured, and the entry ``overhead`` is to be added
        once.
        """
        own = {name: self._entry(*row) for name, *row in self.blocks.itertuples()}
        return own | {OVERHEAD: {"count": self.rounds, "mean": self.overhead_ms, "std": 0.0}}

    def _entry(self, alone: float, dispersion_percent: float) -> dict[str, float]:
        mean = self.scale * max(0.0, alone - self.overhead_ms)
        std = self.scale * alone * dispersion_percent / 100.0
        return {"count": self.rounds, "mean": float(mean), "std": float(std), "alone": float(alone)}

    def write(self, path: str | os.PathLike) -> None:
        """Write the table as YAML."""
        with replacing(path) as temporary:
            temporary.write_text(yaml.safe_dump(self.entries(), sort_keys=False))


def measure_blocks(
    device: Device, space: SearchSpace, *, calibration: int = 10, checks: int = 10, seed: int = 0
) -> BlockLatencies:
    """Return the latencies of all blocks of a space, each timed alone, and how well they predict whole networks.

    Parameters
    ----------
    calibration : int
        Whole networks, the smallest and the largest among them, that ``scale`` is fitted to: the median of the ratios
        of their latency to the sum of their blocks, both without the overhead.
    checks : int
        Whole networks that the predictions are compared with.
    seed : int
        Draws the networks.

    Raises
    ------
    ConfigError
        If the device does not time networks, or the space is not ``mobilenetv3``.
    DeviceError
        If the device cannot be opened or one of the measurements fails.
    """
    if not isinstance(device, TimedDevice) or device.measures != LATENCY:
        raise ConfigError("a lookup table needs a device that times networks: torch, onnxruntime or command")
    if not isinstance(space, MobileNetV3Space):
        raise ConfigError(f"a lookup table needs the space mobilenetv3, whose blocks it names, got {space}")
    if space.rectangle is not None:
        raise ConfigError("a lookup table needs a resolution of one number: it holds blocks of square images")
    extremes, rng = space.extremes(), np.random.default_rng(seed)
    drawn = space.sample_distinct(calibration + checks - len(extremes), rng=rng, exclude=extremes)
    choices = np.concatenate([extremes, drawn])
    alone, whole_ms = _time(device, space, choices)
    n = len(space.resolutions)
    overhead_ms, blocks = float(alone["latency_ms"][OVERHEAD]), alone.drop(index=OVERHEAD)
    sums = BlockSums([(blocks["latency_ms"] - overhead_ms).clip(lower=0.0).to_dict()] * n, space).of(choices)
    scale = float(np.median((whole_ms - overhead_ms)[:calibration] / sums[:calibration]))
    checked = pd.DataFrame(
        {
            "architecture": space.to_text(choices),
            "latency_ms": whole_ms,
            "predicted_ms": overhead_ms + scale * sums,
            "uncorrected_ms": BlockSums([blocks["latency_ms"].to_dict()] * n, space).of(choices),
        }
    )
    return BlockLatencies(blocks, overhead_ms, scale, device.rounds, checked[calibration:])


def _time(device: TimedDevice, space: MobileNetV3Space, choices: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the latencies and dispersions of the parts of networks, by name, and the ms of whole networks."""
    of_parts = parts(space)
    references, networks = (
        [(partial(space.network, row), space.input_shape_of(row)) for row in rows]
        for rows in (space.extremes(), choices)
    )
    builders, shapes = zip(*references, *of_parts.values(), *networks, strict=True)
    table = device.time_networks(builders, shapes, n_references=len(references))
    failed = table["status"][table["status"] != OK]
    if len(failed):
        name = [*of_parts, *space.to_text(choices)][failed.index[0]]
        raise DeviceError(f"{len(failed)} of {len(table)} measurements failed; {name}: {failed.iloc[0]}")
    alone = table.iloc[: len(of_parts)][["latency_ms", "dispersion_percent"]].set_index(pd.Index(of_parts))
    return alone, table["latency_ms"].to_numpy()[len(of_parts) :]


def parts(space: MobileNetV3Space) -> dict[str, Part]:
    """Return every block of a space and whatever else its networks consist of, by name; one computes nothing."""
    from torch import nn

    from nagevo.spaces.separable.network import InvertedResidual, SeparableNetwork

    found: dict[str, Part] = {}
    for _, layout in space.ends():
        network, first, last = SeparableNetwork(layout), layout.sizes[0], layout.sizes[-1]
        features = nn.Sequential(network.feature_mix_layer, nn.Hardswish(), nn.Flatten())
        ends: list[Part] = [
            (partial(_given, network.first_conv), (layout.channels, layout.input_size, layout.input_size)),
            (partial(_given, network.blocks[0]), (layout.stem_width, first, first)),
            (partial(_given, network.final_expand_layer), (layout.blocks[-1].out_width, last, last)),
            (_pooling, (layout.head_width, last, last)),
            (partial(_given, features), (layout.head_width, 1, 1)),
            (partial(_given, network.classifier), (layout.feature_width,)),
        ]
        found |= dict(zip(end_names(layout), ends, strict=True))
    for _, _, block, size in space.slot_blocks():
        found[block_name(block, size)] = partial(InvertedResidual, block), (block.in_width, size, size)
    return found | {OVERHEAD: (nn.Identity, (layout.feature_width,))}


def _given(module: nn.Module) -> nn.Module:
    return module


def _pooling() -> nn.Module:
    """Return a module that takes the mean over all positions as the networks do."""
    from torch import nn

    class Pooling(nn.Module):
        def forward(self, x):
            return x.mean((2, 3), keepdim=True)

    return Pooling()
