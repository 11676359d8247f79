"""Energies of networks on this machine, read from its own counters.

A counter moves on once in a millisecond (RAPL) to a tenth of a second (NVML), which is longer than an inference: a
network runs again and again between two changes of the counter, and the difference is divided by the inferences. It
holds all that the processor or the GPU spends meanwhile, at rest too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from nagevo.foundation.errors import DeviceError, optional_packages
from nagevo.foundation.options import Option
from nagevo.foundation.quantities import ENERGY, LATENCY
from nagevo.measure.latency.timing import Burst, TimedDevice, burst_of

POWERCAP = Path("/sys/class/powercap")
ZONES = ("package", "dram")
"""Names of the zones that are added up begin with these: all others are within a package, or hold all packages."""
STANDSTILL_S = 5.0
"""Seconds after which a counter that did not change is taken for broken."""

Counter = Callable[[], float]
"""Returns the mJ that were spent since some moment in the past."""


@dataclass(frozen=True, kw_only=True)
class LocalDevice(TimedDevice):
    """A device that runs networks on this machine: it times them, or reads how much energy they take."""

    threads: Annotated[int, Option("Threads within an operation.", ge=1)] = 1
    warmup: Annotated[int, Option("Untimed runs before each burst.", ge=0)] = 2
    runs: Annotated[
        int, Option("Timed runs in a burst; for energies, runs between two readings of the counter.", ge=1)
    ] = 10
    measures: Annotated[
        Literal["latency_ms", "energy_mj"],
        Option("Quantity that is measured: the latency in ms, or the energy of an inference in mJ (docs/devices.md)."),
    ] = LATENCY
    burst_s: Annotated[float, Option("For energies: minimum duration of a burst in seconds.", gt=0)] = 0.3

    @property
    def runs_in_burst(self) -> int:
        return 1 if self.measures == ENERGY else self.runs

    def burst(
        self, run: Callable[[], object], counter: Counter | None, *, settle: Callable[[], object] | None = None
    ) -> Burst:
        """Return the burst that times a network or, with a counter, measures its energy; see :func:`energy_burst`."""
        if counter is None:
            return burst_of(run, warmup=self.warmup, runs=self.runs)
        return energy_burst(run, counter, warmup=self.warmup, runs=self.runs, least_s=self.burst_s, settle=settle)


def energy_burst(
    run: Callable[[], object],
    counter: Counter,
    *,
    warmup: int,
    runs: int,
    least_s: float,
    settle: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Burst:
    """Return a burst that measures one value, the mean energy of an inference in mJ.

    Parameters
    ----------
    run : callable
        One inference.
    counter : callable
        Returns the mJ spent so far; read after every ``runs`` inferences.
    warmup : int
        Inferences before the burst.
    least_s : float
        Least time from the change of the counter with which the burst begins to that with which it ends.
    settle : callable
        Waits until all inferences have ended, where they run beside the program.
    """

    def several(number: int) -> None:
        for _ in range(number):
            run()
        if settle is not None:
            settle()

    def until_change(began: float, at_least_s: float) -> tuple[float, int]:
        """Run until the counter changes after some time; return its value and the number of inferences."""
        value, n = counter(), 0
        while True:
            several(runs)
            n, before, value, elapsed_s = n + runs, value, counter(), clock() - began
            if value != before and elapsed_s >= at_least_s:
                return value, n
            if elapsed_s > at_least_s + STANDSTILL_S:
                raise DeviceError(f"the energy counter did not change for {STANDSTILL_S:g} s")

    def burst() -> list[float]:
        several(warmup)
        first, _ = until_change(clock(), 0.0)
        last, n = until_change(clock(), least_s)
        return [(last - first) / n]

    return burst


class PowercapCounter:
    """The energy of the processors of this machine and their memory: RAPL, as Linux shows it in files.

    Parameters
    ----------
    folder : Path
        That of the kernel; zones are its folders ``intel-rapl:…``, on AMD's processors too.

    Raises
    ------
    DeviceError
        If there is no counter, or it may not be read.
    """

    def __init__(self, folder: Path | None = None):
        folder = POWERCAP if folder is None else folder
        zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _text(zone / "name").startswith(ZONES)]
        if not zones:
            raise DeviceError(
                f"energy: no counter of the processor in {folder} (RAPL of Intel and AMD under Linux; most virtual "
                "machines have none); a program of your own can measure it (backend command)"
            )
        self._files = [zone / "energy_uj" for zone in zones]
        self._ranges_uj = [int(_text(zone / "max_energy_range_uj")) for zone in zones]
        self._last_uj = [int(_text(file)) for file in self._files]
        self._spent_uj = 0

    def __call__(self) -> float:
        """Return the mJ since the counter was opened; each zone begins again at 0 behind its largest value."""
        for i, (file, largest) in enumerate(zip(self._files, self._ranges_uj, strict=True)):
            value = int(_text(file))
            passed = value - self._last_uj[i]
            self._spent_uj += passed if passed >= 0 else passed + largest
            self._last_uj[i] = value
        return self._spent_uj / 1000.0


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except PermissionError:
        raise DeviceError(f"energy: {file} may be read by root only: sudo chmod a+r {file}") from None
    except OSError as error:
        raise DeviceError(f"energy: {file} cannot be read: {error.strerror}") from None


class NVMLCounter:
    """The energy of the GPU that torch uses: NVML's counter since its driver was loaded, from Volta on.

    Raises
    ------
    MissingDependency
        If ``nvidia-ml-py`` is not installed.
    DeviceError
        If NVML or the GPU has no such counter.
    """

    def __init__(self) -> None:
        import torch

        with optional_packages("the energy of a GPU"):
            import pynvml
        self._nvml = pynvml
        identity = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
        try:
            pynvml.nvmlInit()
            self._gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{identity}")
            self()
        except pynvml.NVMLError as error:
            raise DeviceError(f"energy: NVML does not report the energy of this GPU: {error}") from None

    def __call__(self) -> float:
        """Return the mJ since the driver was loaded."""
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu))
