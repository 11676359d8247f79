"""From a budget, or several limits, to an architecture: the generator as users call it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import cached_property
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from nagevo.foundation.errors import BundleError, DataError, DeviceError, InfeasibleBudget, NagevoError
from nagevo.foundation.machine import describe, stated
from nagevo.foundation.quantities import LATENCY
from nagevo.generator import bundle as files
from nagevo.generator.answering import Answering
from nagevo.generator.bundle import Bundle, find_bundle, locked
from nagevo.generator.candidates import Candidates
from nagevo.generator.networks import Networks
from nagevo.generator.requests import Quantities, Request
from nagevo.measure.status import ACCURACY

if TYPE_CHECKING:
    import torch

    from nagevo.generator.answer import Answer
    from nagevo.generator.knowledge import Knowledge
    from nagevo.generator.readings import Readings
    from nagevo.learn.predictor import Predictor
    from nagevo.spaces.base import SearchSpace

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""Names of devices: they become parts of the names of files and columns."""


@dataclass(frozen=True, eq=False, repr=False)
class Generator:
    """A trained generator, ready to answer; it never changes.

    Parameters
    ----------
    candidates : Candidates
        The architectures that may be answered, with what each device needs of them.
    description : mapping
        The experiment: ``experiment``, ``seed``, ``space``, ``accuracy``, ``machine``, ``versions``, ``evaluations``.
    bundle : Bundle, optional
        The bundle that it was read from, for knowledge and trained weights.
    learned : Knowledge, optional
        Read from the bundle where it is left out: answering does without.
    """

    candidates: Candidates
    description: Mapping[str, Any]
    bundle: Bundle | None = None
    learned: Knowledge | None = None

    @classmethod
    def of(cls, knowledge: Knowledge, description: Mapping[str, Any]) -> Generator:
        """Return the generator that answers from some knowledge."""
        return cls(knowledge.candidates(), description, None, knowledge)

    @classmethod
    def open(cls, folder: str | os.PathLike | None = None) -> Generator:
        """Return the generator in a bundle, by default the one below ``results/`` that was distilled last.

        See :func:`nagevo.load` for whose bundles to open.

        Raises
        ------
        BundleError
            If there is none, or it is damaged or of another version.
        """
        return cls._of_bundle(Bundle.open(find_bundle() if folder is None else folder))

    @classmethod
    def _of_bundle(cls, bundle: Bundle) -> Generator:
        arrays = bundle.arrays(files.ANSWERS)
        with bundle.reading(files.MANIFEST):
            for entry in bundle.manifest.get("conditions", {}).values():
                describe(entry)
        with bundle.reading(files.ANSWERS):
            candidates = Candidates.read(arrays, bundle.manifest["devices"])
            known = {"experiment": str, "seed": int, "space": dict, "accuracy": dict, "failures": list}
            for key, kind in known.items():
                if not isinstance(bundle.manifest[key], kind):
                    raise ValueError(f"{key} is not of the kind {kind.__name__}")
        return cls(candidates, bundle.manifest, bundle)

    def save(self, folder: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> Generator:
        """Write the bundle, whole or not at all, and return the generator in it.

        The experiment's devices that an earlier bundle in this place was adapted to are adapted again.

        Parameters
        ----------
        weights : path, optional
            The trained weights of the experiment's evaluator, as its :meth:`train` wrote them.
        """
        import logging

        from nagevo.generator.readings import Readings, adapted_files
        from nagevo.generator.saving import save

        with locked(folder):
            generator = self
            for device, path in adapted_files(folder).items():
                try:
                    generator = generator.with_device(device, Readings.read(path, self.space))
                except NagevoError as error:
                    logging.getLogger("nagevo").warning("nagevo: %s is left out: %s", path, error)
            knowledge = generator.knowledge if generator.learns else None
            return self._of_bundle(save(folder, knowledge, generator.candidates, generator.description, weights))

    @property
    def learns(self) -> bool:
        """Whether devices can be adapted; not if every network was measured, since no surrogates were learned then."""
        return self.learned is not None or (self.bundle is not None and files.MEASUREMENTS in self.bundle)

    @cached_property
    def knowledge(self) -> Knowledge:
        """The predictor and the model.

        Raises
        ------
        BundleError
            If there is none: see :attr:`learns`.
        """
        from nagevo.generator.knowledge import Knowledge

        if not self.learns:
            raise BundleError(
                f"the generator of {self.experiment} comes from measuring every network and has no surrogates to "
                "adapt: measure all networks on the new device too, with `nagevo catalog`"
            )
        return self.learned or Knowledge.read(cast(Bundle, self.bundle), self.space)

    @property
    def predictor(self) -> Predictor:
        """The best estimate of accuracy and latencies for every architecture."""
        return self.knowledge.predictor

    @cached_property
    def networks(self) -> Networks:
        """The networks of the experiment."""
        return Networks(self.description, self.bundle)

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.networks.space if self.learned is None else self.learned.space

    def __repr__(self) -> str:
        return f"<Generator of {self.experiment} for {', '.join(self.devices)}>"

    @property
    def folder(self) -> Path | None:
        """The bundle."""
        return None if self.bundle is None else self.bundle.folder

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.description.get("experiment", "")

    @property
    def seed(self) -> int:
        """Seed of the experiment."""
        return self.description["seed"]

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices that can be asked for."""
        return tuple(self.candidates.devices)

    @cached_property
    def _answering(self) -> Answering:
        return Answering(self.candidates, self.networks)

    @property
    def quantities(self) -> Quantities:
        """The quantities that the devices measure."""
        return self._answering.quantities

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of what can be limited, on any device."""
        return self._answering.limits

    def quantity(self, device: str | None = None) -> str:
        """Return the name of what a device measures: of the limit that a plain budget sets there."""
        return self._answering.table(device)[1].quantity

    def highest_confidence(self, device: str | None = None) -> float:
        """Return the highest confidence that can be asked for on a device: its measurements support no more."""
        return self._answering.table(device)[1].highest_confidence

    def supported(self, confidence: float, device: str | None = None) -> float:
        """Return a confidence, or the highest one that can be asked for on a device where that is lower."""
        return min(confidence, self.highest_confidence(device))

    @overload
    def generate(
        self, budgets: Request, *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> Answer: ...
    @overload
    def generate(
        self, budgets: Request, *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[Answer]: ...
    @overload
    def generate(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> list[Answer]: ...
    @overload
    def generate(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[list[Answer]]: ...
    def generate(
        self,
        budgets: Request | Iterable[Request],
        *,
        device: str | None = None,
        confidence: float = 0.9,
        n: int | None = None,
    ) -> Answer | list[Answer] | list[list[Answer]]:
        """Return the answer to a budget in ms or to several limits at once, or a list of answers to several requests.

        Parameters
        ----------
        budgets : float, mapping of str to float, or iterable of these
            A number limits what the device measures, such as its latency in ms; a mapping limits what its keys name:
            see :attr:`limits`. Of two limits on one quantity the tighter one counts.
        device : str, optional
            May be left out where the generator knows one device only.
        confidence : float
            Probability with which each latency has to keep its limit.
        n : int, optional
            Largest number of different networks for each request; the result then holds lists of them, the most
            accurate first.

        Raises
        ------
        InfeasibleBudget
            For the first request that no architecture holds; :meth:`answers` returns these instead.
        """
        single = isinstance(budgets, Mapping) or (hasattr(budgets, "__float__") and np.ndim(cast(Any, budgets)) == 0)
        asked: Iterable[Request] = [budgets] if single else budgets  # type: ignore[list-item,assignment]
        results = self._answering.answers(asked, device, confidence, n)
        for result in results:
            if isinstance(result, InfeasibleBudget):
                raise result
        given = [result if n is not None else result[0] for result in results]  # type: ignore[index]
        return given[0] if single else given  # type: ignore[return-value]

    @overload
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: None = None
    ) -> list[Answer | InfeasibleBudget]: ...
    @overload
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int
    ) -> list[list[Answer] | InfeasibleBudget]: ...
    def answers(
        self, budgets: Iterable[Request], *, device: str | None = None, confidence: float = 0.9, n: int | None = None
    ) -> list[Answer | InfeasibleBudget] | list[list[Answer] | InfeasibleBudget]:
        """Return for each request its answer (with ``n`` a list of them), or the error that says why there is none."""
        results = self._answering.answers(budgets, device, confidence, n)
        if n is not None:
            return results
        return [result[0] if isinstance(result, list) else result for result in results]

    def steps(self, *, device: str | None = None, confidence: float = 0.9) -> list[Answer]:
        """Return every answer that a device can get, each for the smallest budget that gets it, fastest first.

        Answers are a step function of the budget: an answer holds from its own budget up to that of the next.
        """
        device, _ = self._answering.table(device)
        self._answering.check_confidence(confidence, [device])
        budgets = self._answering.bounds(device, confidence)
        answers = self.generate(budgets, device=device, confidence=confidence)
        return [next(same) for _, same in groupby(answers, key=lambda answer: answer.architecture)]

    def others(self, device: str) -> list[str]:
        """Return the devices that measure another quantity than this one."""
        return self._answering.others(device)

    def offers(self, *, device: str | None = None, confidence: float = 0.9) -> dict[str, list[Any]]:
        """Return everything that is the answer to some limits, the most accurate first.

        The first row that keeps limits on the device's quantity, on costs and on what :meth:`others` measure is their
        answer.

        Returns
        -------
        dict of list
            Columns: ``architecture``, ``accuracy``, ``measured``, ``verified``, ``value`` and ``bound`` of the device's
            quantity, and by full name the values of the other limits.
        """
        device, _ = self._answering.table(device)
        return self._answering.offers(device, confidence)

    def adapt(
        self,
        name: str,
        measurements: Mapping[str, float | Iterable[float]],
        *,
        measures: str | None = None,
        exact: bool = False,
        condition: Mapping[str, Any] | None = None,
        save: bool = True,
        replace: bool = False,
    ) -> Generator:
        """Return a generator that knows one more device, or knows an added one better, by a few measurements.

        Nothing is trained: the latency is adapted from that of the known devices, and its bound widened to what so few
        measurements can say. This generator stays as it is.

        Parameters
        ----------
        name : str
            Name of the device.
        measurements : mapping of str to float, or to several of them
            By text of the architecture, latencies in ms, NaN where it failed on the device; best of :meth:`probes_for`
            the device. They add to those of earlier calls; several readings of one architecture count as their median.
        measures : str, optional
            The quantity of the numbers, a key of :data:`nagevo.foundation.quantities.QUANTITIES`; latency by default. A
            device that was added keeps its quantity.
        exact : bool
            Whether a second measurement gives the same number, so that a measured latency is its own bound.
        condition : mapping, optional
            The condition in which the device was timed, as an entry of ``conditions.json``; answers say it.
        save : bool
            Whether the bundle on disk gets the device as well. Devices that were added to it meanwhile are kept, and
            are in the generator that is returned.
        replace : bool
            Whether earlier measurements of the device are forgotten.

        Raises
        ------
        DeviceError
            If the name is that of a device of the experiment, or of one that measures something else, or cannot be one.
        DataError
            If a latency is not a positive number, or there are fewer than two.
        ArchitectureError
            If a text is not an architecture of the space.
        """
        from nagevo.generator.readings import Readings
        from nagevo.generator.saving import save_adapted

        if save and self.bundle is not None:
            with locked(self.bundle.place):
                bundle = self.bundle.again()
                options: dict[str, Any] = {"measures": measures, "exact": exact, "condition": condition}
                grown = self._of_bundle(bundle).adapt(name, measurements, save=False, replace=replace, **options)
                return self._of_bundle(save_adapted(bundle, grown.knowledge, grown.candidates, grown.description, name))
        self._check_name(name)
        readings = Readings.parse(self.space, measurements, measures or LATENCY, exact=exact, condition=condition)
        earlier = None if replace else self._joined(name, measures, readings.condition)
        if earlier is not None:
            readings = earlier.extended(replaced(readings, quantity=earlier.quantity))
        return self.with_device(name, readings)

    def check_adaptable(
        self, name: str, *, measures: str, condition: Mapping[str, Any] | None = None, replace: bool = False
    ) -> None:
        """Check before a device is measured that its measurements can be added; as :meth:`adapt` takes them.

        ``condition`` needs no more than its ``statistic`` and ``condition``.

        Raises
        ------
        DeviceError, OutputError
        """
        from nagevo.foundation.writing import check_folder

        self._check_name(name)
        if not replace:
            self._joined(name, measures, condition)
        if self.bundle is not None:
            check_folder(self.bundle.place, files.MANIFEST)

    def _joined(self, device: str, measures: str | None, condition: Mapping[str, Any] | None) -> Readings | None:
        """Return the earlier readings of an adapted device, None if there are none, which these ones join.

        They are in the experiment's file of the device, else in the bundle.
        """
        from nagevo.generator.readings import Readings, adapted_files

        path = None if self.bundle is None else adapted_files(self.bundle.place).get(device)
        earlier = self.knowledge.readings.get(device) if path is None else Readings.read(path, self.space)
        if earlier is None:
            return None
        if measures not in (None, earlier.quantity):
            raise DeviceError(
                f'device "{device}" measures {earlier.quantity}, got {measures}; give the new one another name'
            )
        told = [stated(each) for each in (earlier.condition, condition) if each is not None]
        if len(set(told)) > 1:
            raise DeviceError(
                f'device "{device}" was timed as {told[0]}, got {told[1]}; give the new one another name, or forget '
                "what was measured before (replace)"
            )
        return earlier

    def _check_name(self, device: str) -> None:
        """Check that a device of this name can be adapted."""
        if not isinstance(device, str) or not NAME.fullmatch(device):
            raise DeviceError(
                f'expected letters, digits, "_" and "-" as name of a device, at most 100 of them, got {device!r}'
            )
        if device == ACCURACY:
            raise DeviceError(f'"{ACCURACY}" cannot be the name of a device')
        known = self.candidates.devices.get(device)
        if known is not None and not known.adapted:
            raise DeviceError(f'device "{device}" was measured in the experiment; give the new one another name')

    def with_device(self, device: str, readings: Readings) -> Generator:
        """Return the generator with a device that has exactly these readings; nothing is written.

        Raises
        ------
        DataError
            If they are too few, or so far apart that what is predicted from them is no number.
        """
        from nagevo.generator.adaptation import adapted

        self._check_name(device)
        knowledge = adapted(self.knowledge, device, readings)
        candidates = knowledge.candidates(self.candidates, device)
        conditions = {name: told for name, told in self.description.get("conditions", {}).items() if name != device}
        if readings.condition is not None:
            conditions[device] = dict(readings.condition)
        description = {**self.description, "conditions": conditions}
        with np.errstate(over="ignore"):
            try:
                knowledge.check()
                candidates.check()
            except ValueError as error:
                raise DataError(f"nothing can be predicted from the values of {device}: {error}") from None
        return replaced(self, candidates=candidates, description=description, learned=knowledge)

    def probes_for(self, name: str, n: int | None = None, *, afresh: bool = False) -> list[str]:
        """Return the most informative architectures to measure on a device next, as texts.

        Parameters
        ----------
        name : str
            Name of a new device, or of one that was added and is to be measured further.
        n : int, optional
            Number of probes; by default the generator's own, less those measured already.
        afresh : bool
            Whether those measured already are to be measured again, as they have to be for ``adapt(replace=True)``.

        Raises
        ------
        DataError
            If ``n`` is not a whole number above 0.
        """
        from nagevo.generator.adaptation import next_probes

        if n is not None and (not isinstance(n, Integral) or n < 1):
            raise DataError(f"expected a whole number of probes, at least 1, got {n!r}")
        return self.space.to_text(next_probes(self.knowledge, name, n, afresh=afresh))

    def network(self, architecture: str, *, untrained: bool = False) -> torch.nn.Module:
        """Return the network of an architecture, as :meth:`nagevo.generator.answer.Answer.network` does."""
        return self.networks.network(architecture, untrained=untrained)
