"""JSON, YAML and other files on disk: read with clear errors, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from nagevo.foundation.errors import DataError, NagevoError
from nagevo.foundation.writing import replacing

EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+\Z")
"""A number with an exponent, in the spellings of YAML 1.2 and JSON."""


def load_yaml(text: str | bytes) -> object:
    """Return the value of a YAML text; only plain values, never an object that runs code.

    Numbers with an exponent are numbers in every spelling, as in YAML 1.2: ``3e-4``, which YAML 1.1 takes for text. A
    key that stands twice in a mapping is refused, as there; PyYAML takes the last one.

    Raises
    ------
    ValueError
        With one line that says why it is not YAML.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_yaml_loader())
    except Exception as error:  # PyYAML raises many kinds for values that are not what their tag says
        raise ValueError(one_line(error)) from None


@cache
def _yaml_loader() -> type:
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML's safe loader with the numbers of YAML 1.2, and its different keys."""

        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            node = super().compose_mapping_node(anchor)
            lines: dict[str, int] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    line = key.start_mark.line + 1
                    if key.value in lines:
                        raise ValueError(f'line {line} repeats the key "{key.value}" of line {lines[key.value]}')
                    lines[key.value] = line
            return node

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))
    return Loader


def one_line(error: Exception) -> str:
    """Return what an exception says as one line of at most 300 characters."""
    return " ".join(f"{error}".split())[:300] or type(error).__name__


def write_json(value: object, path: str | os.PathLike) -> None:
    """Write a value as indented JSON; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text)


def load_json(text: str) -> Any:
    """Return the value of a JSON text, in which no object has a key twice; ValueError where it is none."""

    def different(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise ValueError("an object has a key twice")
        return value

    return json.loads(text, object_pairs_hook=different)


@contextmanager
def content_of(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turn what a block raises over content that is not laid out as expected into one line.

    Parameters
    ----------
    path : path
        The file that the content is from.
    what : str
        Description of the expected content, for the error.

    Raises
    ------
    DataError
    """
    try:
        yield
    except NagevoError:
        raise
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
        raise DataError(f"file {path} is not {what}: {reason}") from None


def read_json(path: str | os.PathLike) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    DataError
        If the file is absent or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"file {path} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"file {path} is not JSON: {error}") from None


def project_root() -> Path:
    """Return the folder of ``Snakefile``, ``config.yaml``, ``workflow/`` and ``resources/``.

    It is the checkout, or lies inside the package where that is installed.
    """
    package = Path(__file__).parents[1]
    installed = package / "_project"
    return installed if installed.is_dir() else package.parent
