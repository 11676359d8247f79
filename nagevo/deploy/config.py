"""Options of the networks that are delivered: the section ``deploy``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option

INDEX, LISTING, REFERENCES = "index.json", "manifest.json", "references"
"""The table of delivered networks, the list of all files of the folder, and the folder of reference networks."""
DELIVERED = "a table of networks that nagevo delivered"
DEFAULT_BUDGETS = 3
"""Default number of budgets for each device, where the experiment has trained weights."""


@dataclass(frozen=True)
class DeployConfig:
    """The networks that an experiment ends with: answers to some budgets, fine-tuned and exported."""

    budgets: Annotated[
        int | Sequence[Annotated[float, Option("", gt=0)]] | None,
        Option(
            "Budgets for each device: how many, from the smallest to the largest answer by equal factors, or a list of "
            "them; null for 3, or for 0 where the evaluator trains no weights."
        ),
    ] = None
    epochs: Annotated[
        int, Option("Passes over the training examples when a delivered network is fine-tuned.", ge=1)
    ] = 10
    learning_rate: Annotated[float, Option("Initial learning rate of the fine-tuning.", gt=0)] = 0.02

    def __post_init__(self):
        if isinstance(self.budgets, int) and self.budgets < 0:
            raise ConfigError(f"budgets: expected at least 0, got {self.budgets}")
