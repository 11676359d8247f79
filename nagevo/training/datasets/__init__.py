"""Labeled examples by name: images, arrays of numbers or sequences of tokens, in the shape that a space takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option, Signature
from nagevo.foundation.registry import Kind
from nagevo.training.datasets.base import (
    SPLITS,
    Dataset,
    Pool,
    Source,
    Split,
    check_fits,
    check_two_classes,
    report_imbalance,
)
from nagevo.training.datasets.inputs import KINDS, Inputs, described_inputs
from nagevo.training.datasets.splitting import choose_rows

DATASETS = Kind(
    "dataset",
    {
        "mnist5k": "nagevo.training.datasets.mnist5k:mnist5k",
        "idx": "nagevo.training.datasets.idx:idx",
        "huggingface": "nagevo.training.datasets.huggingface:huggingface",
        "arrays": "nagevo.training.datasets.arrays:arrays",
        "signals": "nagevo.training.datasets.signals:signals",
        "text": "nagevo.training.datasets.text:text",
    },
)
"""By name: functions of their own options that return a :class:`Source`."""

__all__ = [
    "DATASET",
    "DATASETS",
    "SPLITS",
    "Dataset",
    "Inputs",
    "Pool",
    "Source",
    "Split",
    "check_fits",
    "described_inputs",
    "load_dataset",
]


def load_dataset(
    name: Annotated[str, Option("Name of the dataset, or `package.module:function`.", component=DATASETS)],
    shape: tuple[int, ...],
    *,
    seed: int = 0,
    train: Annotated[
        float | None,
        Option("Number of training examples, or below 1 their fraction; null for all that are left.", gt=0),
    ] = None,
    validation: Annotated[
        float | None,
        Option(
            "Number of validation examples, or below 1 their fraction; null for the dataset's own split, or a tenth "
            "of the training examples if it has none.",
            gt=0,
        ),
    ] = None,
    test: Annotated[
        float | None,
        Option(
            "Number of test examples, or below 1 their fraction; null for the dataset's own split, or a fifth of "
            "the training examples if it has none.",
            gt=0,
        ),
    ] = None,
    crop: Annotated[
        float,
        Option(
            "Of images: side of the central square that is kept, as a fraction of the shorter side of the image.",
            gt=0,
            le=1,
        ),
    ] = 1.0,
    mean: Annotated[
        Sequence[float] | None,
        Option(
            "Mean of each channel for normalization; null for that of the training examples.", "of images: full scale"
        ),
    ] = None,
    std: Annotated[
        Sequence[Annotated[float, Option("", gt=0)]] | None,
        Option(
            "Standard deviation of each channel for normalization; null for that of the training examples.",
            "of images: full scale",
        ),
    ] = None,
    **options: Any,
) -> Dataset:
    """Return the dataset called ``name`` (built in, or ``package.module:function``) with its options.

    Parameters
    ----------
    shape : tuple of int
        Of an input; images are given the shape, other inputs have it.
    seed : int
        Fixes which examples belong to which split.
    **options
        Options of the dataset itself.

    Raises
    ------
    ConfigError
        If there is no such dataset or option.
    DataError
        If the examples cannot be read, or there are too few.
    """
    source = DATASETS.create(name, **options)
    if not isinstance(source, Source):
        expected = f"{Source.__module__}.{Source.__name__}"
        raise ConfigError(f'dataset "{name}": expected a {expected} from it, got {type(source).__name__}')
    kind, given = KINDS[source.kind], {"crop": crop, "mean": _fixed(mean), "std": _fixed(std)}
    known = {field.name for field in fields(kind)}
    foreign = [key for key, value in given.items() if key not in known and value != DATASET.parameters[key].default]
    if foreign:
        raise ConfigError(f"dataset.{foreign[0]}: the dataset {source.name} holds {source.kind}, which have none")
    own: dict[str, Any] = {key: value for key, value in given.items() if key in known}
    form = kind(tuple(shape), **own)
    rows = choose_rows(source, {"train": train, "validation": validation, "test": test}, seed=seed)
    dataset = Dataset(source, rows, form)
    check_two_classes(dataset.name, dataset.classes, dataset.labels("train"))
    dataset.check_readable()
    report_imbalance(dataset)
    return dataset


def _fixed(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


DATASET = Signature(load_dataset, provided=("shape", "seed"))
"""The options of a section ``dataset``."""
