"""A whole search in one process: rounds of proposals, accuracies and latencies."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.experiment.measuring import extra_architectures, profile, score
from nagevo.experiment.sections import named_code, named_files
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.progress import track
from nagevo.foundation.sources import Sources
from nagevo.foundation.tables import read_table, write_table
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.condition import RUNS, conditions
from nagevo.measure.measurements import Measurements
from nagevo.measure.rounds import join_batches, join_rounds
from nagevo.measure.status import ACCURACY
from nagevo.measure.tables import parse_architectures
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def unfinished(
    output: str | os.PathLike, experiment: Experiment, *, weights: str | os.PathLike | None = None
) -> Iterator[Path]:
    """Yield the folder beside a table in which its search keeps what it measured; it goes when the block has ended.

    The block writes the table. Where it is interrupted, the folder stays, and the same search goes on with it: that of
    the same config, whose files and code of the user's own have not changed since.
    """
    sections = {key: experiment.raw[key] for key in ("seed", "space", "accuracy", "devices", "search")}
    files = named_files(sections) + ([] if weights is None else [os.fspath(weights)])
    about = [
        sections,
        Sources().hash(*named_code(sections)),
        [(file, os.stat(file).st_mtime_ns) for file in files if os.path.exists(file)],
    ]
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    target = Path(os.path.realpath(output))
    folder = target.with_name(f".{target.name}.{key}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def search_experiment(
    experiment: Experiment,
    *,
    weights: str | os.PathLike | None = None,
    trained: str | os.PathLike | None = None,
    kept: Path | None = None,
) -> Measurements:
    """Return the measurements of an experiment's search, in the order in which they were made.

    Parameters
    ----------
    weights, trained : path, optional
        As for :meth:`Experiment.open_evaluator`.
    kept : Path, optional
        As for :func:`run_search`.
    """
    space, (n_full, n_cheap) = experiment.create_space(), experiment.effort
    opened = partial(experiment.open_evaluator, space, weights, trained=trained)
    return run_search(
        space,
        opened(cheap=False),
        {name: device.create() for name, device in experiment.devices.items()},
        experiment.create_strategy(space, tuple(experiment.devices)),
        evaluations=n_full,
        cheap=(opened(cheap=True), n_cheap) if n_cheap else None,
        rounds=experiment.search.rounds,
        extra_measurements={name: device.extra_measurements for name, device in experiment.devices.items()},
        seed=experiment.seed,
        kept=kept,
    )


def run_search(
    space: SearchSpace,
    evaluator: Evaluator,
    devices: Mapping[str, Device],
    strategy: Strategy,
    *,
    evaluations: int,
    cheap: tuple[Evaluator, int] | None = None,
    rounds: int | None = None,
    extra_measurements: Mapping[str, int | str] | None = None,
    seed: int = 0,
    kept: Path | None = None,
) -> Measurements:
    """Return everything that was measured, in the order in which it was read.

    Parameters
    ----------
    devices : mapping of str to Device
    strategy : Strategy
        Made for the same space and devices, without measurements yet.
    evaluations : int
        Distinct architectures whose accuracy is read.
    cheap : tuple of Evaluator and int, optional
        Evaluator for the cheap readings after the first round, and their number. The result's ``cheap`` holds them.
    rounds : int, optional
        Number of rounds that they are split into; the strategy's own by default.
    extra_measurements : mapping of str to int or "all", optional
        Number of further architectures that each device measures before the first round.
    seed : int
        Seed of the choice of these architectures.
    kept : Path, optional
        Folder for the tables of proposals, accuracies and values of devices. Those that are there, of the same search,
        are not made again.

    Raises
    ------
    ConfigError
        If the space does not have so many architectures.
    DeviceError
        If all of the first round fail on a device, or to give an accuracy.
    """
    import pandas as pd

    if evaluations > space.size:
        raise ConfigError(f"search.evaluations: {space} has {space.size} architectures, asked for {evaluations}")
    told, made = _Told(space, tuple(devices)), partial(_made, kept)
    for name, device in devices.items():
        if number := (extra_measurements or {}).get(name):
            extra = extra_architectures(space, number, seed=seed)
            told.add(extra, [made(f"extra-{name}", partial(profile, space, name, device, extra))])

    def proposed(name: str, ask: Callable[[int], np.ndarray], n: int) -> np.ndarray:
        def asked() -> pd.DataFrame:
            strategy.tell(told.measurements().expected())
            return pd.DataFrame({"architecture": space.to_text(ask(n))})

        return parse_architectures(made(name, asked), space, f"the table {name}")

    sizes = type(strategy).round_sizes(evaluations, rounds)
    for number, n in enumerate(track(sizes, f"searching with {evaluations} evaluations")):
        choices, first = proposed(f"{number}-proposals", strategy.ask, n), not number
        scores = made(f"{number}-accuracies", partial(score, space, evaluator, choices, first=first))
        tables = [
            made(f"{number}-latencies-{name}", partial(profile, space, name, device, choices, first=first))
            for name, device in devices.items()
        ]
        told.add(choices, [scores, *tables], proposed=True)
        if cheap is not None and first:
            choices = proposed("cheap-proposals", strategy.ask_cheaply, cheap[1])
            table = made("cheap-accuracies", partial(score, space, cheap[0], choices, first=True))
            told.cheap = join_batches([table["architecture"].tolist()], {"of cheap readings": table}, space)
    return told.measurements()


def _made(folder: Path | None, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a table, which is kept in the folder, if there is one, and made only where it is not there."""
    if folder is None:
        return make()
    path = folder / f"{name}.parquet"
    if not path.is_file():
        write_table(make(), path)
    return read_table(path)


class _Told:
    """The tables of a search so far; architectures are numbered in them, so that joining them takes little time."""

    cheap: Measurements | None = None

    def __init__(self, space: SearchSpace, devices: tuple[str, ...]):
        self._space, self._devices = space, devices
        self._index = RowIndex()
        self._choices = np.empty((0, space.n_choices), dtype=np.int8)
        self._proposals: list[list[int]] = []
        self._tables: dict[str, pd.DataFrame] = {}

    def add(self, choices: np.ndarray, tables: Sequence[pd.DataFrame], *, proposed: bool = False) -> None:
        """Add tables with measurements of architectures; ``proposed`` if these are a round.

        The tables of an evaluator or a device become one, but for timed ones, of which each is an occasion.
        """
        import pandas as pd

        new = choices[self._index.rows(choices) < 0]
        self._index.add(new)
        self._choices = np.concatenate([self._choices, new])
        numbers = self._index.rows(choices)
        for table in tables:
            if not len(table):
                continue
            name = ACCURACY if ACCURACY in table else str(table["device"].iloc[0])
            name += f" {len(self._tables)}" if RUNS in table else ""
            parts = [self._tables[name]] if name in self._tables else []
            self._tables[name] = pd.concat([*parts, table.assign(architecture=numbers)], ignore_index=True)
        if proposed:
            self._proposals.append(numbers.tolist())

    def measurements(self) -> Measurements:
        """Return all of it."""
        if not self._tables:
            return Measurements.empty(self._space, self._devices)
        frame = join_rounds(self._proposals, self._tables)
        choices = self._choices[frame["architecture"].to_numpy(dtype=int)]
        measurements = Measurements.from_frame(frame, self._space, choices=choices).for_devices(self._devices)
        return replace(measurements, conditions=conditions(self._tables), cheap=self.cheap)
