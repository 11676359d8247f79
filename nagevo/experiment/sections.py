"""The sections of a configuration, each key declared once: its type, its range, its default and its meaning.

See :mod:`nagevo.foundation.options`. The reference of all keys, ``docs/config.md``, and
``workflow/schemas/config.schema.yaml`` are written by ``python -m nagevo.experiment.schema``.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from nagevo.deploy.config import DeployConfig
from nagevo.foundation.errors import ConfigError, unknown
from nagevo.foundation.options import Option, signature
from nagevo.generator.config import GeneratorConfig
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.search.config import EvolveConfig
from nagevo.spaces import SPACES

Resources = Annotated[
    Mapping[str, int | str],
    Option("Cluster resources of the jobs of this section, as in a Snakemake rule; they do not affect results."),
]


@dataclass(frozen=True)
class SpaceSection:
    """The search space and its options."""

    name: Annotated[str, Option("Name of the space, or `package.module:Class`.", component=SPACES)]


class FidelitySection:
    """Cheap readings of accuracies.

    Attributes
    ----------
    options : mapping
        Options of the evaluator that replace its own; in nested sections, those given replace the same ones only.
    """

    def __init__(
        self,
        *,
        cost: Annotated[float, Option("Cost of a cheap reading, in units of a full one.", gt=0, lt=1)],
        share: Annotated[float, Option("Share of `search.evaluations` spent on cheap readings.", gt=0, lt=1)] = 0.3,
        **options: Any,
    ):
        self.cost, self.share, self.options = cost, share, options

    def effort(self, evaluations: int) -> tuple[int, int]:
        """Return the numbers of full and of cheap readings that together cost at most ``evaluations`` full ones.

        >>> FidelitySection(cost=0.06, share=0.3).effort(100)
        (70, 500)
        """
        spent = math.floor(self.share * evaluations + 1e-9)
        return evaluations - spent, math.floor(spent / self.cost + 1e-9)


@dataclass(frozen=True)
class AccuracySection:
    """The evaluator that reads accuracies, and its options."""

    evaluator: Annotated[str, Option("Name of the evaluator, or `package.module:Class`.", component=EVALUATORS)]
    fidelities: Annotated[
        Sequence[Any],
        Option(
            "Kinds of cheap readings, at most one: the cost of a reading, and options that replace those of the "
            "evaluator, such as `column` or `training: {epochs: 5}`.",
            each=FidelitySection,
            max_length=1,
        ),
    ] = ()
    resources: Resources = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceSection:
    """One device: its backend with the backend's options, and how its measurements are split into jobs."""

    backend: Annotated[str, Option("Name of the backend, or `package.module:Class`.", component=BACKENDS)]
    extra_measurements: Annotated[
        Annotated[int, Option("", ge=0)] | Literal["all"],
        Option(
            "Number of architectures whose latency, but not accuracy, is measured before the first round; `all` "
            "for the whole space."
        ),
    ] = 0
    shards: Annotated[
        int,
        Option(
            "Number of parallel jobs that a round's measurements are split into, if several equal devices "
            "are available.",
            ge=1,
        ),
    ] = 1
    resources: Resources = field(default_factory=dict)


@dataclass(frozen=True)
class SearchSection:
    """The strategy that proposes architectures, its options, and the effort."""

    strategy: Annotated[str, Option("Name of the strategy, or `package.module:Class`.", component=STRATEGIES)] = (
        "evolution"
    )
    evaluations: Annotated[
        int,
        Option(
            "Number of distinct architectures whose accuracy is evaluated; with `accuracy.fidelities` the cost of "
            "all readings, in units of a full one.",
            ge=1,
        ),
    ] = 200
    rounds: Annotated[
        int | None,
        Option("Number of rounds that the evaluations are split into; null for the strategy's default.", ge=1),
    ] = None
    shards: Annotated[
        int, Option("Number of parallel jobs that a round's evaluations of accuracies are split into.", ge=1)
    ] = 2


@dataclass(frozen=True)
class VariantSection:
    """A strategy with options, for the comparison."""

    strategy: Annotated[str, Option("Name of the strategy, or `package.module:Class`.", component=STRATEGIES)]


@dataclass(frozen=True)
class EvaluationConfig:
    """How the answers are checked at the end."""

    budgets: Annotated[int, Option("Number of budgets for each device, evenly spaced over its frontier.", ge=1)] = 20
    confidence: Annotated[
        float,
        Option(
            "Probability with which an answer has to keep its budget; where the measurements of a device do not "
            "support it, the highest that they do.",
            gt=0,
            lt=1,
        ),
    ] = 0.9
    occasions: Annotated[
        int,
        Option(
            "Number of occasions, spread over the rest of the run, on which answers are timed again; their "
            "median is used.",
            ge=1,
        ),
    ] = 3
    reference_point: Annotated[
        Sequence[Annotated[float, Option("", gt=0)]],
        Option(
            "Reference point of the hypervolume: error and latency, scaled so that the frontier spans 0 to 1.",
            min_length=2,
            max_length=2,
        ),
    ] = (1.1, 1.1)


@dataclass(frozen=True)
class VerifyConfig:
    """How answers are measured, and learned from, before they are given."""

    rounds: Annotated[
        int,
        Option(
            "Maximum number of rounds after the search in which unmeasured answers are measured; 0 leaves them "
            "predicted.",
            ge=0,
        ),
    ] = 2


@dataclass(frozen=True)
class CompareConfig:
    """The searches that the target `compare` compares; each is one job."""

    strategies: Annotated[Sequence[str], Option("Names of strategies, or of variants.")] = ("random", "evolution")
    evaluations: Annotated[
        Sequence[Annotated[int, Option("", ge=1)]], Option("Numbers of evaluations of the searches.")
    ] = (200,)
    seeds: Annotated[
        int,
        Option("Number of searches with each strategy and number of evaluations; their seeds are 0, 1, 2, ….", ge=1),
    ] = 5
    separately: Annotated[bool, Option("Whether each device is searched alone instead of all in one search.")] = False
    variants: Annotated[
        Mapping[str, Any],
        Option(
            "Strategies with options, by a name of your own under which they are compared.",
            each=VariantSection,
            keys=r"^[A-Za-z0-9_]+$",
        ),
    ] = field(default_factory=dict)
    reference: Annotated[
        Mapping[str, str],
        Option(
            "For spaces too large to enumerate: for each device, a table with accuracies and latencies of the "
            "best-known frontier.",
            path=True,
        ),
    ] = field(default_factory=dict)

    def __post_init__(self):
        taken = [name for name in self.variants if name in STRATEGIES]
        if taken:
            raise ConfigError(f"variants: {', '.join(taken)} is a strategy; choose a name of your own for its variant")
        known = [*STRATEGIES, *self.variants]
        wrong = [unknown("strategy", name, known) for name in self.strategies if name not in known]
        if wrong:
            raise ConfigError(f"strategies: {'; '.join(wrong)}")


@dataclass(frozen=True)
class Sections:
    """A nagevo experiment. Accuracies are in percent and latencies in milliseconds."""

    space: Annotated[Mapping[str, Any], Option("The search space.", of=SpaceSection)]
    accuracy: Annotated[Mapping[str, Any], Option("How accuracies are read.", of=AccuracySection)]
    devices: Annotated[
        Mapping[str, Any],
        Option(
            "The devices whose frontiers are learned, by name; all share the accuracies.",
            each=DeviceSection,
            keys=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
            min_length=1,
        ),
    ]
    experiment: Annotated[
        str,
        Option(
            "Name of the experiment; its files lie in results/<experiment>/.", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
        ),
    ] = "experiment"
    seed: Annotated[int, Option("Seed of every random number of the experiment.", ge=0)] = 0
    search: Annotated[Mapping[str, Any], Option("The search.", of=SearchSection)] = field(default_factory=dict)
    evolve: Annotated[Mapping[str, Any], Option("The evolution on the surrogates.", of=EvolveConfig)] = field(
        default_factory=dict
    )
    generator: Annotated[Mapping[str, Any], Option("The generator and its distillation.", of=GeneratorConfig)] = field(
        default_factory=dict
    )
    verify: Annotated[Mapping[str, Any], Option("The verification of the answers.", of=VerifyConfig)] = field(
        default_factory=dict
    )
    evaluation: Annotated[Mapping[str, Any], Option("The check of the answers.", of=EvaluationConfig)] = field(
        default_factory=dict
    )
    deploy: Annotated[Mapping[str, Any], Option("The networks that are delivered.", of=DeployConfig)] = field(
        default_factory=dict
    )
    compare: Annotated[Mapping[str, Any], Option("The comparison of strategies.", of=CompareConfig)] = field(
        default_factory=dict
    )

    def __post_init__(self):
        if "accuracy" in self.devices:
            raise ConfigError('devices: "accuracy" cannot be the name of a device')


def named_files(sections: Mapping[str, Any]) -> list[str]:
    """Return the files that options of some sections name; for a folder, the files that lie in it."""
    return [file for path in signature(Sections).paths(sections) for file in _files(path)]


def named_code(sections: Mapping[str, Any]) -> list[str]:
    """Return the components and functions of the user's own that some sections name, as ``package.module:name``."""
    return re.findall(r'"([A-Za-z_][\w.]*:[A-Za-z_]\w*)"', json.dumps(sections))


def _files(path: str) -> list[str]:
    """Return a file, or the files in a folder, as paths."""
    if os.path.isdir(path):
        return sorted(entry.path for entry in os.scandir(path) if entry.is_file())
    return [path] if os.path.isfile(path) else []
