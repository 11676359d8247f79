"""The configuration of an experiment, read and checked, and the objects made of it."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagevo.deploy.config import DeployConfig
from nagevo.experiment.sections import (
    AccuracySection,
    CompareConfig,
    DeviceSection,
    EvaluationConfig,
    FidelitySection,
    SearchSection,
    Sections,
    SpaceSection,
    VerifyConfig,
)
from nagevo.foundation.errors import ConfigError, unknown
from nagevo.foundation.files import load_json, load_yaml
from nagevo.foundation.options import signature
from nagevo.generator.config import GeneratorConfig
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.search.config import EvolveConfig
from nagevo.spaces import SPACES

if TYPE_CHECKING:
    from nagevo.learn.fitting import SurrogateName
    from nagevo.measure.accuracy import Evaluator
    from nagevo.measure.latency.base import Device
    from nagevo.search import Strategy
    from nagevo.spaces.base import SearchSpace

VERIFICATION_OCCASIONS = 2
"""Occasions on which an answer is measured before it is given, where a second measurement gives another number."""

INTEGER_LIMIT = 2**63
"""Whole numbers in a config are smaller."""


@dataclass(frozen=True)
class Component:
    """A component of the experiment, its options, and the resources that its jobs ask the executor for."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceConfig:
    """A device of the experiment."""

    name: str
    backend: Component
    extra_measurements: int | str = 0
    shards: int = 1

    @property
    def measures(self) -> str:
        """Quantity that the device measures: a key of :data:`nagevo.foundation.quantities.QUANTITIES`."""
        from nagevo.measure.latency import quantity

        return quantity(self.backend.name, self.backend.options)

    @property
    def exact(self) -> bool:
        """Whether a second measurement gives the same number."""
        return BACKENDS.resolve(self.backend.name).exact

    @property
    def free(self) -> bool:
        """Whether a measurement costs nothing."""
        return BACKENDS.resolve(self.backend.name).free

    def create(self) -> Device:
        """Return the device."""
        return BACKENDS.create(self.backend.name, **self.backend.options)


@dataclass(frozen=True)
class SearchConfig:
    """The strategy, the number of evaluations and their rounds."""

    strategy: Component
    evaluations: int
    rounds: int | None
    shards: int

    @property
    def surrogate(self) -> SurrogateName:
        """Predictors of accuracy and latency: those of the strategy, or the default ones if it names none."""
        return self.strategy.options.get("surrogate", "mix")

    @property
    def prior(self) -> str | None:
        """Table of measurements that the search begins with, if the strategy has one."""
        return self.strategy.options.get("prior")


@dataclass(frozen=True)
class Experiment:
    """A validated configuration; ``raw`` is the same as plain dictionaries with every default filled in.

    ``components`` (``space`` and ``accuracy``) and ``devices`` lack the sections that a rule's command was not given.
    ``fidelity`` says how accuracies are read cheaply, where the strategy makes use of it.
    """

    name: str
    seed: int
    components: Mapping[str, Component]
    devices: Mapping[str, DeviceConfig]
    fidelity: FidelitySection | None
    search: SearchConfig
    evolve: EvolveConfig
    generator: GeneratorConfig
    verify: VerifyConfig
    evaluation: EvaluationConfig
    deploy: DeployConfig
    compare: CompareConfig
    raw: Mapping[str, Any]

    @property
    def exact(self) -> list[str]:
        """Names of the devices of which a second measurement gives the same number."""
        return [name for name, device in self.devices.items() if device.exact]

    @property
    def verified(self) -> dict[str, int]:
        """On how many occasions each device measures answers in a verification round, where it does.

        Those whose measurements cost nothing do not: they measure every candidate.
        """
        if not self.verify.rounds:
            return {}
        return {
            name: 1 if device.exact else VERIFICATION_OCCASIONS
            for name, device in self.devices.items()
            if not device.free
        }

    @property
    def dataset(self) -> str | None:
        """Name of the dataset on which accuracies are read, where there are any."""
        options = self.accuracy.options.get("dataset")
        return options["name"] if isinstance(options, Mapping) else None

    @property
    def space(self) -> Component:
        """The search space."""
        return self._component("space")

    @property
    def accuracy(self) -> Component:
        """The evaluator."""
        return self._component("accuracy")

    def _component(self, name: str) -> Component:
        if name not in self.components:
            raise ConfigError(f"the section {name} is missing from the given configuration")
        return self.components[name]

    @property
    def effort(self) -> tuple[int, int]:
        """Numbers of full and of cheap readings of accuracies in the search."""
        evaluations = self.search.evaluations
        return (evaluations, 0) if self.fidelity is None else self.fidelity.effort(evaluations)

    @property
    def cheap_cost(self) -> float:
        """Cost of all cheap readings, in units of a full one."""
        return 0 if self.fidelity is None else self.effort[1] * self.fidelity.cost

    def round_sizes(self) -> list[int]:
        """Return how many full readings each round makes."""
        return STRATEGIES.resolve(self.search.strategy.name).round_sizes(self.effort[0], self.search.rounds)

    def create_space(self) -> SearchSpace:
        """Return the search space."""
        return SPACES.create(self.space.name, **self.space.options)

    def create_evaluator(self, space: SearchSpace, *, cheap: bool = False) -> Evaluator:
        """Return the evaluator for the space, or the one that reads cheaply."""
        options = self.accuracy.options
        if cheap:
            if self.fidelity is None:
                raise ConfigError("accuracy.fidelities: expected the options of cheap readings, got none")
            options = _replaced(options, self.fidelity.options)
        return EVALUATORS.create(self.accuracy.name, space, seed=self.seed, **options)

    def open_evaluator(
        self,
        space: SearchSpace,
        weights: str | os.PathLike | None = None,
        *,
        trained: str | os.PathLike | None = None,
        cheap: bool = False,
    ) -> Evaluator:
        """Return the evaluator for the space, or the one that reads cheaply, with its trained weights.

        Parameters
        ----------
        weights : path, optional
            File written by the evaluator's :meth:`train`, where it has to be trained.
        trained : path, optional
            Folder in which the evaluator keeps the weights of the networks that it trains, if it does.

        Raises
        ------
        ConfigError
            If it has to be trained and there are no weights.
        """
        evaluator = self.create_evaluator(space, cheap=cheap)
        if weights is not None:
            evaluator.load(weights)
        elif evaluator.needs_training:
            raise ConfigError(
                f"evaluator {self.accuracy.name} has to be trained first: write its weights by `nagevo train` and give"
                " them with --weights"
            )
        if trained is not None and evaluator.keeps_weights:
            evaluator.keep(trained)
        return evaluator

    def create_strategy(self, space: SearchSpace, devices: tuple[str, ...]) -> Strategy:
        """Return the strategy for the devices, without any measurements yet."""
        strategy, n_full = self.search.strategy, self.effort[0]
        return STRATEGIES.create(strategy.name, space, devices, seed=self.seed, evaluations=n_full, **strategy.options)

    def with_search(
        self,
        *,
        strategy: str | None = None,
        evaluations: int | None = None,
        seed: int | None = None,
        devices: Collection[str] | None = None,
    ) -> Experiment:
        """Return the experiment with another strategy, effort or seed, or with some of its devices.

        The strategy has the options of ``compare.variants`` where that names it; the config's own keeps its options,
        and any other has its defaults.
        """
        raw = deepcopy(dict(self.raw))
        if seed is not None:
            raw["seed"] = seed
        if devices is not None:
            raw["devices"] = {name: raw["devices"][name] for name in devices}
        if strategy is not None and strategy != self.search.strategy.name:
            shared = {key: raw["search"][key] for key in ("evaluations", "rounds", "shards")}
            raw["search"] = shared | self.compare.variants.get(strategy, {"strategy": strategy})
        if evaluations is not None:
            raw["search"]["evaluations"] = evaluations
        return parse_config(raw)

    def check_size(self) -> None:
        """Check that the space has as many architectures as are to be evaluated.

        Raises
        ------
        ConfigError
            If it has fewer, or cannot be made of its options.
        """
        space, n_full = self.create_space(), self.effort[0]
        if n_full > space.size:
            raise ConfigError(f"search.evaluations: expected at most {space.size}, the size of {space}, got {n_full}")

    def device(self, name: str) -> DeviceConfig:
        """Return the settings of one device.

        Raises
        ------
        ConfigError
            If the experiment has no such device.
        """
        if not self.devices:
            raise ConfigError("the section devices is missing from the given configuration")
        if name not in self.devices:
            raise ConfigError(unknown("device", name, self.devices))
        return self.devices[name]


def load_config(source: str | Path) -> Experiment:
    """Return the experiment that a YAML or JSON file describes, or a JSON text with some of its sections.

    Raises
    ------
    ConfigError
        Naming every mistake in it at once.
    """
    if not str(source).strip():
        raise ConfigError("expected the configuration as a YAML file or as JSON text, got an empty text")
    inline = str(source).lstrip().startswith("{")
    where, text = ("the given configuration", str(source)) if inline else (str(source), _read(Path(source)))
    raw = _parsed(text, where)
    if raw is None:
        raise ConfigError(f"{where}: the file is empty")
    try:
        return parse_config(raw, partial=inline)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def parse_config(raw: Any, *, partial: bool = False) -> Experiment:
    """Return the experiment that nested dictionaries describe; ``partial`` allows sections to be absent.

    Raises
    ------
    ConfigError
        Naming every mistake in them at once.
    """
    try:
        problems = list(_no_data(raw, ""))
        raw = deepcopy(raw)
    except RecursionError:
        problems = ["it is nested too deeply"]
    filled: dict[str, Any] = {}
    if not problems:
        filled, problems = signature(Sections).check(raw, "", partial=partial)
        if not problems and "accuracy" in filled:
            problems = _wrong_fidelities(filled["accuracy"])
    if problems:
        raise ConfigError("; ".join(problems))
    search = filled["search"]
    return Experiment(
        name=filled["experiment"],
        seed=filled["seed"],
        components={
            name: _component(filled[name], kind)
            for name, kind in (("space", SpaceSection), ("accuracy", AccuracySection))
            if name in filled
        },
        devices={
            name: DeviceConfig(name, _component(device, DeviceSection), device["extra_measurements"], device["shards"])
            for name, device in filled.get("devices", {}).items()
        },
        fidelity=_fidelity(filled),
        search=SearchConfig(
            _component(search, SearchSection), search["evaluations"], search["rounds"], search["shards"]
        ),
        evolve=EvolveConfig(**filled["evolve"]),
        generator=GeneratorConfig(**filled["generator"]),
        verify=VerifyConfig(**filled["verify"]),
        evaluation=EvaluationConfig(**filled["evaluation"]),
        deploy=DeployConfig(**filled["deploy"]),
        compare=CompareConfig(**filled["compare"]),
        raw=filled,
    )


def check_file(path: str | Path) -> None:
    """Check that a config that Snakemake read is YAML or JSON without a key twice, of which Snakemake takes the last.

    Raises
    ------
    ConfigError
    """
    _parsed(_read(Path(path)), str(path))


def _parsed(text: str, where: str) -> Any:
    """Return the value of a text in JSON, or else in YAML, whose reader also says in which line a mistake is."""
    try:
        return load_json(text)
    except (ValueError, RecursionError):
        try:
            return load_yaml(text)
        except ValueError as error:
            raise ConfigError(f"{where} is not YAML: {error}") from None


def _read(path: Path) -> str:
    path = path.expanduser()
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"the configuration {path} cannot be read: {reason}") from None


def _component(section: Mapping[str, Any], kind: type) -> Component:
    """Return the component that a section names; keys that are not of the section itself are its options."""
    own = signature(kind)
    assert own.component is not None
    options = {key: value for key, value in section.items() if key not in own.parameters}
    return Component(section[own.component], options, section.get("resources", {}))


def _replaced(options: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with others in their place, in nested sections too.

    >>> _replaced({"path": "a", "training": {"epochs": 9, "clip": 1}}, {"training": {"epochs": 2}})
    {'path': 'a', 'training': {'epochs': 2, 'clip': 1}}
    """
    nested = {
        key: _replaced(options[key], value)
        for key, value in others.items()
        if isinstance(value, Mapping) and isinstance(options.get(key), Mapping)
    }
    return {**options, **others, **nested}


def _wrong_fidelities(accuracy: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each mistake in the options of cheap readings."""
    component, problems = _component(accuracy, AccuracySection), []
    for number, level in enumerate(accuracy["fidelities"]):
        options = _replaced(component.options, FidelitySection(**level).options)
        problems += EVALUATORS.check(component.name, options, f"accuracy.fidelities.{number}")[1]
    return problems


def _fidelity(filled: Mapping[str, Any]) -> FidelitySection | None:
    """Return how accuracies are read cheaply, if the strategy makes use of it."""
    levels = filled["accuracy"]["fidelities"] if "accuracy" in filled else ()
    strategy = filled["search"]["strategy"]
    return FidelitySection(**levels[0]) if levels and STRATEGIES.resolve(strategy).uses_cheap_readings else None


def _no_data(value: Any, where: str) -> Iterator[str]:
    """Yield one sentence for each part that JSON cannot hold: keys other than text, NaN and infinity, dates."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{where or 'the file'}: expected text as key, got {key!r}: write it in quotes"[:200]
            yield from _no_data(item, f"{where}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _no_data(item, f"{where}.{number}".strip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: expected a finite number, got {value}"
    elif isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
        yield f"{where}: expected a whole number below 2 to the power of 63, got one of {value.bit_length()} bits"
    elif not isinstance(value, str | int | float | None):
        yield f"{where}: expected text, a number, a list or a mapping, got {value!r}"[:200]
