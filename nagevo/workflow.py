"""What the Snakemake rules need of the package: the validated config, the part of it that a rule uses, source hashes.

A rule hands its command exactly the sections of the config that stand in its ``params``, so what a command can depend
on and what triggers its rerun are the same thing.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nagevo.config import Experiment, parse_config
from nagevo.errors import NagevoError


def validated(config: Mapping[str, Any]) -> Experiment:
    """Return the experiment of a workflow's config, or end the workflow with one line for a user's mistake."""
    try:
        experiment = parse_config(dict(config))
        experiment.search.round_sizes()
        return experiment
    except NagevoError as error:
        print(f"nagevo: the configuration is wrong: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def sections(experiment: Experiment, *names: str) -> Callable[[Any], str]:
    """Return a params function that gives some sections of the config as one JSON text.

    Parameters
    ----------
    experiment : Experiment
    *names : str
        Top-level keys; ``"devices/{device}"`` stands for the one device that the wildcard names.
    """

    def text(wildcards: Any) -> str:
        chosen: dict[str, Any] = {}
        for name in names:
            section, _, device = name.partition("/")
            value = experiment.raw[section]
            chosen[section] = {key: value[key] for key in [device.format(**wildcards)]} if device else value
        return json.dumps(chosen, sort_keys=True)

    return text


def source_hash(*modules: str) -> str:
    """Return a hash of the source of the modules and of all modules of the same packages that they import.

    Parameters
    ----------
    *modules : str
        Names of modules; of ``package.module:Class`` the module counts.
    """
    sources: dict[str, str] = {}
    for module in modules:
        _collect(module.partition(":")[0], sources)
    listing = "\n".join(f"{name} {sources[name]}" for name in sorted(sources))
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def _collect(module: str, sources: dict[str, str]) -> None:
    if module in sources:
        return
    path = _source(module)
    if path is None:
        return
    text = path.read_text()
    sources[module] = hashlib.sha256(text.encode()).hexdigest()
    for imported in _imports(text, module):
        _collect(imported, sources)


@cache
def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(text: str, module: str) -> Iterator[str]:
    """Yield the modules of the same top-level package that a module imports, inside functions too."""
    package = module.partition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == package)
