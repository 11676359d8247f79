"""Mistakes in options, in words: one sentence for each place of a config at which something is wrong."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "letters, digits and the signs _ . -, of which a letter or digit is the first",
    r"^[A-Za-z0-9][A-Za-z0-9_-]*$": "letters, digits and the signs _ -, of which a letter or digit is the first",
    r"^[A-Za-z0-9_]+$": "letters, digits and the sign _",
    r"\{model\}": "a command with {model} in it, the place of the ONNX file",
}
"""By pattern of an option, the texts that it allows, in words."""


def no_path(text: str, where: str) -> list[str]:
    """Return the sentence on a text that names no file or folder; an empty one would be the current folder."""
    return [] if text.strip() else [f"{where}: expected the path of a file or folder, got {shown(text)}"]


def place_of(where: str) -> str:
    """Return the beginning of a sentence about a place in the config; empty for the config itself."""
    return f"{where}: " if where else ""


def shown(value: Any) -> str:
    """Return a value of a config as it is quoted in a message."""
    return "nothing" if value is None else json.dumps(value, default=str)[:80]


def keys_to(value: Any, location: Sequence[int | str]) -> list[int | str]:
    """Return the keys that lead to a value; pydantic's location may end with an alternative of a union."""
    keys: list[int | str] = []
    for key in location:
        within = key in value if isinstance(value, dict) else isinstance(value, list) and key in range(len(value))
        if not within:
            break
        keys.append(key)
        value = value[key]
    return keys


def sentences_of(errors: Sequence[Mapping[str, Any]], own: Mapping[str, Any], where: str) -> list[str]:
    """Return one sentence for each place at which pydantic found errors."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for error in errors:
        keys = [*([where] if where else []), *map(str, keys_to(own, error["loc"]))]
        if error["type"] == "missing" and isinstance(error["loc"][-1], str):
            keys.append(str(error["loc"][-1]))
        found.setdefault(".".join(keys), []).append(error)
    sentences = []
    for place, group in found.items():
        if group[0]["type"] == "missing" and isinstance(group[0]["loc"][-1], str):
            holder, _, key = place.rpartition(".")
            sentences.append(f"{place_of(holder)}'{key}' is missing")
        else:
            words = dict.fromkeys(_expectation(error) for error in group)
            value = group[0]["input"]
            sentences.append(f"{place}: expected {' or '.join(words)}, got {shown(value)}{_nearest(group, value)}")
    return sentences


def _choices(error: Mapping[str, Any]) -> list[str]:
    """Return the allowed choices that pydantic lists in an error."""
    return re.split(", | or ", error["ctx"]["expected"].replace("'", ""))


def _nearest(errors: Sequence[Mapping[str, Any]], value: Any) -> str:
    """Return the question whether the nearest choice was meant, if there is one near a value."""
    choices = [choice for error in errors if error["type"] == "literal_error" for choice in _choices(error)]
    near = difflib.get_close_matches(str(value), choices, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _expectation(error: Mapping[str, Any]) -> str:
    """Return the expected values of a pydantic error, in words."""
    context, words = error.get("ctx", {}), {
        "int_type": "a whole number",
        "float_type": "a number",
        "string_type": "text",
        "bool_type": "true or false",
        "list_type": "a list",
        "tuple_type": "a list",
        "dict_type": "a mapping",
        "mapping_type": "a mapping",
        "missing": "more values",
        "greater_than_equal": "at least {ge}",
        "greater_than": "more than {gt}",
        "less_than_equal": "at most {le}",
        "less_than": "less than {lt}",
        "too_short": "at least {min_length} values",
        "too_long": "at most {max_length} values",
        "string_too_short": "a text that is not empty",
    }  # fmt: skip
    if error["type"] == "literal_error":
        return f"one of {', '.join(_choices(error))}"
    if error["type"] == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    if error["type"] in words:
        numbers = {key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()}
        return words[error["type"]].format(**numbers)
    return error["msg"][:1].lower() + error["msg"][1:]
