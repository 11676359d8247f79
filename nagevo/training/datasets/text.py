"""A text as sequences of tokens, each of which is to be predicted from those before it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.options import Option
from nagevo.training.datasets.base import Pool, Source

OTHER = "\N{REPLACEMENT CHARACTER}"
"""Class of all tokens that a limited vocabulary leaves out."""


def text(
    *,
    path: Annotated[
        str | None,
        Option("Text file in UTF-8; null for the help texts of Python, which are installed with it.", path=True),
    ] = None,
    tokens: Annotated[Literal["characters", "bytes"], Option("Units into which the text is split.")] = "characters",
    length: Annotated[int, Option("Tokens in a sequence.", ge=1)] = 64,
    vocabulary: Annotated[
        int | None,
        Option("Different tokens: the most frequent ones, and one for all others; null for all that occur.", ge=2),
    ] = None,
) -> Source:
    """Return the consecutive sequences of a text; the label of each token is the next one.

    The splits are stretches of the text, one after the other, not a random choice: sequences beside one another are
    alike.

    Raises
    ------
    DataError
        If the file cannot be read, or holds less than ten sequences.
    """
    content, name = _content(path)
    if tokens == "bytes":
        indices = np.frombuffer(content.encode(), dtype=np.uint8).astype(np.int64)
        classes = tuple(f"{byte:#04x}" for byte in range(256))
    else:
        codes, indices = np.unique(np.array([ord(sign) for sign in content]), return_inverse=True)
        classes = tuple(map(chr, codes.tolist()))
    if vocabulary is not None and vocabulary < len(classes):
        indices, classes = _most_frequent(indices, classes, vocabulary)
    n = (len(indices) - 1) // length
    if n < 10:
        raise DataError(f"dataset {name}: expected at least ten sequences of {length} tokens, got {max(n, 0)}")
    inputs, following = (indices[start : start + n * length].reshape(n, length) for start in (0, 1))
    return Source(name, classes, {"train": Pool(inputs, following)}, kind="tokens")


def _most_frequent(indices: np.ndarray, classes: tuple[str, ...], n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return tokens and classes with the n - 1 most frequent classes, in their order, and a last one for all others."""
    counts = np.bincount(indices, minlength=len(classes))
    kept = np.sort(np.argsort(-counts, kind="stable")[: n - 1])
    number = np.full(len(classes), n - 1)
    number[kept] = np.arange(n - 1)
    return number[indices], (*(classes[index] for index in kept), OTHER)


def _content(path: str | None) -> tuple[str, str]:
    """Return the text and its name."""
    if path is None:
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics)), "pydoc_topics"
    file = Path(path).expanduser()
    try:
        return file.read_text(encoding="utf-8-sig"), file.stem
    except OSError as error:
        raise DataError(f"dataset.path: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"dataset.path: {path}: expected text in UTF-8, got the byte {error.object[error.start]:#x}"
        ) from None
