"""The ``nagevo`` command: one module for each subcommand, heavy imports inside its function."""

from __future__ import annotations

import sys

import typer

from nagevo.cli import (
    adapt,
    answer,
    benchmark,
    collect,
    compare,
    distill,
    evaluate,
    evolve,
    export,
    finetune,
    generate,
    init,
    lut,
    merge,
    profile,
    propose,
    report,
    sample,
    score,
    search,
    show,
    splits,
    surrogate,
    train,
    validate_supernet,
)
from nagevo.foundation.errors import NagevoError, optional_packages

app = typer.Typer(
    name="nagevo",
    help="Learn the accuracy–latency frontier of a search space once, then answer any budget by inference.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_COMMANDS = {
    "Commands": (
        init,
        generate,
        finetune,
        export,
        show,
        adapt,
        search,
        compare,
        benchmark,
        lut,
        validate_supernet,
    ),
    "Steps of the workflow, in order": (
        splits,
        train,
        propose,
        sample,
        score,
        profile,
        collect,
        merge,
        surrogate,
        evolve,
        distill,
        answer,
        evaluate,
        report,
    ),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        app.command(name, rich_help_panel=panel)(command.run)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2 (3: infeasible budget)."""
    try:
        with optional_packages():
            app()
    except NagevoError as error:
        print(f"nagevo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
