"""Search spaces: which architectures exist, how they vary, and how they are written.

An architecture is a row of option indices, one for each choice; a population is one array of such rows. Every
operation takes and returns whole populations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces.memory import PEAK, WEIGHTS

if TYPE_CHECKING:
    import torch

MOST_OPTIONS = 128
"""Options that a choice can have: their indices are of the type int8."""


class SearchSpace(ABC):
    """A categorical space of architectures.

    A subclass sets :attr:`n_options` and defines the text form; where some combinations mean the same network, also
    :meth:`canonical` and :attr:`size`. A space whose architectures can be built also defines :meth:`network`,
    :attr:`input_shape` and :meth:`costs`.

    Attributes
    ----------
    n_options : tuple of int, length n_choices
        Number of options of each choice. Options are ordered from the cheapest to the most expensive wherever such an
        order exists: index 0 everywhere is the smallest architecture.
    choice_names : tuple of str, length n_choices
        Name of each choice, as shown to people.
    groups : tuple of int
        Numbers of successive choices that :meth:`sample_range` makes expensive together: those of the layers, say, then
        those of the whole network. One group of all choices if empty.
    resolutions : tuple of int
        Heights (and widths) in pixels of the images among which architectures choose, in increasing order; empty or
        one where they have no choice.
    vocabulary : int, optional
        Number of tokens of which inputs are sequences; None where inputs are numbers. Networks of tokens have the same
        attribute, and give logits for each token.

    Notes
    -----
    ``choices`` below is always an int8 array of shape (n_architectures, n_choices) of option indices.
    """

    n_options: tuple[int, ...]
    choice_names: tuple[str, ...]
    groups: tuple[int, ...] = ()
    resolutions: tuple[int, ...] = ()
    vocabulary: int | None = None

    @property
    def n_choices(self) -> int:
        """Number of choices of an architecture; a ConfigError where one has more than :data:`MOST_OPTIONS` options."""
        most = max(self.n_options, default=0)
        if most > MOST_OPTIONS:
            place = self.n_options.index(most) + 1
            raise ConfigError(
                f"{self}: expected at most {MOST_OPTIONS} options of a choice, got {most} of choice {place}"
            )
        return len(self.n_options)

    @property
    def size(self) -> int:
        """Number of distinct architectures in normal form: all combinations, by default."""
        return prod(self.n_options)

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the representative of each architecture: equal rows if and only if they mean the same network."""
        return choices.astype(np.int8)

    def normal(self, choices: np.ndarray) -> np.ndarray:
        """Return the form in which architectures are proposed, measured and counted: equal rows are measured once.

        It is the canonical form, unless what is measured tells texts of the same network apart, as tables do that
        list every text of a space.
        """
        return self.canonical(choices)

    @abstractmethod
    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return the text form of each architecture."""

    def words(self, choices: np.ndarray) -> list[str]:
        """Return what one architecture takes for each choice, as shown to people; ``choices``: shape (n_choices,).

        A choice that does not matter is "–".

        Examples
        --------
        >>> from nagevo.spaces import create_space
        >>> space = create_space("nasbench201")
        >>> space.words(space.extremes()[1])[0], space.choice_names[0]
        ('nor_conv_3x3', 'operation from node 0 to node 1')
        """
        return [f"option {option + 1} of {n}" for option, n in zip(choices.tolist(), self.n_options, strict=True)]

    def differences(self, before: np.ndarray, after: np.ndarray) -> list[str]:
        """Return a phrase for each choice in which two architectures, of shape (n_choices,), differ."""
        pairs = zip(self.choice_names, self.words(before), self.words(after), strict=True)
        return [f"{name}: {old} → {new}" for name, old, new in pairs if old != new]

    @abstractmethod
    def _parse(self, text: str) -> Sequence[int]:
        """Return the option indices of one text; raise ValueError saying what is wrong with it."""

    def from_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return the choices, shape (n_texts, n_choices), that the texts describe.

        Raises
        ------
        ArchitectureError
            If a text is not an architecture of this space.
        """
        rows = np.empty((len(texts), self.n_choices), dtype=np.int8)
        for i, text in enumerate(texts):
            try:
                rows[i] = self._checked(self._parse(text))
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                raise ArchitectureError(f"{str(text)[:120]!r} is not an architecture of {self}: {error}") from None
        return rows

    def _checked(self, row: Sequence[int]) -> Sequence[int]:
        """Return the option indices of one text; raise ValueError where they are no architecture."""
        if len(row) != self.n_choices:
            raise ValueError(f"expected {self.n_choices} choices, got {len(row)}")
        if not all(0 <= option < n for option, n in zip(row, self.n_options, strict=True)):
            raise ValueError("it names an option that a choice does not have")
        return row

    def check(self, choices: np.ndarray) -> np.ndarray:
        """Return the choices as an int8 array of shape (n, n_choices).

        Raises
        ------
        ArchitectureError
            If the shape or an index is out of range.
        """
        array = np.atleast_2d(np.asarray(choices))
        if array.ndim != 2 or array.shape[1] != self.n_choices:
            raise ArchitectureError(f"expected choices of shape (n, {self.n_choices}) for {self}, got {array.shape}")
        if array.size and ((array < 0) | (array >= np.asarray(self.n_options))).any():
            raise ArchitectureError(f"expected option indices below {self.n_options} for {self}")
        return array.astype(np.int8)

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features of surrogates: float32 of shape (n, n_features), equal for equal normal forms."""
        normal = self.normal(choices)
        one_hot = [normal[:, [i]] == np.arange(n) for i, n in enumerate(self.n_options)]
        return np.concatenate(one_hot, axis=1).astype(np.float32)

    def extremes(self) -> np.ndarray:
        """Return the smallest and the largest architecture, shape (2, n_choices)."""
        largest = np.asarray(self.n_options) - 1
        return self.normal(np.stack([np.zeros_like(largest), largest]).astype(np.int8))

    def sample(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n architectures, each choice drawn uniformly, in normal form; duplicates are possible."""
        return self.normal(rng.integers(0, self.n_options, size=(n, self.n_choices), dtype=np.int8))

    def sample_range(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n random architectures from small to large, in normal form; duplicates are possible.

        Each has its own tendency towards the expensive options, uniform in [0, 1], for each of :attr:`groups`;
        architectures of :meth:`sample` crowd in the middle of the range.
        """
        groups = self.groups or (self.n_choices,)
        tendencies = np.repeat(rng.random((n, len(groups))), groups, axis=1)
        return self.normal(rng.binomial(np.asarray(self.n_options) - 1, tendencies).astype(np.int8))

    def sample_distinct(self, n: int, *, rng: np.random.Generator, exclude: np.ndarray | None = None) -> np.ndarray:
        """Return n different architectures, none of them among ``exclude``.

        Raises
        ------
        ConfigError
            If the space does not have so many.
        """
        n_excluded = 0 if exclude is None else len(unique(self.normal(exclude)))
        if n > self.size - n_excluded:
            raise ConfigError(f"expected at most {self.size - n_excluded} new architectures from {self}, asked for {n}")
        found = np.empty((0, self.n_choices), dtype=np.int8)
        while len(found) < n:
            drawn = unique(np.concatenate([found, self.sample(2 * n + 16, rng=rng)]))
            found = drawn if exclude is None else without(drawn, self.normal(exclude))
        return found[:n]

    def mutate(self, choices: np.ndarray, *, rng: np.random.Generator, rate: float | None = None) -> np.ndarray:
        """Return each architecture with every choice redrawn with probability ``rate`` (default 1 / n_choices)."""
        rate = 1.0 / self.n_choices if rate is None else rate
        steps = 1 + rng.integers(0, np.maximum(np.asarray(self.n_options) - 1, 1), size=choices.shape)
        moved = (choices + steps) % np.asarray(self.n_options)
        return self.normal(np.where(rng.random(choices.shape) < rate, moved, choices).astype(np.int8))

    def crossover(self, first: np.ndarray, second: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        """Return a child of each pair of rows, every choice taken from either parent with equal probability."""
        return self.normal(np.where(rng.random(first.shape) < 0.5, first, second).astype(np.int8))

    def neighbors(self, choices: np.ndarray) -> np.ndarray:
        """Return the distinct architectures that differ from one architecture in a single choice.

        Parameters
        ----------
        choices : ndarray of int8, shape (n_choices,)

        Returns
        -------
        ndarray of int8, shape (n_neighbors, n_choices)
            In normal form, the architecture itself left out.
        """
        rows = np.repeat(choices[None], sum(self.n_options), axis=0)
        columns = np.repeat(np.arange(self.n_choices), self.n_options)
        rows[np.arange(len(rows)), columns] = np.concatenate([np.arange(n) for n in self.n_options])
        return without(unique(self.normal(rows)), self.normal(choices[None]))

    def enumerate(self) -> np.ndarray:
        """Return every architecture once, in normal form, shape (size, n_choices); only for spaces that fit."""
        shape = self.n_choices, prod(self.n_options)
        grid = np.indices(self.n_options, dtype=np.int8).reshape(shape).T
        return unique(self.normal(grid))

    @property
    def plain(self) -> SearchSpace:
        """The space without the choice of a precision: itself, unless it has one."""
        return self

    def plain_choices(self, choices: np.ndarray) -> np.ndarray:
        """Return the choices without that of the precision, those of :attr:`plain`; one row or several."""
        return choices

    def precisions_of(self, choices: np.ndarray) -> np.ndarray:
        """Return the precision of each architecture, ``fp32`` or ``int8``, shape (n,)."""
        return np.full(len(choices), "fp32")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input, without the batch, such as (channels, height, width); the largest where it differs."""
        raise ConfigError(f"{self} has no networks to build; use a table for its accuracies and latencies")

    def input_shape_of(self, choices: np.ndarray) -> tuple[int, ...]:
        """Return the shape of what the network of one architecture takes; ``choices`` has shape (n_choices,).

        It is :attr:`input_shape` unless architectures choose their resolution.
        """
        return self.input_shape

    def onnx_file(self, choices: np.ndarray) -> Path | None:
        """Return the ONNX file of one architecture, if the space consists of files; ``choices``: shape (n_choices,)."""
        return None

    def lists(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts of a table name architectures of this space: bool, shape (n_texts,).

        All must, unless the space is part of a larger one whose tables it reads; the other rows are then skipped.
        """
        return np.ones(len(texts), dtype=bool)

    def network(self, choices: np.ndarray) -> torch.nn.Module:
        """Return the untrained torch module of one architecture; ``choices`` has shape (n_choices,)."""
        raise ConfigError(f"{self} has no networks to build; use a table for its accuracies and latencies")

    def supernet(self, *, kernel_transform: bool = True) -> torch.nn.Module:
        """Return an untrained network that holds the weights of all architectures.

        Called with ``(inputs, choices, dropout=…)`` it returns the logits of one architecture; its
        ``subnetwork(choices)`` is that architecture as a plain network with a copy of its weights.
        """
        raise ConfigError(f"{self} has no supernet; take training or table as accuracy.evaluator")

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is known without measuring: ``parameters`` and ``macs`` of each architecture, where defined."""
        return {}

    def needs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return everything that can be limited without measuring: costs and memory, each of shape (n,)."""
        return self.costs(choices) | self.memory(choices)

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        """Return ``peak_memory_kb`` of activations and ``weights_kb`` of each architecture, in kB of 1,000 bytes.

        They are those of the exported ONNX graph for a batch of one, see :mod:`nagevo.spaces.memory`. By default each
        network is run once for it (milliseconds); a space whose shapes are known computes them.

        Parameters
        ----------
        choices : ndarray of int8, shape (n, n_choices)
        precision : str or ndarray of str, shape (n,)
            ``fp32`` or ``int8``, of all or of each.

        Returns
        -------
        dict of str to ndarray of float, shape (n,)
            Empty where the space builds no networks.
        """
        try:
            self.input_shape  # noqa: B018
        except ConfigError:
            return {}
        from nagevo.spaces.traced import memory_of

        precisions = np.broadcast_to(np.asarray(precision), (len(choices),)).tolist()
        rows = [
            memory_of(self.network(row), self.input_shape_of(row), each)
            for row, each in zip(choices, precisions, strict=True)
        ]
        return {name: np.array([row[name] for row in rows], dtype=float) for name in (PEAK, WEIGHTS)}

    def __str__(self) -> str:
        return f"space {type(self).__name__}"


def option_index(what: str, value: float | str, options: Sequence[float] | Sequence[str] | np.ndarray) -> int:
    """Return the place of a value among options; raise ValueError if it is not among them."""
    known: list[Any] = list(options)
    if value not in known:
        given, *texts = (each if isinstance(each, str) else f"{each:g}" for each in (value, *known))
        raise ValueError(f"{what} {given} is not one of {', '.join(texts)}")
    return known.index(value)


def unique(choices: np.ndarray) -> np.ndarray:
    """Return the distinct rows in the order in which they first appear."""
    _, first = np.unique(row_keys(choices), return_index=True)
    return choices[np.sort(first)]


def row_keys(choices: np.ndarray) -> np.ndarray:
    """Return one hashable key for each row, shape (n,), dtype void: equal keys if and only if equal rows."""
    if not choices.shape[1]:  # without a choice there is one architecture
        return np.zeros(len(choices), dtype="V1")
    choices = np.ascontiguousarray(choices, dtype=np.int8)
    return choices.view(np.dtype((np.void, choices.shape[1]))).ravel()


def among(choices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which rows are among the others, bool, shape (n,)."""
    if not len(choices) or not len(others):
        return np.zeros(len(choices), dtype=bool)
    return np.isin(row_keys(choices), row_keys(others))


def without(choices: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Return the rows that are not among the excluded ones, in order."""
    return choices[~among(choices, excluded)]


class RowIndex:
    """Finds the rows of architectures in a table that may grow.

    Parameters
    ----------
    choices : ndarray of int8, shape (n, n_choices), optional
        The table; of equal rows the last is found.

    Examples
    --------
    >>> index = RowIndex(np.array([[0, 1], [2, 0]]))
    >>> index.add(np.array([[1, 1]]))
    >>> index.rows(np.array([[1, 1], [0, 0], [2, 0]])).tolist()
    [2, -1, 1]
    """

    def __init__(self, choices: np.ndarray | None = None):
        self._row_of: dict[bytes, int] = {}
        self._n = 0
        if choices is not None:
            self.add(choices)

    def add(self, choices: np.ndarray) -> None:
        """Append rows to the table."""
        self._row_of |= {key: self._n + row for row, key in enumerate(row_keys(choices).tolist())}
        self._n += len(choices)

    def rows(self, choices: np.ndarray) -> np.ndarray:
        """Return the row of each architecture, shape (n,); -1 where the table has none."""
        return np.fromiter((self._row_of.get(key, -1) for key in row_keys(choices).tolist()), int, len(choices))
