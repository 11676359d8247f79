"""Hashes of source code: a rule runs again when a module that its command uses changes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

NESTED = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a syntax tree that hold statements."""


class Sources:
    """The source of modules; each is looked at once, and changes after that are not seen."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, tuple[str, ...]] | None] = {}

    def hash(self, *modules: str) -> str:
        """Return a hash of the source of the modules and of all modules of the same packages that they import.

        Parameters
        ----------
        *modules : str
            Names of modules; of ``package.module:Class`` the module counts. The files in a folder beside a module that
            has the module's name are part of its source.
        """
        found = self.digests(*modules)
        listing = "\n".join(f"{name} {found[name]}" for name in sorted(found))
        return hashlib.sha256(listing.encode()).hexdigest()[:16]

    def digests(self, *modules: str) -> dict[str, str]:
        """Return the digests of the modules whose source counts for :meth:`hash`, by name."""
        found: dict[str, str] = {}
        waiting = [module.partition(":")[0] for module in modules]
        while waiting:
            module = waiting.pop()
            if module in found:
                continue
            if module not in self._read:
                self._read[module] = _read_module(module)
            if (source := self._read[module]) is not None:
                found[module] = source[0]
                waiting += source[1]
        return found


def _read_module(module: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the digest of a module's source and the modules that it imports, or None where there is no such module."""
    path = _file(module)
    if path is None:
        return None
    folder = path.with_suffix("")
    data = sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    return _read_files(module, tuple((file, file.stat().st_mtime_ns) for file in (path, *data)))


@cache
def _read_files(module: str, files: tuple[tuple[Path, int], ...]) -> tuple[str, tuple[str, ...]]:
    """Return digest and imports of a module from its files, each with the time of its last change."""
    contents = [path.read_bytes() for path, _ in files]
    package = module if files[0][0].name == "__init__.py" else module.rpartition(".")[0]
    imports = _imports(ast.parse(contents[0]), module.partition(".")[0], package)
    return hashlib.sha256(b"".join(contents)).hexdigest(), tuple(dict.fromkeys(imports))


def _file(module: str) -> Path | None:
    """Return the file of a module, found without importing the packages it lies in."""
    package, *inside = module.split(".")
    spec = _spec(package)
    if spec is None:
        return None
    if not inside:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    places = [Path(place, *inside) for place in spec.submodule_search_locations or ()]
    files = [file for place in places for file in (place / "__init__.py", place.with_name(f"{place.name}.py"))]
    return next((file for file in files if file.is_file()), None)


def _spec(package: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(package)
    except ValueError:  # the main program has none
        return None


def _imports(node: ast.AST, top: str, package: str) -> Iterator[str]:
    """Yield the modules below ``top`` that a statement in a module of ``package``, or one inside it, imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        with suppress(ImportError):  # further up than the packages reach
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
    yield from (name for name in names if name.partition(".")[0] == top)
    for field in NESTED:
        for inner in getattr(node, field, ()):
            yield from _imports(inner, top, package)
