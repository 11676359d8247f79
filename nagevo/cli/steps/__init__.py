"""``nagevo step …``: the commands that the workflow's rules call, one module each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nagevo.experiment.config import Experiment
    from nagevo.measure.measurements import Measurements
    from nagevo.spaces.base import SearchSpace


def read_measured(
    experiment: Experiment, space: SearchSpace, measurements: Path, conditions: Path, cheap: Path | None = None
) -> Measurements:
    """Return what was measured for the experiment's devices, from the files that earlier steps wrote."""
    from dataclasses import replace

    from nagevo.measure.latency.condition import read_conditions
    from nagevo.measure.measurements import Measurements, read_cheap

    measured = Measurements.from_files([measurements], space).for_devices(list(experiment.devices))
    return replace(measured, conditions=read_conditions(conditions), cheap=read_cheap(cheap, space))
