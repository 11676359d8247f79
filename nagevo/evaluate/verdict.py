"""Sentences that say whether the promises of an evaluation held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REMEDY_TIMED = "measure again while nothing else runs on the device"
REMEDY_READ = "let more of its values be read (`extra_measurements` of the device, or `search.evaluations`)"
"""Remedies beside a higher confidence, for a device that is timed and for one whose values are read from files."""


def verdicts(evaluation: Mapping[str, Any]) -> list[str]:
    """Return what an ``evaluation.json`` says against its devices.

    A sentence for each on which a lower confidence than the asked one was possible only, and for each on which too many
    budgets were broken.
    """
    found = []
    for device, entry in evaluation["devices"].items():
        confidence = entry.get("confidence", evaluation["confidence"])
        allowed = 100.0 * (1.0 - confidence)
        if confidence < evaluation["confidence"]:
            found.append(
                f"{device}: too little was measured for confidence {evaluation['confidence']:g}; asked for was the "
                f"highest that is supported, {confidence:.4g}."
            )
        broken = 100.0 * entry["metrics"]["generator"]["violation_rate"]
        remedy = REMEDY_TIMED if "condition" in entry else REMEDY_READ
        if broken > allowed + 1e-9:
            found.append(
                f"{device}: {broken:.0f} % of the answers broke their budget when they were measured again; at "
                f"confidence {confidence:.4g} at most {allowed:.0f} % should. Ask for a higher confidence, "
                f"or {remedy}."
            )
    return found
