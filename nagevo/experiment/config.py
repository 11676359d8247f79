"""The configuration of an experiment: the only place that knows its shape.

The manual of all keys, with defaults, units and ranges, is ``workflow/schemas/config.schema.yaml``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nagevo.foundation.errors import ConfigError, unknown
from nagevo.foundation.files import load_yaml
from nagevo.foundation.paths import project_root

if TYPE_CHECKING:
    from nagevo.measure.accuracy import Evaluator
    from nagevo.measure.latency import Device
    from nagevo.search import Strategy
    from nagevo.spaces import SearchSpace


@dataclass(frozen=True)
class Component:
    """A named part of the experiment, its options, and what its jobs ask the executor for."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceConfig:
    """One device: its backend, how many latencies beyond the evaluated architectures are read, and in how many jobs."""

    name: str
    backend: Component
    extra_measurements: int | str = 0
    shards: int = 1

    @property
    def measures(self) -> str:
        """What the device measures: a key of :data:`nagevo.foundation.quantities.QUANTITIES`."""
        from nagevo.measure.latency import quantity

        return quantity(self.backend.name, self.backend.options)

    def create(self) -> Device:
        """Open the device."""
        from nagevo.measure.latency import create_device

        return create_device(self.backend.name, **self.backend.options)


@dataclass(frozen=True)
class SearchConfig:
    """What is measured: the strategy, the number of evaluations and their rounds."""

    strategy: Component
    evaluations: int
    rounds: int | None
    shards: int

    def round_sizes(self) -> list[int]:
        """Return how many architectures each round proposes."""
        from nagevo.search import resolve_strategy

        return resolve_strategy(self.strategy.name).round_sizes(self.evaluations, self.rounds)


@dataclass(frozen=True)
class EvolveConfig:
    """Size of the evolution on the surrogates."""

    population: int
    generations: int


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of the generator and its distillation."""

    hidden: int
    steps: int
    batch: int
    learning_rate: float
    candidates: int
    probes: int
    synthetic_devices: int


@dataclass(frozen=True)
class EvaluationConfig:
    """How the answers are checked."""

    budgets: int
    confidence: float
    reference_point: tuple[float, float]


@dataclass(frozen=True)
class CompareConfig:
    """Which searches are compared."""

    strategies: tuple[str, ...]
    evaluations: tuple[int, ...]
    seeds: int
    separately: bool
    variants: Mapping[str, Mapping[str, Any]]
    reference: Mapping[str, str]


@dataclass(frozen=True)
class Experiment:
    """A validated configuration; ``raw`` is the same as plain dictionaries with every default filled in.

    ``space`` and ``accuracy`` are None, and ``devices`` is empty, where a rule's command was not given those sections.
    """

    name: str
    seed: int
    space: Component | None
    accuracy: Component | None
    devices: Mapping[str, DeviceConfig]
    search: SearchConfig
    evolve: EvolveConfig
    generator: GeneratorConfig
    evaluation: EvaluationConfig
    compare: CompareConfig
    raw: Mapping[str, Any]

    @property
    def dataset(self) -> str | None:
        """Name of the images on which accuracies are read, where there are any."""
        options = self.accuracy.options.get("dataset")
        return options["name"] if isinstance(options, Mapping) else None

    def create_space(self) -> SearchSpace:
        """Return the search space."""
        from nagevo.spaces import create_space

        return create_space(self.space.name, **self.space.options)

    def create_evaluator(self, space: SearchSpace) -> Evaluator:
        """Return the evaluator for the space."""
        from nagevo.measure.accuracy import create_evaluator

        return create_evaluator(self.accuracy.name, space, seed=self.seed, **self.accuracy.options)

    def create_strategy(self, space: SearchSpace, devices: tuple[str, ...]) -> Strategy:
        """Return the strategy that serves the devices, told nothing yet."""
        from nagevo.search import create_strategy

        strategy, evaluations = self.search.strategy, self.search.evaluations
        return create_strategy(
            strategy.name, space, devices, seed=self.seed, evaluations=evaluations, **strategy.options
        )

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
        space = self.create_space()
        if self.search.evaluations > space.size:
            raise ConfigError(
                f"search.evaluations: expected at most {space.size}, the size of {space}, got {self.search.evaluations}"
            )

    def device(self, name: str) -> DeviceConfig:
        """Return the settings of one device.

        Raises
        ------
        ConfigError
            If the experiment has no such device.
        """
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
    inline = str(source).lstrip().startswith("{")
    where, text = ("the given configuration", str(source)) if inline else (str(source), _read(Path(source)))
    try:
        raw = load_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from None
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
    except RecursionError:
        problems = ["it is nested too deeply"]
    if not problems:
        filled = _filled(schema(), deepcopy(raw))
        problems = list(_problems(filled, partial))
    if problems:
        raise ConfigError("; ".join(problems))
    for part, definition in _components(filled):
        part |= _filled(definition, part)
    return Experiment(
        name=filled["experiment"],
        seed=filled["seed"],
        space=_component(filled["space"], "name") if "space" in filled else None,
        accuracy=_component(filled["accuracy"], "evaluator", "resources") if "accuracy" in filled else None,
        devices={
            name: DeviceConfig(
                name,
                _component(device, "backend", "resources", "extra_measurements", "shards"),
                device.get("extra_measurements", 0),
                device.get("shards", 1),
            )
            for name, device in filled.get("devices", {}).items()
        },
        search=SearchConfig(
            strategy=_component(filled["search"], "strategy", "evaluations", "rounds", "shards"),
            evaluations=filled["search"]["evaluations"],
            rounds=filled["search"]["rounds"],
            shards=filled["search"]["shards"],
        ),
        evolve=EvolveConfig(**filled["evolve"]),
        generator=GeneratorConfig(**filled["generator"]),
        evaluation=EvaluationConfig(
            **filled["evaluation"] | {"reference_point": tuple(filled["evaluation"]["reference_point"])}
        ),
        compare=CompareConfig(
            strategies=tuple(filled["compare"]["strategies"]),
            evaluations=tuple(filled["compare"]["evaluations"]),
            seeds=filled["compare"]["seeds"],
            separately=filled["compare"]["separately"],
            variants=filled["compare"]["variants"],
            reference=filled["compare"]["reference"],
        ),
        raw=filled,
    )


@cache
def schema() -> dict[str, Any]:
    """Return the schema of the configuration."""
    return yaml.safe_load((project_root() / "workflow/schemas/config.schema.yaml").read_text())


_KINDS = {"space": "name", "accuracy": "evaluator", "search": "strategy", "device": "backend", "dataset": "name"}


def component_schema(kind: str, name: str) -> dict[str, Any] | None:
    """Return the schema of a built-in component's options, or None where the component is the user's own class."""
    return schema()["$defs"].get(f"{kind}.{name}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"the configuration {path} cannot be read: {reason}") from None


def _component(section: Mapping[str, Any], name_key: str, *other_keys: str) -> Component:
    options = {key: value for key, value in section.items() if key not in {name_key, *other_keys}}
    return Component(section[name_key], options, section.get("resources", {}) if "resources" in other_keys else {})


def _filled(definition: Mapping[str, Any], value: Any) -> Any:
    """Return the value with the schema's defaults in the places of absent keys."""
    if not isinstance(value, dict):
        return value
    for key, sub in definition.get("properties", {}).items():
        if key not in value and "default" in sub:
            value[key] = deepcopy(sub["default"])
        if key in value:
            value[key] = _filled(sub, value[key])
    every = definition.get("additionalProperties")
    if isinstance(every, dict):
        value = {key: _filled(every, item) for key, item in value.items()}
    return value


def _no_data(value: Any, where: str) -> Iterator[str]:
    """Yield one sentence for each part that JSON could not say: keys that are no text, NaN and infinity, dates."""
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
    elif not isinstance(value, str | int | float | None):
        yield f"{where}: expected text, a number, a list or a mapping, got {value!r}"[:200]


def _problems(filled: Any, partial: bool) -> Iterator[str]:
    """Yield one sentence for each mistake, in the order of the file."""
    whole = {key: value for key, value in schema().items() if not (partial and key == "required")}
    yield from _violations(whole, filled, "")
    if not isinstance(filled, dict):
        return
    for kind, section, where in _sections(filled):
        name, key = section.get(_KINDS[kind]), _KINDS[kind]
        if not isinstance(name, str) or ":" in name:
            continue
        definition = component_schema(kind, name)
        if definition is None:
            names = [entry.split(".", 1)[1] for entry in schema()["$defs"] if entry.startswith(f"{kind}.")]
            yield f"{where}: {unknown(key, name, [*names, 'package.module:Class'])}"
            continue
        shared = _shared_properties(kind)
        allowed = {**shared, **definition["properties"]}
        closed = {**definition, "type": "object", "properties": allowed, "additionalProperties": False}
        own = {item: value for item, value in section.items() if item not in shared}
        yield from _violations(closed, own, where)
    yield from _unknown_strategies(filled)


def _unknown_strategies(filled: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each name in ``compare.strategies``, which names files, that is none."""
    compare = filled["compare"] if isinstance(filled["compare"], dict) else {}
    names, variants = (compare.get(key) for key in ("strategies", "variants"))
    known = [entry.removeprefix("search.") for entry in schema()["$defs"] if entry.startswith("search.")]
    known += variants if isinstance(variants, dict) else []
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and name not in known:
            yield f"compare.strategies: {unknown('strategy', name, known)}"


def _shared_properties(kind: str) -> dict[str, Any]:
    """Return the keys that a section of this kind has whichever component it names."""
    if kind == "dataset":
        return schema()["$defs"]["accuracy.supernet"]["properties"]["dataset"]["properties"]
    properties = schema()["properties"]
    return (properties["devices"]["additionalProperties"] if kind == "device" else properties[kind])["properties"]


def _sections(filled: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield kind, content and place of every section that names a component."""
    for kind in ("space", "accuracy", "search"):
        if isinstance(filled.get(kind), dict):
            yield kind, filled[kind], kind
    compare = filled.get("compare")
    variants = compare.get("variants") if isinstance(compare, dict) else None
    for name, variant in (variants if isinstance(variants, dict) else {}).items():
        if isinstance(variant, dict):
            yield "search", variant, f"compare.variants.{name}"
    for where in ("accuracy", "search.supernet"):
        section: Any = filled
        for key in [*where.split("."), "dataset"]:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict):
            yield "dataset", section, f"{where}.dataset"
    devices = filled.get("devices")
    if isinstance(devices, dict):
        for name, device in devices.items():
            if isinstance(device, dict):
                yield "device", device, f"devices.{name}"


def _components(filled: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each built-in component's section with the schema of its options."""
    for kind, section, _ in _sections(filled):
        definition = component_schema(kind, section[_KINDS[kind]])
        if definition is not None:
            yield section, definition


def _violations(definition: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    """Yield one sentence for each violation of a schema."""
    for error in _validator()(definition).iter_errors(value):
        place = ".".join([where, *map(str, error.absolute_path)]).strip(".")
        prefix = f"{place}: " if place else ""
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            yield from (f"{prefix}{unknown('key', key, known)}" for key in error.instance if key not in known)
        elif error.validator == "required":
            yield f"{prefix}{error.message.replace(' is a required property', ' is missing')}"
        else:
            yield f"{prefix}expected {_expectation(error)}, got {json.dumps(error.instance, default=str)[:80]}"


@cache
def _validator() -> type:
    """Return the validator of schemas, to which 3.0 is no integer: Python cannot count to it."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    types = Draft202012Validator.TYPE_CHECKER
    strict = types.redefine("integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool))
    return extend(Draft202012Validator, type_checker=strict)


def _expectation(error: Any) -> str:
    """Return what a violated keyword of the schema asks for, in words."""
    words = {
        "type": lambda v: " or ".join(v) if isinstance(v, list) else v,
        "minimum": lambda v: f"at least {v}",
        "maximum": lambda v: f"at most {v}",
        "exclusiveMinimum": lambda v: f"more than {v}",
        "exclusiveMaximum": lambda v: f"less than {v}",
        "enum": lambda v: f"one of {', '.join(map(str, v))}",
        "pattern": lambda v: f"text that matches {v}",
        "not": lambda v: f"another name than {v['const']}",
        "minProperties": lambda v: f"at least {v} entry",
        "minItems": lambda v: f"at least {v} values",
        "maxItems": lambda v: f"at most {v} values",
        "oneOf": lambda v: " or ".join(_alternative(option) for option in v),
        "anyOf": lambda v: " or ".join(_alternative(option) for option in v),
    }
    describe = words.get(error.validator)
    return describe(error.validator_value) if describe else f"{error.validator} {error.validator_value}"


def _alternative(option: Mapping[str, Any]) -> str:
    kind = option.get("const", option.get("type", "a value"))
    return f"{kind} of at least {option['minimum']}" if "minimum" in option else str(kind)
