"""From a name in the config to a class: built-in names are imported when used, others are ``package.module:Class``."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping

from nagevo.foundation.errors import ConfigError, optional_packages, unknown

_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def resolve(what: str, name: str, builtin: Mapping[str, str], base: type = object) -> type:
    """Return the class called ``name``.

    Parameters
    ----------
    what : str
        What the class is for, as the user calls it (``"strategy"``); used in errors only.
    name : str
        A key of ``builtin``, or ``package.module:Class``.
    builtin : mapping of str to str
        From name to ``package.module:Class``.
    base : type
        What the class has to be a subclass of. Names come from bundles too, whose authors must not get to call just
        anything that is installed.

    Raises
    ------
    ConfigError
        If the name is neither, the class cannot be imported, or it is no subclass of ``base``.
    MissingDependency
        If the class needs an optional package that is not installed.
    """
    target = _TARGET.fullmatch(builtin.get(name, name)) if isinstance(name, str) else None
    if target is None:
        raise ConfigError(unknown(what, name, [*builtin, "package.module:Class"]))
    module, attribute = target.groups()
    try:
        with optional_packages(f'{what} "{name}"'):
            found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(f'{what} "{name}" cannot be imported: {error}') from None
    except AttributeError:
        raise ConfigError(f'{what} "{name}" cannot be imported: {module} has no {attribute}') from None
    if base is not object and not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f'{what} "{name}" is no subclass of {base.__module__}.{base.__name__}')
    return found


def create(what: str, cls: type, *args, **options):
    """Return ``cls(*args, **options)``, naming the option when one is missing or unknown.

    Raises
    ------
    ConfigError
        If an option is not one of the constructor's, or a required one is missing.
    """
    try:
        inspect.signature(cls).bind(*args, **options)
    except TypeError as error:
        raise ConfigError(f"{what} {cls.__name__}: {error}") from None
    with optional_packages(f"{what} {cls.__name__}"):
        return cls(*args, **options)
