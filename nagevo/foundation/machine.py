"""Description of this machine, which latencies depend on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

MACHINE = ("processor", "cores", "system")
"""Keys of the description of a machine."""


def describe_machine() -> dict[str, str | int]:
    """Return the model of the processor, the number of its cores, and the system."""
    return dict(zip(MACHINE, (_processor(), os.cpu_count() or 1, platform.platform()), strict=True))


def _processor() -> str:
    """Return the model name of this machine's processor, or its architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
