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
from itertools import product
from pathlib import Path
from typing import Any

from nagevo.config import parse_config
from nagevo.datasets import DATASETS
from nagevo.devices import BACKENDS
from nagevo.errors import NagevoError
from nagevo.evaluators import EVALUATORS
from nagevo.registry import resolve
from nagevo.spaces import SPACES
from nagevo.strategies import STRATEGIES


class Plan:
    """What the rules know of an experiment.

    Parameters
    ----------
    config : mapping
        The workflow's config. A mistake in it ends the workflow with one line and exit code 2.

    Attributes
    ----------
    experiment : Experiment
    devices : list of str
    rounds, shards : range
    weights : list of str
        What :meth:`Evaluator.train` writes, where the evaluator needs it.
    """

    def __init__(self, config: Mapping[str, Any]):
        try:
            self.experiment = parse_config(dict(config))
            self.rounds = range(len(self.experiment.search.round_sizes()))
            self.experiment.check_size()
            needs_training = resolve("evaluator", self.experiment.accuracy.name, EVALUATORS).needs_training
        except NagevoError as error:
            print(f"nagevo: the configuration is wrong: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        self.devices = list(self.experiment.devices)
        self.shards = range(self.experiment.search.shards)
        self.weights = ["results/{experiment}/supernet.safetensors"] if needs_training else []

    def source(self, command: str, *kinds: str) -> Callable[[Any], str]:
        """Return a params function that gives the source hash of a command and of the components it opens.

        Parameters
        ----------
        command : str
            Name of the module of the command.
        *kinds : {"space", "evaluator", "strategy", "device", "devices"}
            The strategy is the config's, or the one that the wildcard names; the device is the wildcard's.
        """

        experiment = self.experiment

        def targets(kind: str, wildcards: Any) -> list[str]:
            if kind == "space":
                return [SPACES.get(experiment.space.name, experiment.space.name)]
            if kind == "evaluator":
                dataset = experiment.dataset
                readers = [DATASETS.get(dataset, dataset)] if dataset else []
                return [EVALUATORS.get(experiment.accuracy.name, experiment.accuracy.name), *readers]
            if kind == "strategy":
                name = getattr(wildcards, "strategy", experiment.search.strategy.name)
                name = experiment.compare.variants.get(name, {"strategy": name})["strategy"]
                return [STRATEGIES.get(name, name)]
            devices = [wildcards.device] if kind == "device" else self.devices
            backends = [experiment.devices[device].backend.name for device in devices]
            return [BACKENDS.get(name, name) for name in backends]

        return lambda wildcards: source_hash(command, *(name for kind in kinds for name in targets(kind, wildcards)))

    def config(self, *names: str) -> Callable[[Any], str]:
        """Return a params function that gives some sections of the config as one JSON text.

        Parameters
        ----------
        *names : str
            Top-level keys; ``"devices/{device}"`` stands for the one device that the wildcard names.
        """

        def text(wildcards: Any) -> str:
            chosen: dict[str, Any] = {}
            for name in names:
                section, _, device = name.partition("/")
                value = self.experiment.raw[section]
                chosen[section] = {key: value[key] for key in [device.format(**wildcards)]} if device else value
            return json.dumps(chosen)

        return text

    @property
    def compared(self) -> list[str]:
        """Return what the searches of the comparison are called: devices, strategy, effort and seed."""
        compare = self.experiment.compare
        searches = product(
            self.devices if compare.separately else ["all"],
            compare.strategies,
            compare.evaluations,
            range(compare.seeds),
        )
        return ["{}/{}/{}-{}".format(*search) for search in searches]

    def compared_config(self, wildcards: Any) -> str:
        """Return the config of one search of the comparison as JSON text."""
        search = self.experiment.with_search(
            strategy=wildcards.strategy,
            evaluations=int(wildcards.evaluations),
            seed=int(wildcards.seed),
            devices=[wildcards.devices] if self.experiment.compare.separately else None,
        )
        return json.dumps({name: search.raw[name] for name in ("seed", "space", "accuracy", "devices", "search")})

    def earlier_rounds(self, wildcards: Any) -> list[str]:
        """Return the measurements of the rounds before the one that the wildcard names."""
        folder = f"results/{wildcards.experiment}/rounds"
        return [f"{folder}/{number}/measurements.parquet" for number in range(int(wildcards.round))]

    def accuracies(self, wildcards: Any) -> list[str]:
        """Return the accuracy shards of all rounds."""
        folder = f"results/{wildcards.experiment}/rounds"
        return [f"{folder}/{k}/validation/{shard}.parquet" for k in self.rounds for shard in self.shards]

    def latencies(self, wildcards: Any) -> list[str]:
        """Return the latencies of all rounds on the device that the wildcard names."""
        folder = f"results/{wildcards.experiment}/rounds"
        return [f"{folder}/{k}/latency/{wildcards.device}.parquet" for k in self.rounds]

    def round_number(self, wildcards: Any) -> int:
        """Return the number of the round that a batch is; 0 for the batches of the evaluation."""
        folder, _, number = wildcards.batch.partition("/")
        return int(number) if folder == "rounds" else 0

    def extra(self, wildcards: Any) -> str:
        """Return the option that adds a device's extra measurements, in the first round."""
        return "--extra" if wildcards.batch == "rounds/0" else ""

    def weights_option(self, wildcards: Any) -> str:
        """Return the option that gives the evaluator its weights, where it needs them."""
        return f"--weights {self.weights[0].format(**wildcards)}" if self.weights else ""


def source_hash(*modules: str) -> str:
    """Return a hash of the source of the modules and of all modules of the same packages that they import.

    Parameters
    ----------
    *modules : str
        Names of modules; of ``package.module:Class`` the module counts. The files in a folder beside a module that has
        the module's name are part of its source.
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
    data = sorted(file for file in path.with_suffix("").glob("*") if file.is_file())
    sources[module] = hashlib.sha256(b"".join([text.encode(), *(file.read_bytes() for file in data)])).hexdigest()
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
