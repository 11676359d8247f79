"""``nagevo list``: what an experiment can be made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kinds(StrEnum):
    """Kinds of components that can be listed."""

    spaces = "spaces"
    evaluators = "evaluators"
    devices = "devices"
    strategies = "strategies"
    datasets = "datasets"


def run(kind: Annotated[Kinds, typer.Argument(help="Kind of components to list.", show_choices=True)]) -> None:
    """List the spaces, evaluators, devices, strategies or datasets that a config can name, each with one line."""
    import inspect

    from nagevo.foundation.errors import MissingDependency
    from nagevo.measure.accuracy import EVALUATORS
    from nagevo.measure.latency import BACKENDS
    from nagevo.search import STRATEGIES
    from nagevo.spaces import SPACES
    from nagevo.training.datasets import DATASETS

    components = {
        Kinds.spaces: SPACES,
        Kinds.evaluators: EVALUATORS,
        Kinds.devices: BACKENDS,
        Kinds.strategies: STRATEGIES,
        Kinds.datasets: DATASETS,
    }[kind]
    for name in components:
        try:
            summary = (inspect.getdoc(components.resolve(name)) or "").partition("\n\n")[0]
        except MissingDependency as error:
            summary = str(error)
        typer.echo(f"{name:<{max(map(len, components))}}  {' '.join(summary.split())}")
