"""Descriptions of machines, which latencies depend on, and of the state in which they were measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MACHINE = ("processor", "cores", "system")
"""Keys of the description of a machine."""
QUIET = "quiet"
"""Condition of latencies that are promised for the undisturbed machine."""


def describe_machine() -> dict[str, str | int]:
    """Return the model of the processor, the number of its cores, and the system."""
    return dict(zip(MACHINE, (_processor(), os.cpu_count() or 1, platform.platform()), strict=True))


def _processor() -> str:
    """Return the model name of this machine's processor, or its architecture where the system does not report it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe(entry: Mapping[str, Any]) -> str:
    """Return one line about the condition of a device, from its entry in ``conditions.json``.

    >>> describe({"statistic": "p95", "condition": "quiet", "disturbed": 0.41, "slowdown": 2.1})
    'p95 on the quiet machine; disturbed 41 % of the time while measured; then up to 2.1 times as slow'
    """
    told = processor(entry)
    return f"{stated(entry)}{f', measured on {told}' if told else ''}; {disturbance(entry)}"


def stated(entry: Mapping[str, Any]) -> str:
    """Return in words the statistic and the condition that latencies refer to.

    >>> stated({"statistic": "median", "condition": "observed"})
    'median on the machine as observed'
    """
    return f"{entry['statistic']} on the {'quiet machine' if entry['condition'] == QUIET else 'machine as observed'}"


def processor(entry: Mapping[str, Any]) -> str | None:
    """Return the processor that ran the networks, None where it is not known."""
    machine = entry.get("machine")
    return None if machine is None else machine["processor"]


def disturbance(entry: Mapping[str, Any]) -> str:
    """Return how disturbed the machine was."""
    if not entry["disturbed"]:
        return "undisturbed while measured"
    return (
        f"disturbed {100 * entry['disturbed']:.0f} % of the time while measured; "
        f"then up to {entry['slowdown']:.1f} times as slow"
    )
