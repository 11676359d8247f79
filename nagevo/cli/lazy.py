"""A group of commands, each a module with a function ``run`` that is imported when the command is asked for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, MutableMapping
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup


class Commands(MutableMapping[str, Any]):
    """Commands by name, in order; each is made when it is looked up for the first time.

    Parameters
    ----------
    made : dict of str to callable
        By name of the command, the function that makes it.
    """

    def __init__(self, made: dict[str, Callable[[], Any]]):
        self.makers, self.made = made, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            self.made[name] = self.makers[name]()
        return self.made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.makers

    def __setitem__(self, name: str, command: Any) -> None:
        self.makers[name] = lambda: command

    def __delitem__(self, name: str) -> None:
        del self.makers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


def group(**settings: Any) -> typer.Typer:
    """Return a Typer application without commands of its own whose commands are :class:`Commands`.

    Parameters
    ----------
    **settings
        ``commands``, and further arguments of :class:`typer.Typer`.
    """
    commands = settings.pop("commands")

    class Group(TyperGroup):
        def __init__(self, **attributes: Any):
            super().__init__(**attributes)
            self.commands = Commands(commands)

    return typer.Typer(cls=Group, pretty_exceptions_enable=False, **settings)


def command(module: str, panel: str | None = None) -> Callable[[], Any]:
    """Return the function that makes the command of a module; ``panel`` is its heading in the group's help."""

    def made() -> Any:
        name, run = module.rpartition(".")[2].replace("_", "-"), importlib.import_module(module).run
        paragraphs = [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(run) or "").split("\n\n")]
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name, help="\n\n".join(paragraphs), rich_help_panel=panel)(_with_paths(run))
        return typer.main.get_command(single)

    return made


def _with_paths(run: Callable[..., None]) -> Callable[..., None]:
    """Return a command that refuses to write over its inputs, and whose paths may begin with ``~``, the home folder."""

    def expanded(value: Any) -> Any:
        if isinstance(value, list):
            return [expanded(part) for part in value]
        return value.expanduser() if isinstance(value, Path) else value

    @wraps(run)
    def command(**values: Any) -> None:
        from nagevo.cli.options import check_outputs

        values = {name: expanded(value) for name, value in values.items()}
        check_outputs(run, values)
        run(**values)

    return command
