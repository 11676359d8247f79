"""Suffixes of architecture texts: ``@r176@w0.75,1``, each a letter and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def joined(text: str, suffixes: Mapping[str, Sequence[float]]) -> str:
    """Return a text with those suffixes that have numbers, in the order given.

    >>> joined("2,3", {"r": [176], "w": [0.75, 1.0], "x": []})
    '2,3@r176@w0.75,1'
    """
    present = ((letter, [f"{value:.12g}" for value in values]) for letter, values in suffixes.items() if len(values))
    return "".join([text, *(f"@{letter}{','.join(values)}" for letter, values in present)])


def split(text: str, letters: str) -> tuple[str, dict[str, list[float]]]:
    """Return a text without its suffixes, and their numbers by letter.

    Raises
    ------
    ValueError
        If a suffix has another letter than these, or one comes twice or too early.

    >>> split("2,3@w0.75,1", "rw")
    ('2,3', {'w': [0.75, 1.0]})
    """
    first, *rest = text.split("@")
    found = [suffix[:1] for suffix in rest]
    if found != [letter for letter in letters if letter in found]:
        expected = ", then ".join(f"@{letter}…" for letter in letters)
        raise ValueError(f"expected after the layers at most {expected}, got @{'@'.join(rest)}")
    return first, {suffix[0]: [float(value) for value in suffix[1:].split(",")] for suffix in rest}


def at_pixels(text: str, resolution: float) -> str:
    """Return a text with its resolution as the first suffix, unless it has one.

    >>> at_pixels("2,3@w0.75", 176), at_pixels("2,3@r192", 176)
    ('2,3@r176@w0.75', '2,3@r192')
    """
    first, *rest = text.split("@")
    if any(suffix.startswith("r") for suffix in rest):
        return text
    return "@".join([first, f"r{resolution:.12g}", *rest])
