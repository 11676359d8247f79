"""Everything that the Snakemake rules use: the validated config, the part of it that a rule gets, source hashes.

A rule hands its command exactly the sections of the config that stand in its ``params``: a command reruns when
a section that it can read changes, and only then.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import product
from pathlib import Path
from typing import Any

from nagevo.experiment.config import Component, Experiment, check_file, parse_config
from nagevo.experiment.sections import Sections, named_code, named_files
from nagevo.foundation.errors import ConfigError, NagevoError
from nagevo.foundation.machine import describe_machine
from nagevo.foundation.options import signature
from nagevo.foundation.sources import Sources
from nagevo.foundation.writing import checksum
from nagevo.learn.conformal import MAX_RESIDUALS
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.spaces import SPACES
from nagevo.training.datasets import DATASETS

CACHE_VARIABLE = "SNAKEMAKE_OUTPUT_CACHE"
"""Names the folder in which Snakemake keeps outputs between workflows."""

EVERY_CORE = 1000
"""Threads of a job that gets all cores: Snakemake lowers it to the number that it has."""

CHEAP = "cheap"
"""The batch of the cheap readings."""

MEASURES = ("mem", "disk", "runtime")
"""Resources that Snakemake reads as numbers where they are texts with a unit."""


class Plan:
    """An experiment as the rules see it.

    Parameters
    ----------
    config : mapping
        The workflow's config. A mistake in it ends the workflow with one line and exit code 2.
    files : iterable of path
        The files that Snakemake read it from.

    Attributes
    ----------
    weights : list of str
        File that :meth:`Evaluator.train` writes, if the evaluator needs it.
    trained : str
        Option that names the folder of the weights of networks that are trained alone, where they are kept.
    weights_option : str
        The option that comes before it.
    cheap : list of str
        The table of the cheap readings, where there are any.
    cheap_option : str
        The option that comes before the table of the cheap readings.
    delivered : list of str
        The table of the networks that are delivered, where any are.
    verifications : range
        Numbers of the verification rounds, from 1.
    first_bundle : str
        A file of the generator that learns from the search alone, as a pattern.
    splits : list of str
        The table of which example is in which split, where accuracies are read on a dataset.
    caching : bool
        Whether accuracies, latencies and the supernet are looked for in a cache between workflows.
    accuracy_resources : dict
        Resources of the jobs that read accuracies.
    """

    def __init__(self, config: Mapping[str, Any], files: Iterable[str | os.PathLike] = ()):
        try:
            for file in files:
                check_file(Path(file))
            self.experiment = parse_config(dict(config))
            self.rounds = range(len(self.experiment.round_sizes()))
            self.experiment.check_size()
            _check_confidence(self.experiment)
            self._exact = set(self.experiment.exact)
            evaluator = EVALUATORS.resolve(self.experiment.accuracy.name)
            needs_training = evaluator.needs_training
        except NagevoError as error:
            print(f"nagevo: the configuration is wrong: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        self.devices = list(self.experiment.devices)
        self.shards = range(self.experiment.search.shards)
        self.weights = ["results/{experiment}/supernet.safetensors"] if needs_training else []
        self.trained = f"--trained results/{self.experiment.name}/trained" if evaluator.keeps_weights else ""
        self.weights_option = "--weights" if needs_training else ""
        reads_cheaply = self.experiment.effort[1] > 0
        self.cheap = ["results/{experiment}/cheap.parquet"] if reads_cheaply else []
        self.cheap_option = "--cheap" if reads_cheaply else ""
        budgets = self.experiment.deploy.budgets
        delivering = (needs_training or evaluator.keeps_weights) if budgets is None else budgets not in (0, [])
        self.delivered = [f"results/{self.experiment.name}/networks/index.json"] if delivering else []
        self.verifications = range(1, self.experiment.verify.rounds + 1 if self.experiment.verified else 1)
        self.first_bundle = self._bundle(0)
        self.splits = [f"results/{self.experiment.name}/splits.parquet"] if self.experiment.dataset else []
        self.caching = CACHE_VARIABLE in os.environ
        self.accuracy_resources = dict(self.experiment.accuracy.resources)
        self._sections = _without_resources(self.experiment.raw)
        self._source_hash = cache(Sources().hash)
        self._searched = cache(self._search_sections)
        braced = [file for file in named_files(self._sections) if "{" in file]
        self._braced_files = "".join(f" {_digest(file, os.stat(file).st_mtime_ns)}" for file in braced)
        self._folders = _changes_beneath(signature(Sections).paths({"accuracy": self._sections["accuracy"]}))

    def source(self, command: str, *kinds: str) -> Callable[[Any], str]:
        """Return a params function that gives the source hash of a command and of the components it opens.

        Code that options of the space and of the evaluator name, such as a function that builds a network, counts too.

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
                return [SPACES.get(experiment.space.name, experiment.space.name), *named_code(self._sections["space"])]
            if kind == "evaluator":
                dataset = experiment.dataset
                used = [DATASETS.get(dataset, dataset)] if dataset else []
                used += named_code(self._sections["accuracy"])
                return [EVALUATORS.get(experiment.accuracy.name, experiment.accuracy.name), *used]
            if kind == "strategy":
                name = getattr(wildcards, "strategy", experiment.search.strategy.name)
                name = experiment.compare.variants.get(name, {"strategy": name})["strategy"]
                return [STRATEGIES.get(name, name)]
            devices = [wildcards.device] if kind == "device" else self.devices
            backends = [experiment.devices[device].backend.name for device in devices]
            return [BACKENDS.get(name, name) for name in backends]

        def source(wildcards: Any) -> str:
            modules = [name for kind in kinds for name in targets(kind, wildcards)]
            folders = self._folders if "evaluator" in kinds else ""
            return self._source_hash(command, *modules) + self._braced_files + folders

        return source

    def config(self, *names: str) -> Callable[[Any], str]:
        """Return a params function that gives some sections of the config as one JSON text.

        Resources are left out: results do not depend on them.

        Parameters
        ----------
        *names : str
            Top-level keys; ``"devices/{device}"`` stands for the one device that the wildcard names,
            ``"accuracy/full"`` for the accuracy without what is said of cheap readings, ``"accuracy/{batch}"`` for the
            same except where a batch is read cheaply, and ``"accuracy/cheap"`` for the accuracy if there are cheap
            readings, else nothing.
        """
        return lambda wildcards: json.dumps(self._chosen(names, wildcards))

    def files(self, *names: str) -> Callable[[Any], list[str]]:
        """Return an input function that gives the files that options of some sections of the config name.

        For a folder it gives the files that lie in it. Folders beneath it count in :meth:`source` of what reads
        accuracies, and so do, everywhere, files with braces in their names, which Snakemake would take for wildcards.
        Files that do not exist are left to the command, which reports them.
        """
        return lambda wildcards: [file for file in named_files(self._chosen(names, wildcards)) if "{" not in file]

    def _chosen(self, names: Sequence[str], wildcards: Any) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name in names:
            section, _, part = name.partition("/")
            value, part = self._sections[section], part.format(**wildcards) if part else ""
            if section != "accuracy":
                chosen[section] = {part: value[part]} if part else value
            elif part != CHEAP or self.cheap:
                full = part not in ("", CHEAP)
                chosen[section] = {k: v for k, v in value.items() if k != "fidelities"} if full else value
        return chosen

    @property
    def device_resources(self) -> dict[str, Callable[[Any], int | str | None]]:
        """Resources of the jobs on the device that the wildcard names, by name."""
        return self._resources(lambda wildcards: [self.experiment.devices[wildcards.device].backend])

    def device_threads(self, wildcards: Any) -> int:
        """Return how many cores a job on a device gets: all of them, so that it is alone, unless it times nothing."""
        return 1 if wildcards.device in self._exact else EVERY_CORE

    @property
    def search_resources(self) -> dict[str, Callable[[Any], int | str | None]]:
        """Resources of a search of the comparison: those of reading accuracies and of its devices."""
        experiment = self.experiment

        def parts(wildcards: Any) -> list[Component]:
            names = [wildcards.devices] if experiment.compare.separately else self.devices
            return [experiment.accuracy, *(experiment.devices[name].backend for name in names)]

        return self._resources(parts)

    def _resources(self, parts: Callable[[Any], list[Component]]) -> dict[str, Callable[[Any], int | str | None]]:
        """Return a resources function for each resource that any part of the experiment asks for.

        A resource that no part of a job asks for is 0 if Snakemake wants a number, else None.
        """
        every = [self.experiment.accuracy, *(device.backend for device in self.experiment.devices.values())]
        known = {name: value for part in every for name, value in part.resources.items()}

        def asked(name: str, wildcards: Any) -> int | str | None:
            values = [part.resources[name] for part in parts(wildcards) if name in part.resources]
            absent = 0 if isinstance(known[name], int) or name in MEASURES else None
            return values[-1] if values else absent

        return {name: _resource(asked, name) for name in sorted(known)}

    def content(self, wildcards: Any, input: Sequence[str]) -> str:
        """Return a hash of a job's input files and of the versions of all packages, where outputs are cached.

        Snakemake's own key of a cached output says how its input was made, which is not enough here: measured
        latencies differ each time, and with them the proposals of the next round. As a params function of the input it
        belongs to the key, but a change of it alone reruns nothing.
        """
        if not self.caching:
            return ""
        order = set(getattr(input, "after", ()))
        digests = [_digest(path, os.stat(path).st_mtime_ns) for path in input if path not in order]
        return hashlib.sha256("\n".join([*digests, _versions()]).encode()).hexdigest()

    def machine(self, wildcards: Any, resources: Any) -> str:
        """Return a description of this machine: a cached latency is valid on the same machine only."""
        return json.dumps({"name": platform.node(), **describe_machine()})

    def shards_of(self, wildcards: Any) -> int:
        """Return into how many jobs the profiling on the device that the wildcard names is split on each occasion."""
        return self.experiment.devices[wildcards.device].shards

    def shard_of(self, wildcards: Any) -> int:
        """Return which part of the architectures a job measures."""
        return int(wildcards.shard) % self.shards_of(wildcards)

    def occasion_of(self, wildcards: Any) -> int:
        """Return on which occasion a job measures them: part of its key where outputs are cached."""
        if wildcards.batch.startswith("verify/"):
            return int(wildcards.batch.rpartition("/")[2])
        return int(wildcards.shard) // self.shards_of(wildcards)

    def occasions_of(self, device: str) -> int:
        """Return on how many occasions the answers are measured again on a device."""
        return 1 if device in self._exact else self.experiment.evaluation.occasions

    @property
    def evaluation_latencies(self) -> list[str]:
        """Return the tables of the latencies of the answers on all devices and occasions, as patterns."""
        return [
            f"results/{{experiment}}/evaluation/latency/{name}/{number}.parquet"
            for name, device in self.experiment.devices.items()
            for number in range(self.occasions_of(name) * device.shards)
        ]

    def before_occasion(self, wildcards: Any) -> list[str]:
        """Return the files after which an occasion comes: a share of what is left to do once there are answers."""
        if wildcards.batch.startswith("verify/"):
            return self._before_verified_again(wildcards)
        occasion, folder = self.occasion_of(wildcards), f"results/{wildcards.experiment}"
        if not occasion:
            return []
        rest = [f"{folder}/evaluation/test/{shard}.parquet" for shard in self.shards]
        rest += [f"{folder}/networks/{device}/index.json" for device in self.devices if self.delivered]
        return rest[: math.ceil(len(rest) * occasion / (self.occasions_of(wildcards.device) - 1))]

    def batch_latencies(self, batch: str, devices: Iterable[str] | None = None) -> list[str]:
        """Return the latencies of a batch on some devices (by default on all), as patterns."""
        folder = f"results/{{experiment}}/{batch}/latency"
        known = self.experiment.devices
        return [
            f"{folder}/{name}/{shard}.parquet"
            for name in (known if devices is None else devices)
            for shard in range(known[name].shards)
        ]

    @property
    def compared(self) -> list[str]:
        """Return the names of the searches of the comparison: devices, strategy, effort and seed."""
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
        sections = self._searched(wildcards.strategy, int(wildcards.evaluations), wildcards.devices)
        return json.dumps({"seed": int(wildcards.seed), **sections})

    def _search_sections(self, strategy: str, evaluations: int, devices: str) -> dict[str, Any]:
        """Return the sections of the config of the searches that differ by their seeds alone."""
        separately = self.experiment.compare.separately
        search = self.experiment.with_search(
            strategy=strategy, evaluations=evaluations, devices=[devices] if separately else None
        )
        sections = _without_resources(search.raw)
        return {name: sections[name] for name in ("space", "accuracy", "devices", "search")}

    def batch_files(self, batch: str, devices: Iterable[str] | None = None) -> list[str]:
        """Return the proposals of a batch, their accuracies, and their latencies on some devices or on all."""
        folder = f"results/{{experiment}}/{batch}"
        accuracies = [f"{folder}/validation/{shard}.parquet" for shard in self.shards]
        return [f"{folder}/proposals.parquet", *accuracies, *self.batch_latencies(batch, devices)]

    def _bundle(self, verifications: int) -> str:
        """Return a file of the generator after some verification rounds, as a pattern."""
        last = verifications == len(self.verifications)
        return f"results/{{experiment}}/{'generator' if last else f'distilled/{verifications}'}/model.safetensors"

    def _verification(self, wildcards: Any) -> int:
        """Return the verification round that the wildcard names, or the last one."""
        return int(getattr(wildcards, "round", len(self.verifications)))

    def bundle_before(self, wildcards: Any) -> str:
        """Return a file of the generator before a verification round."""
        return self._bundle(self._verification(wildcards) - 1).format(experiment=wildcards.experiment)

    def known_before(self, wildcards: Any) -> str:
        """Return the table of all that was measured before a verification round."""
        return self._known(self._verification(wildcards) - 1).format(experiment=wildcards.experiment)

    def known_after(self, wildcards: Any) -> str:
        """Return the table of all that was measured when a verification round has ended."""
        return self._known(self._verification(wildcards)).format(experiment=wildcards.experiment)

    @staticmethod
    def _known(verifications: int) -> str:
        return f"results/{{experiment}}/{f'verified/{verifications}' if verifications else 'measurements'}.parquet"

    @property
    def occasions(self) -> list[str]:
        """Return the batches of a verification round's latencies, as patterns: by device, then by occasion."""
        verified = self.experiment.verified
        return [f"verify/{{round}}/{device}/{number}" for device, times in verified.items() for number in range(times)]

    def verification_files(self, wildcards: Any) -> list[str]:
        """Return the accuracies of a verification round, and its latencies by device, occasion and shard."""
        return self._verified(self.occasions, wildcards.experiment, wildcards.round)

    def _verified(self, occasions: Iterable[str], experiment: str, number: str) -> list[str]:
        """Return the accuracies of a verification round, and its latencies in some of :attr:`occasions`."""
        files = [f"results/{{experiment}}/verify/{{round}}/validation/{shard}.parquet" for shard in self.shards]
        files += [file for batch in occasions for file in self.batch_latencies(batch, [batch.split("/")[2]])]
        return [file.format(experiment=experiment, round=number) for file in files]

    def _before_verified_again(self, wildcards: Any) -> list[str]:
        """Return what is done before a device measures answers on another occasion, so that time passes between."""
        _, number, _, occasion = str(wildcards.batch).split("/")
        if occasion == "0":
            return []
        before = [batch for batch in self.occasions if batch.endswith(f"/{int(occasion) - 1}")]
        return self._verified(before, wildcards.experiment, number)

    def _rounds(self, wildcards: Any, devices: Iterable[str] | None = None) -> list[str]:
        files = [file for k in self.rounds for file in self.batch_files(f"rounds/{k}", devices)]
        return [file.format(experiment=wildcards.experiment) for file in files]

    def earlier_rounds(self, wildcards: Any) -> list[str]:
        """Return the lists of the files of the rounds before the one that the wildcard names."""
        return [f"results/{wildcards.experiment}/rounds/{k}/files.txt" for k in range(int(wildcards.round))]

    def all_rounds(self, wildcards: Any) -> list[str]:
        """Return the files of all rounds."""
        return self._rounds(wildcards)

    def rounds_of_accuracy(self, wildcards: Any) -> list[str]:
        """Return the files of all rounds without latencies."""
        return self._rounds(wildcards, [])

    def rounds_of_device(self, wildcards: Any) -> list[str]:
        """Return the files of all rounds with the latencies on the device that the wildcard names."""
        return self._rounds(wildcards, [wildcards.device])

    def frontiers_folder(self, wildcards: Any, input: Any) -> str:
        """Return the folder of a job's input ``frontiers``."""
        return os.path.dirname(input.frontiers[0])

    def cheap_before(self, wildcards: Any) -> list[str]:
        """Return the table of the cheap readings where they were made before the round that the wildcard names."""
        return [file.format(**wildcards) for file in self.cheap if int(wildcards.round)]

    def cheap_option_of_round(self, wildcards: Any) -> str:
        """Return the option that comes before the table of :meth:`cheap_before`, where there is one."""
        return self.cheap_option if int(wildcards.round) else ""

    def cheap_option_of_batch(self, wildcards: Any) -> str:
        """Return the option that says that a batch is read cheaply, where it is."""
        return "--cheap" if wildcards.batch == CHEAP else ""

    def first(self, wildcards: Any) -> str:
        """Return the option that says that it is the first round, where it is."""
        return "--first" if wildcards.batch == "rounds/0" else ""


def _resource(asked: Callable[[str, Any], int | str | None], name: str) -> Callable[[Any], int | str | None]:
    """Return the resources function of one resource, whose only parameter is ``wildcards``, as Snakemake wants it."""
    return lambda wildcards: asked(name, wildcards)


def _check_confidence(experiment: Experiment) -> None:
    """Check that a bound from so few measurements can hold with the confidence of the evaluation.

    Raises
    ------
    ConfigError
        If it cannot: the answers would be refused at the end.
    """
    evaluations, confidence = experiment.effort[0], experiment.evaluation.confidence
    n = min(evaluations, MAX_RESIDUALS)
    if confidence > n / (n + 1):
        raise ConfigError(
            f"evaluation.confidence: expected at most {n / (n + 1):.4g}, which {n} of {evaluations}"
            f" evaluations can support, got {confidence:g}"
        )


def _without_resources(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a config without resources."""

    def without(section: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in section.items() if key != "resources"}

    devices = {name: without(device) for name, device in raw["devices"].items()}
    return {**raw, "accuracy": without(raw["accuracy"]), "devices": devices}


def _changes_beneath(paths: Iterable[str]) -> str:
    """Return when files were last added to, replaced in or removed from the folders beneath some paths."""
    walks = (folder for path in paths for folder, _, _ in os.walk(path) if folder != path)
    return "".join(f" {folder}@{os.stat(folder).st_mtime_ns}" for folder in sorted(walks))


@cache
def _digest(path: str, changed_ns: int) -> str:
    """Return the checksum of a file that was last changed at a time; once for all jobs that read it."""
    return checksum(Path(path))


@cache
def _versions() -> str:
    """Return the versions of the installed packages that nagevo names, extras included, as one text."""
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in requires("nagevo") or ()}
    installed = []
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            installed.append(f"{name}={version(name)}")
    return " ".join(installed)
