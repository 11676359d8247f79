"""Latencies, or energies, that any program reports: a phone over adb, a board over ssh, another runtime."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from nagevo.deploy.models import model_for_timing
from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.foundation.options import Option
from nagevo.foundation.quantities import LATENCY, LEAST, MOST, QUANTITIES, Quantity
from nagevo.measure.latency.timing import Burst, Prepare, TimedDevice

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class CommandDevice(TimedDevice):
    """Run a program of yours that times an ONNX file, or measures another quantity of it.

    The program times its own runs and is called once for each network in each round. The last line of its standard
    output has to be the latency in milliseconds: a positive number, ``ms`` after it allowed, and nothing else; or the
    quantity that the device measures, with its unit.
    """

    command: Annotated[
        str,
        Option(
            "Program and arguments, run without a shell: `{model}` is the path of the ONNX file, `{batch}` the batch.",
            pattern=r"\{model\}",
        ),
    ]
    timeout_s: Annotated[float, Option("Time after which a call is ended and counts as failed.", gt=0)] = 60.0
    rounds: Annotated[int, Option("Calls for each network.", ge=1)] = 3
    spread_s: Annotated[float, Option("Seconds over which the calls are spread.", ge=0)] = 0.0
    measures: Annotated[
        Literal["latency_ms", "energy_mj", "file_kb"],
        Option("Quantity that the program reports: a latency in ms, an energy in mJ or the size of a file in kB."),
    ] = LATENCY

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise ConfigError(f"command: {self.command!r} cannot be split into words: {error}") from None
        if not any("{model}" in word for word in words[1:]):
            raise ConfigError(f"command: expected an argument with {{model}} in {self.command!r}")

    closing: ClassVar[bool] = False

    @property
    def machine(self) -> None:
        """Not known: the program may let anything run the networks."""

    def _rise(self, needed: int) -> None:
        raise ConfigError(
            f"statistic {self.statistic} needs at least {needed} runs, and each call is one: "
            f"expected rounds of at least {needed}, got {self.rounds}"
        )

    @contextmanager
    def opened(self) -> Iterator[Prepare]:
        """Check that there is such a program, and keep a folder for the ONNX files."""
        program = shlex.split(self.command)[0]
        if shutil.which(program) is None and Path(program).is_file():
            raise DeviceError(f"command: {program} may not be executed: chmod +x {program}")
        if shutil.which(program) is None:
            raise DeviceError(f"command: there is no program {program} to run")
        with tempfile.TemporaryDirectory(prefix="nagevo-") as folder:
            names = (Path(folder) / f"network{i}.onnx" for i in count())
            yield partial(self._prepare, names)

    def _prepare(self, names: Iterator[Path], network: nn.Module | Path | bytes, input_shape: tuple[int, ...]) -> Burst:
        if isinstance(network, Path):
            return lambda: [self.call(network)]
        path = next(names)
        path.write_bytes(model_for_timing(network, input_shape, self.batch))
        return lambda: [self.call(path)]

    def call(self, model: Path) -> float:
        """Return what the program reports for an ONNX file.

        Raises
        ------
        DeviceError
            If the program fails, takes too long, or does not end its output with a number.
        """
        replacements = {"{model}": str(model), "{batch}": str(self.batch)}
        pattern = re.compile("|".join(map(re.escape, replacements)))
        words = [pattern.sub(lambda found: replacements[found[0]], word) for word in shlex.split(self.command)]
        return parse_quantity(output_of(words, self.timeout_s), QUANTITIES[self.measures])


def output_of(words: list[str], timeout_s: float) -> str:
    """Return the standard output of a program.

    Raises
    ------
    DeviceError
        If it cannot be started, takes longer than ``timeout_s``, or ends with another status than 0.
    """
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise DeviceError(f"{words[0]} cannot be started: {error.strerror}") from None
    with process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{words[0]} took longer than {timeout_s:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise DeviceError(
            f"{words[0]} ended with status {process.returncode}: {last_line(errors) or last_line(output)}"
        )
    return output


def last_line(text: str) -> str:
    """Return the last line that is not blank; empty where there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def parse_quantity(output: str, quantity: Quantity = QUANTITIES[LATENCY]) -> float:
    """Return the number that the last line of a program's output states.

    Raises
    ------
    DeviceError
        If the line is anything but a number that can have been measured, with or without the unit.

    Examples
    --------
    >>> parse_quantity("loading\\n12.5 ms\\n")
    12.5
    """
    line = last_line(output)
    try:
        value = float(line.removesuffix(quantity.unit))
    except ValueError:
        value = math.nan
    if not LEAST <= value <= MOST:
        expected = f"{quantity.words} in {quantity.unit}"
        raise DeviceError(f"expected the {expected} in the last line of the output, got {line[:80]!r}")
    return value
