"""From a name in the config to a class: built-in names are imported when used, others are ``package.module:Class``."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nagevo.foundation.errors import ConfigError, MissingDependency, described, in_own_code, optional_packages, unknown
from nagevo.foundation.options import Signature, checked, keywords, signature

_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


@dataclass(frozen=True, eq=False)
class Kind(Mapping[str, str]):
    """The components of one kind, by name: a mapping from each built-in name to its ``package.module:Class``.

    Attributes
    ----------
    what : str
        Name of a component in messages (``"strategy"``).
    builtin : mapping of str to str
    base : type
        The class that every component derives from; ``object`` where components are functions.
    provided : tuple of str
        Parameters that nagevo passes to every component; all others are options of the config.
    shared : callable, optional
        Function through which every component is used; its keyword-only parameters are options of every component.
    """

    what: str
    builtin: Mapping[str, str]
    base: type = object
    provided: tuple[str, ...] = ()
    shared: Callable | None = None

    __hash__ = object.__hash__

    def __getitem__(self, name: str) -> str:
        return self.builtin[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.builtin)

    def __len__(self) -> int:
        return len(self.builtin)

    def resolve(self, name: str) -> Any:
        """Return the class or function called ``name``: a built-in name, or ``package.module:Class``.

        A class is checked against ``base`` before it is called. A function cannot be: a config or a bundle that names
        one can call anything that is installed, and has to come from someone who is trusted.

        Raises
        ------
        ConfigError
            If the name is neither, the class cannot be imported, or it is not a subclass of ``base``.
        MissingDependency
            If the class needs an optional package that is not installed, or its own module is not on the path.
        """
        target = _TARGET.fullmatch(self.get(name, name)) if isinstance(name, str) else None
        if target is None:
            own = "package.module:function" if self.base is object else "package.module:Class"
            raise ConfigError(unknown(self.what, name, [*self, own]))
        module, attribute = target.groups()
        user = f'{self.what} "{name}"'
        try:
            with optional_packages(user):
                found = getattr(importlib.import_module(module), attribute, None)
        except MissingDependency:
            raise
        except ModuleNotFoundError as error:
            if error.name and f"{module}.".startswith(f"{error.name}."):
                raise MissingDependency(f"{user}: put the module {error.name} on PYTHONPATH") from None
            raise ConfigError(f"{user} cannot be imported: {error}") from None
        except (ImportError, SyntaxError) as error:
            raise ConfigError(f"{user} cannot be imported: {error}") from None
        except (Exception, SystemExit) as error:  # which the module itself raised
            if name in self:
                raise
            raise ConfigError(f"{user} cannot be imported: {in_own_code(error) or described(error)}") from error
        if found is None:
            raise ConfigError(f"{user} cannot be imported: {module} has no {attribute}")
        if not callable(found):
            raise ConfigError(f"{user} is not a class or function, but of the type {type(found).__name__}")
        if self.base is not object and not (isinstance(found, type) and issubclass(found, self.base)):
            raise ConfigError(f"{user} is not a subclass of {self.base.__module__}.{self.base.__name__}")
        return found

    def create(self, name: str, *provided: Any, **options: Any) -> Any:
        """Return the component called ``name`` with its options, of which those that nagevo provides are not checked.

        Raises
        ------
        ConfigError
            Naming every mistake in the options at once.
        """
        found = self.resolve(name)
        given = {key: value for key, value in options.items() if key not in self.provided}
        checked(f"{self.what} {name}", found, given, self.provided, self.shared)
        return self._made(name, found, provided, options)

    def restore(self, name: str, *provided: Any, **options: Any) -> Any:
        """Return the component called ``name`` with options that were checked when they were written."""
        return self._made(name, self.resolve(name), provided, options)

    def _made(self, name: str, found: Any, provided: Sequence[Any], options: Mapping[str, Any]) -> Any:
        user = f'{self.what} "{name}"'
        if self.shared is None:
            return create(user, found, *provided, **options)
        common = keywords(self.shared)
        own = {key: value for key, value in options.items() if key not in common}
        rest = {key: value for key, value in options.items() if key in common}
        return self.shared(create(user, found, *provided, **own), **rest)

    def signature(self, name: str) -> Signature:
        """Return the options of the component called ``name``."""
        return signature(self.resolve(name), self.provided, self.shared)

    def check(
        self, name: str, options: Mapping[str, Any], where: str, beside: Sequence[str] = ()
    ) -> tuple[dict[str, Any], list[str]]:
        """Return options with their defaults filled in, and one sentence for each mistake in them.

        Those of a component that needs a package that is not installed are left as they are.
        """
        try:
            found = self.signature(name)
        except (ConfigError, MissingDependency) as error:
            if isinstance(error, MissingDependency) and name in self:
                return dict(options), []
            return dict(options), [f"{where}: {error}" if where else str(error)]
        return found.check(options, where, beside)

    def paths(self, name: str, section: Mapping[str, Any]) -> Iterator[str]:
        """Yield the files and folders that the options of a component name."""
        try:
            yield from self.signature(name).paths(section)
        except MissingDependency:
            return


def create(user: str, function: Callable, *args: Any, **options: Any) -> Any:
    """Return ``function(*args, **options)``, naming the option when one is missing or unknown.

    Parameters
    ----------
    user : str
        Name of what is created in errors, as in ``strategy "optuna_tpe"``.

    Raises
    ------
    ConfigError
        If an option is not one of the signature's, or a required one is missing.
    """
    try:
        inspect.signature(function).bind(*args, **options)
    except TypeError as error:
        raise ConfigError(f"{user}: {error}") from None
    if inspect.isabstract(function):
        missing = sorted(vars(function)["__abstractmethods__"])
        raise ConfigError(f"{user} lacks {', '.join(missing)}")
    with optional_packages(user):
        return function(*args, **options)
