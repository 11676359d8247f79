"""The ``nagevo`` command: one module for each subcommand, heavy imports inside its function."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from nagevo.cli.lazy import command, group
from nagevo.foundation.errors import NagevoError, in_own_code, optional_packages

COMMANDS = {
    "Begin": ("init", "list"),
    "Ask a generator": ("generate", "explain", "show", "adapt", "export", "finetune"),
    "Search and compare": ("catalog", "search", "compare", "benchmark", "report"),
    "Measure": ("sample", "score", "profile", "measure", "train", "lut"),
}
"""Names of the modules of commands, by the heading under which the help shows them."""
STEPS = (
    "splits",
    "propose",
    "merge",
    "surrogate",
    "evolve",
    "distill",
    "unverified",
    "verify",
    "relearn",
    "answer",
    "evaluate",
    "deploy",
    "networks",
    "validate_supernet",
)
"""Names of the modules of the commands that only the workflow's rules call, in their order."""
INTERRUPTED = 130
"""Exit code after Ctrl+C."""


def _name(module: str) -> str:
    return module.replace("_", "-")


step = group(
    name="step",
    help="Run one step of the workflow; Snakemake's rules call these commands.",
    commands={_name(name): command(f"nagevo.cli.steps.{name}") for name in STEPS},
    add_completion=False,
)
app = group(
    name="nagevo",
    help="Learn the accuracy–latency frontier of a search space once, then answer any budget by inference.",
    commands={
        **{_name(name): command(f"nagevo.cli.{name}", panel) for panel, names in COMMANDS.items() for name in names},
        "step": lambda: typer.main.get_command(step),
    },
)


@step.callback(invoke_without_command=True)
def _step(context: typer.Context) -> None:
    _help(context)


@app.callback(invoke_without_command=True)
def _app(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        from nagevo import __version__

        typer.echo(f"nagevo {__version__}")
        raise typer.Exit
    _help(context)


def _help(context: typer.Context) -> None:
    """Show the help of a group that was called without a command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line; a mistake is one line on stderr and exit code 2 (3: infeasible budget).

    An exception in the user's own code is one line too: its class, its text and its place.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    refusal: type[Exception] = typer.BadParameter.__mro__[2]  # click's root of errors, which typer does not export
    try:
        with optional_packages():
            code = app(prog_name="nagevo", standalone_mode=False) or 0
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except refusal as error:
        context: Any = getattr(error, "ctx", None)
        where = context.command_path if context else "nagevo"
        _end(f"{error.format_message()} (see {where} --help)")  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        _end("interrupted", INTERRUPTED)
    except NagevoError as error:
        _end(str(error), error.exit_code)
    except MemoryError:
        _end("there is not enough memory")
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        _end(f"{error.filename}: {reason}" if error.filename else reason)
    except (Exception, SystemExit) as error:
        line = in_own_code(error)
        if not line:
            raise
        _end(f"code of your own raised {line}")
    sys.exit(code)


def _end(message: str, code: int = 2) -> None:
    print(f"nagevo: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
