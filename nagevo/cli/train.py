"""``nagevo train``: what all accuracy evaluations share, such as the supernet."""

from __future__ import annotations

from nagevo.cli.options import Config, Output


def run(config: Config, output: Output) -> None:
    """Train the evaluator's shared weights (the supernet), resuming where an earlier run stopped."""
    from nagevo.experiment.config import load_config

    experiment = load_config(config)
    experiment.create_evaluator(experiment.create_space()).train(output)
