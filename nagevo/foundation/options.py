"""Options of sections and components, each declared once: in the signature that takes it.

A parameter is an option of the config. Its annotation says of which type it is and, by an :class:`Option`, what it
means and which values are allowed::

    def __init__(self, *, width: Annotated[int, Option("Channels of the first stage.", ge=1)] = 16): ...

Checks, defaults, the JSON schema and the reference of all keys follow from signatures. The user's own components need
no :class:`Option`: plain annotations are checked, and parameters without any take everything.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Union, get_args, get_origin

from nagevo.foundation.errors import ConfigError, NagevoError, unknown
from nagevo.foundation.files import EXPONENT
from nagevo.foundation.mistakes import PATTERNS, keys_to, no_path, place_of, sentences_of, shown

EMPTY: Mapping[str, Any] = {}
"""Default of a parameter that is a section of its own: all of whose options have their defaults."""

CONSTRAINTS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")


@dataclass(frozen=True)
class Option:
    """Meaning and allowed values of an option, in the annotation of a parameter.

    Attributes
    ----------
    text : str
        One sentence for the reference of all keys.
    unit : str
        Unit of a number, where its name does not say it.
    ge, gt, le, lt : float, optional
        Bounds of a number.
    min_length, max_length : int, optional
        Bounds of the length of a list or a text.
    pattern : str, optional
        A key of :data:`.mistakes.PATTERNS`, which a text matches.
    path : bool
        Whether the text names a file or folder; ``~`` is expanded.
    of : callable or Signature, optional
        Whose parameters are the keys of this mapping.
    each : callable or Signature, optional
        Whose parameters are the keys of each mapping in this mapping or list.
    keys : str, optional
        A key of :data:`.mistakes.PATTERNS`, which the keys of this mapping match.
    component : nagevo.foundation.registry.Kind, optional
        The text names a component of this kind, whose options stand beside it.
    """

    text: str
    unit: str = ""
    _: dataclasses.KW_ONLY
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    path: bool = False
    of: Any = None
    each: Any = None
    keys: str | None = None
    component: Any = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field

        if self.path and os.PathLike in get_args(source):
            source = Union[tuple(kind for kind in get_args(source) if kind is not os.PathLike)]  # noqa: UP007
        given = {name: getattr(self, name) for name in CONSTRAINTS if getattr(self, name) is not None}
        return handler.generate_schema(Annotated[source, Field(**given)] if given else source)

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return handler(core_schema) | {"description": self.text} | ({"unit": self.unit} if self.unit else {})


@dataclass(frozen=True)
class Parameter:
    """One option of a signature.

    Attributes
    ----------
    annotation : type
        ``Any`` where there is none that can be checked.
    default : object
        ``inspect.Parameter.empty`` where the option has to be given.
    """

    annotation: Any
    default: Any
    option: Option

    @property
    def required(self) -> bool:
        """Whether the option has to be given."""
        return self.default is inspect.Parameter.empty


class Signature:
    """The options that a class or function takes: its parameters, less those that nagevo provides.

    Parameters
    ----------
    function : callable
    provided : sequence of str
        Names of parameters that are no options.
    shared : callable, optional
        Whose keyword-only parameters are further options.
    """

    def __init__(self, function: Callable, provided: Sequence[str] = (), shared: Callable | None = None):
        self.function, self.provided, self.shared = function, tuple(provided), shared

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The options by name."""
        annotations, defaults = _annotations(self.function), _factories(self.function)
        found = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name in self.provided or parameter.kind not in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                continue
            annotation, option = _checkable(annotations.get(name, Any))
            option = option or Option("", path=name == "path" or _is_path(annotations.get(name)))
            found[name] = Parameter(annotation, defaults.get(name, parameter.default), option)
        return found if self.shared is None else {**keywords(self.shared), **found}

    @cached_property
    def open(self) -> bool:
        """Whether further keys are taken, by ``**`` in the signature."""
        kinds = [parameter.kind for parameter in inspect.signature(self.function).parameters.values()]
        return inspect.Parameter.VAR_KEYWORD in kinds and self.component is None

    @cached_property
    def component(self) -> str | None:
        """The option that names a component, if any."""
        return next((name for name, parameter in self.parameters.items() if parameter.option.component), None)

    @cached_property
    def adapter(self) -> Any:
        """The pydantic adapter that checks given options."""
        from typing import NotRequired

        from pydantic import ConfigDict, TypeAdapter
        from typing_extensions import TypedDict

        fields = {
            name: parameter.annotation if parameter.required else NotRequired[parameter.annotation]
            for name, parameter in self.parameters.items()
        }
        kind = TypedDict("Options", fields)  # type: ignore[misc]
        setattr(kind, "__pydantic_config__", ConfigDict(strict=True))  # noqa: B010
        return TypeAdapter(kind)

    def check(
        self, section: Any, where: str, beside: Sequence[str] = (), *, partial: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """Return a section with its defaults filled in, and one sentence for each mistake in it.

        Parameters
        ----------
        section : object
            Value in the config, or None for a section that is absent.
        where : str
            The place of the section in the config.
        beside : sequence of str
            Further keys that the section may have, which were checked before.
        partial : bool
            Whether options that have no default may be absent.
        """
        if not isinstance(section, Mapping):
            return {}, [f"{place_of(where)}expected a mapping, got {shown(section)}"]
        own = {key: value for key, value in section.items() if key in self.parameters}
        rest = {key: value for key, value in section.items() if key not in self.parameters}
        own, problems = self._leaves(own, where, partial)
        values = self._defaults() | own
        for key, parameter in self.parameters.items():
            if key in values:
                values[key], more = _nested(parameter.option, values[key], f"{where}.{key}".strip("."))
                problems += more
        if self.component is not None:
            kind, name = self.parameters[self.component].option.component, values.get(self.component)
            added, more = (
                kind.check(name, rest, where, beside=list(self.parameters)) if isinstance(name, str) else ({}, [])
            )
            return values | added, problems + more
        if not self.open:
            known = [*self.parameters, *beside]
            problems += [f"{place_of(where)}{unknown('key', key, known)}" for key in rest]
        if not problems and not partial:
            problems += self._refusals(values, where)
        return values | (rest if self.open else {}), problems

    def _defaults(self) -> dict[str, Any]:
        """Return the defaults that JSON can say."""
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        values = {}
        for name, parameter in self.parameters.items():
            if not parameter.required:
                try:
                    values[name] = to_jsonable_python(parameter.default)
                except PydanticSerializationError:
                    continue
        return values

    def _leaves(self, own: dict[str, Any], where: str, partial: bool) -> tuple[dict[str, Any], list[str]]:
        """Return the given options with numbers read from text, and one sentence for each mistake."""
        from pydantic import ValidationError

        own = {
            key: _loose_numbers(value) if self.parameters[key].annotation is Any else value
            for key, value in own.items()
        }
        errors: list[Any] = []
        for _ in range(2):  # a second time after numbers were read that YAML 1.1 takes for text
            try:
                self.adapter.validate_json(json.dumps(own, default=str))
                errors = []
            except ValidationError as error:
                errors = error.errors(include_url=False)
            read = [
                _set(own, keys_to(own, error["loc"])) for error in errors if error["type"] in ("float_type", "int_type")
            ]
            if not any(read):
                break
        errors = [error for error in errors if not (partial and error["type"] == "missing" and len(error["loc"]) == 1)]
        return own, sentences_of(errors, own, where)

    def _refusals(self, values: Mapping[str, Any], where: str) -> list[str]:
        """Return the refusal of a dataclass whose options do not go together: it is created once to find out."""
        declared = all(parameter.option.text for parameter in self.parameters.values())
        if not dataclasses.is_dataclass(self.function) or not declared or self.provided:
            return []
        try:
            self.function(**{name: values[name] for name in self.parameters if name in values})
        except NagevoError as error:
            return [f"{place_of(where)}{error}"]
        return []

    def paths(self, section: Mapping[str, Any]) -> Iterator[str]:
        """Yield the files and folders that a checked section names, those of nested sections too."""
        for name, parameter in self.parameters.items():
            value, option = section.get(name), parameter.option
            if option.path and isinstance(value, str):
                yield value
            elif option.path and isinstance(value, Mapping):
                yield from (path for path in value.values() if isinstance(path, str))
            elif option.of is not None and isinstance(value, Mapping):
                yield from signature(option.of).paths(value)
            elif option.each is not None and value:
                for item in value.values() if isinstance(value, Mapping) else value:
                    yield from signature(option.each).paths(item)
            elif option.component is not None and isinstance(value, str):
                yield from option.component.paths(value, section)
            elif parameter.annotation is Any:
                yield from _loose_paths(value)
        if self.open:
            yield from _loose_paths({key: value for key, value in section.items() if key not in self.parameters})


@cache
def signature(
    function: Callable | Signature, provided: Sequence[str] = (), shared: Callable | None = None
) -> Signature:
    """Return the signature of a class or function, made once."""
    return function if isinstance(function, Signature) else Signature(function, provided, shared)


def keywords(function: Callable) -> dict[str, Parameter]:
    """Return the options among the keyword-only parameters of a function."""
    found = inspect.signature(function).parameters.values()
    others = tuple(parameter.name for parameter in found if parameter.kind is not parameter.KEYWORD_ONLY)
    return signature(function, others).parameters


def checked(
    what: str,
    function: Callable,
    options: Mapping[str, Any],
    provided: Sequence[str] = (),
    shared: Callable | None = None,
) -> None:
    """Check options that do not come from a config.

    Raises
    ------
    ConfigError
        Naming every mistake in them at once.
    """
    problems = signature(function, tuple(provided), shared).check(options, "")[1]
    if problems:
        raise ConfigError(f"{what}: {'; '.join(problems)}")


def _nested(option: Option, value: Any, where: str) -> tuple[Any, list[str]]:
    """Return the value of an option with its nested sections checked, and one sentence for each mistake."""
    if option.path and isinstance(value, str):
        return os.path.expanduser(value), no_path(value, where)
    if option.path and isinstance(value, Mapping):
        texts = {key: path for key, path in value.items() if isinstance(path, str)}
        problems = [problem for key, path in texts.items() for problem in no_path(path, f"{where}.{key}")]
        return {**value, **{key: os.path.expanduser(path) for key, path in texts.items()}}, problems
    if option.each is not None and isinstance(value, list):
        checked_items = [signature(option.each).check(item, f"{where}.{n}") for n, item in enumerate(value)]
        return [item for item, _ in checked_items], [problem for _, more in checked_items for problem in more]
    if not isinstance(value, Mapping):
        return value, []
    problems = []
    if option.keys is not None:
        words = PATTERNS[option.keys]
        problems = [
            f"{where}: expected names of {words}, got {shown(key)}"
            for key in value
            if not re.fullmatch(option.keys, key)
        ]
    if option.of is not None:
        value, more = signature(option.of).check(value, where)
        return value, problems + more
    if option.each is not None:
        items = {key: signature(option.each).check(item, f"{where}.{key}") for key, item in value.items()}
        return {key: item for key, (item, _) in items.items()}, [
            *problems,
            *(p for _, more in items.values() for p in more),
        ]
    return value, problems


def _set(own: dict[str, Any], keys: Sequence[int | str]) -> bool:
    """Replace a text that is a number with an exponent by the number; return whether it is one."""
    if not keys:
        return False
    *outer, last = keys
    holder: Any = own
    for key in outer:
        holder = holder[key]
    text = holder[last]
    if not isinstance(text, str) or not EXPONENT.fullmatch(text) or not math.isfinite(float(text)):
        return False
    holder[last] = float(text)
    return True


def _loose_numbers(value: Any) -> Any:
    """Return a value, texts in it that are numbers with an exponent read as numbers."""
    if isinstance(value, dict):
        return {key: _loose_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_loose_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _loose_paths(value: Any) -> Iterator[str]:
    """Yield the texts under keys ``path`` in a value without declared options."""
    for key, item in value.items() if isinstance(value, Mapping) else ():
        if key == "path" and isinstance(item, str):
            yield item
        yield from _loose_paths(item)


def _is_path(annotation: Any) -> bool:
    kinds = (annotation, *get_args(annotation))
    return any(isinstance(kind, type) and issubclass(kind, os.PathLike) for kind in kinds)


def _annotations(function: Callable) -> dict[str, Any]:
    """Return the annotations of a signature, evaluated one by one; those that cannot be are ``Any``."""
    holders = [function]
    if inspect.isclass(function):
        owner = next(each for each in function.__mro__ if "__init__" in vars(each))
        declared = "__dataclass_fields__" in vars(owner)
        holders = [*reversed(function.__mro__)] if declared else [function.__init__]
    found = {}
    for holder in holders:
        names = vars(sys.modules[holder.__module__]) if hasattr(holder, "__module__") else {}
        for name, annotation in inspect.get_annotations(holder).items():
            found[name] = _evaluated(annotation, names)
    return found


def _evaluated(annotation: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(names))
    except Exception:  # names that are imported for type checkers only
        return Any


def _factories(function: Callable) -> dict[str, Any]:
    """Return the defaults of a dataclass that are made anew for each instance."""
    fields = dataclasses.fields(function) if dataclasses.is_dataclass(function) else ()
    return {field.name: field.default_factory() for field in fields if field.default_factory is not dataclasses.MISSING}


def _checkable(annotation: Any) -> tuple[Any, Option | None]:
    """Return an annotation, or ``Any`` where JSON cannot hold such a value, and its :class:`Option`."""
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    option = next((item for item in metadata if isinstance(item, Option)), None)
    if option is not None or annotation is Any:
        return annotation, option
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        TypeAdapter(annotation).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
        return Any, None
    return annotation, None
