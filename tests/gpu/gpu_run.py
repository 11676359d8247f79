"""One part of the measurements on a GPU: ``gpu_run.py PART DATA WORK OUT SECONDS full|tiny``; run.sh runs all of them.

A part writes ``OUT/part<number>.json`` after each step, so that a part that is cut short leaves what it has measured.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESERVE = 0.85
"""Share of a part's seconds that it plans for."""


@dataclass(frozen=True)
class Size:
    """How large everything is: on a GPU, or tiny on a processor to try the parts.

    Attributes
    ----------
    space : mapping
        Options of the space that replace those of the ready experiment ``cifar10.yaml``.
    networks, evaluations, monas_evaluations : int
        Networks that are timed, and evaluated by the two searches.
    validation, calibration, batch_size, epochs, finetuning_epochs : int
        How the supernet is trained, and its answers trained on: numbers of examples and of passes over them. There are
        at most ``epochs`` passes, fewer if the time limit comes first.
    timing : mapping
        Options of the devices.
    burst_s : float
        Least seconds over which an energy is read.
    learning : mapping
        Sections of the config for what follows a search.
    cells : mapping
        Options of GAEA's weight-sharing network.
    batches : tuple of int
        Batch sizes of that network that are tried, the published one first.
    seeds : tuple of int
        One search runs for each seed, side by side.
    steps : int
        Steps in which a speed is measured.
    matrix : int
        Side of the matrices whose product tells the peak.
    """

    processor: str = "cuda"
    precision: str = "bfloat16"
    space: Mapping[str, Any] = field(default_factory=dict)
    networks: int = 20
    occasions: int = 3
    inferences: tuple[int, ...] = (1, 64)
    evaluations: int = 200
    monas_evaluations: int = 24
    validation: int = 5000
    calibration: int = 2000
    batch_size: int = 512
    epochs: int = 40
    finetuning_epochs: int = 5
    timing: Mapping[str, Any] = field(default_factory=lambda: {"rounds": 5, "runs": 6, "spread_s": 2.0})
    search_timing: Mapping[str, Any] = field(default_factory=lambda: {"rounds": 3, "runs": 3, "spread_s": 0.5})
    burst_s: float = 0.3
    learning: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[str, Any] = field(default_factory=dict)
    batches: tuple[int, ...] = (64, 256, 1024)
    seeds: tuple[int, ...] = (0, 1)
    steps: int = 20
    matrix: int = 8192


NARROW = {"stem_width": 4, "first_width": 4, "stage_widths": [4, 4, 6, 6, 8], "head_width": 8, "feature_width": 8}
SIZES = {
    "full": Size(),
    "tiny": Size(
        processor="cpu",
        space={"resolutions": [8, 12], "widths": [1.0], "width_multiplier": 1.0, "divisor": 2, **NARROW},
        networks=3,
        inferences=(1,),
        evaluations=8,
        monas_evaluations=4,
        validation=20,
        calibration=24,
        batch_size=24,
        epochs=2,
        finetuning_epochs=1,
        timing={"rounds": 2, "runs": 2, "spread_s": 0.0},
        search_timing={"rounds": 2, "runs": 2, "spread_s": 0.0},
        burst_s=0.005,
        learning={
            "evolve": {"population": 20, "generations": 4},
            "generator": {"steps": 20, "synthetic_devices": 0},
        },
        cells={"width": 4, "cells": 1, "epochs": 1},
        batches=(16,),
        seeds=(0,),
        steps=1,
        matrix=64,
    ),
}


class Part:
    """A part that is being measured: its size, its folders, its time, and what it has found so far.

    Parameters
    ----------
    number : int
    data, work, out : Path
        Folders of the images and tables, of large files, and of results; ``earlier`` is what an earlier run found.
    seconds : float
        Time limit of the part.
    """

    def __init__(self, number: int, size: Size, data: Path, work: Path, out: Path, seconds: float):
        self.number, self.size, self.data, self.work = number, size, data, work
        self.path, self._end, self._start = out / f"part{number}.json", time.monotonic() + seconds, time.monotonic()
        self.earlier = earlier(self.path)
        self.found: dict[str, Any] = {"part": number, "finished": False, "machine": machine(size.processor)}

    def left(self) -> float:
        """Return the seconds that are left to plan with."""
        return RESERVE * (self._end - time.monotonic())

    def add(self, **found: Any) -> None:
        """Write and print what was found; a list is added to the one of the same name."""
        for name, value in found.items():
            known = self.found.get(name)
            self.found[name] = known + value if isinstance(known, list) else value
            print(f"part {self.number}, {time.monotonic() - self._start:.0f} s: {name}: {shown(value)}")
        from nagevo.foundation.writing import replacing

        self.found["seconds"] = round(time.monotonic() - self._start, 1)
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.found, indent=1) + "\n")

    @cached_property
    def weights(self) -> Path:
        """Where the weights of the supernet lie that part 2 trains."""
        return self.work / "supernet.safetensors"


def earlier(path: Path) -> dict[str, Any]:
    """Return what an earlier run of a part found; nothing where there was none."""
    from nagevo.foundation.files import content_of, read_json

    if not path.exists():
        return {}
    with content_of(path, "what an earlier run of a part wrote"):
        found = dict(read_json(path))
        return found | {"finished": bool(found["finished"])}


def machine(processor: str) -> dict[str, Any]:
    """Return what runs the networks, with the version of torch."""
    import torch

    from nagevo.measure.latency import create_device

    return {**create_device("torch", processor=processor).machine, "torch": torch.__version__}


def shown(value: Any) -> str:
    """Return a value as one line, numbers to four digits."""
    return json.dumps(value, default=str)[:400]


def main(arguments: list[str]) -> int:
    """Run one part, unless it is finished; return 0 if it is then."""
    number, data, work, out, seconds, size = arguments
    try:
        if earlier(Path(out) / f"part{number}.json").get("finished"):
            print(f"part {number}: finished before")
            return 0
        part = Part(int(number), SIZES[size], Path(data), Path(work), Path(out), float(seconds))
        importlib.import_module("gpu_parts").PARTS[part.number](part)
    except ImportError as error:
        print(f"part {number}: not run: {error.msg}")
        return 1
    except Exception as error:
        from nagevo.foundation.errors import NagevoError

        if not isinstance(error, NagevoError):
            traceback.print_exc()
        print(f"part {number}: unfinished: {type(error).__name__}: {error}")
        return 1
    part.add(finished=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
