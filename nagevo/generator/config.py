"""Options of the generator and its distillation: the section ``generator``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.options import Option


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of the budget-conditioned generator and of its distillation."""

    hidden: Annotated[int, Option("Units of each of the two hidden layers.", ge=1)] = 128
    steps: Annotated[int, Option("Optimizer steps of the distillation.", ge=1)] = 1500
    batch: Annotated[int, Option("Budgets in an optimizer step.", ge=1)] = 256
    learning_rate: Annotated[float, Option("Peak learning rate of AdamW under a cosine schedule.", gt=0)] = 0.003
    candidates: Annotated[
        int,
        Option(
            "Number of architectures that are decoded for each budget when the table of possible answers is filled.",
            ge=1,
        ),
    ] = 8
    probes: Annotated[int, Option("Architectures whose latencies describe a device to the generator.", ge=2)] = 10
    synthetic_devices: Annotated[
        int, Option("Synthetic devices to train on beside the real ones, so that new devices can be added.", ge=0)
    ] = 16
