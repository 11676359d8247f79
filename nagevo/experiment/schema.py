"""The JSON schema of the config and the reference of all its keys, both made of the declared options.

``python -m nagevo.experiment.schema`` writes ``workflow/schemas/config.schema.yaml`` and ``docs/config.md``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nagevo.experiment.sections import Sections
from nagevo.foundation.mistakes import PATTERNS
from nagevo.foundation.options import Option, Parameter, Signature, signature
from nagevo.foundation.registry import Kind
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.spaces import SPACES
from nagevo.training.datasets import DATASET, DATASETS

KINDS: dict[str, Kind] = {
    "space": SPACES,
    "evaluator": EVALUATORS,
    "backend": BACKENDS,
    "strategy": STRATEGIES,
    "dataset": DATASETS,
}

WRITTEN = "Written by `python -m nagevo.experiment.schema`; the options are declared in the code."


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of a config; the options of each component are in ``$defs`` under ``<kind>.<name>``."""
    components = {f"{what}.{name}": component(kind, name) for what, kind in KINDS.items() for name in kind}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": WRITTEN,
        "title": _summary(Sections),
        **_section(signature(Sections)),
        "$defs": components,
    }


def component(kind: Kind, name: str) -> dict[str, Any]:
    """Return the schema of the options of a built-in component."""
    options = kind.signature(name)
    return {"description": _summary(options.function), **_properties(options)}


def _section(options: Signature) -> dict[str, Any]:
    """Return the schema of a mapping whose keys are the options of a signature and, if it names one, of a component."""
    definition = {"type": "object", **_properties(options)}
    if options.component is None:
        return definition if options.open else definition | {"additionalProperties": False}
    parameter = options.parameters[options.component]
    kind: Kind = parameter.option.component
    named = {
        name: {"properties": {options.component: {"const": name}}}
        | ({"required": [options.component]} if parameter.default != name else {})
        for name in kind
    }
    what = next(what for what, other in KINDS.items() if other is kind)
    chosen = [{"if": condition, "then": {"$ref": f"#/$defs/{what}.{name}"}} for name, condition in named.items()]
    return definition | {"allOf": chosen}


def _properties(options: Signature) -> dict[str, Any]:
    properties = {name: _value(parameter) for name, parameter in options.parameters.items()}
    required = [name for name, parameter in options.parameters.items() if parameter.required]
    return {"properties": properties} | ({"required": required} if required else {})


def _value(parameter: Parameter) -> dict[str, Any]:
    """Return the schema of the values of one option."""
    from pydantic import TypeAdapter
    from pydantic_core import to_jsonable_python

    option = parameter.option
    definition = TypeAdapter(parameter.annotation).json_schema()
    nested = _section(signature(option.of)) if option.of is not None else {}
    if option.each is not None:
        within = "items" if definition.get("type") == "array" else "additionalProperties"
        nested = {within: _section(signature(option.each))}
    if option.keys is not None:
        nested["propertyNames"] = {"pattern": option.keys}
    if nested and "anyOf" in definition:
        alternatives = [nested | {"type": "object"}, {"type": "null"}]
        definition = {**definition, "anyOf": alternatives}
    elif nested:
        definition = {**definition, **nested}
    if not parameter.required:
        definition["default"] = to_jsonable_python(parameter.default)
    return definition


def _summary(function: Any) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def schema_text() -> str:
    """Return the schema as YAML."""
    return f"# {WRITTEN}\n" + yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=118)


def reference() -> str:
    """Return the reference of all keys as Markdown."""
    parts = [_HEAD, _table(signature(Sections), "")]
    for what, kind in KINDS.items():
        parts.append(f"## {_TITLES[what]}\n")
        if kind is DATASETS:
            parts.append("All datasets:\n\n" + _table(DATASET, ""))
        for name in kind:
            options = kind.signature(name)
            parts.append(f"### `{name}`\n\n{_summary(options.function)}\n")
            if options.parameters:
                parts.append(_table(options, ""))
    return "\n".join(parts)


_HEAD = f"""# All keys of a config

<!-- {WRITTEN} -->

An experiment is one YAML or JSON file. A section that names a component (`space.name`, `accuracy.evaluator`,
`devices.<name>.backend`, `search.strategy`, `dataset.name`) takes that component's options beside the name. A component
may be `package.module:Class` instead: the keyword arguments of the class are its options then. Accuracies are in
percent and latencies in milliseconds. A default of – means that the key has to be given. `~` in a path is your home.
"""

_TITLES = {
    "space": "Spaces (`space.name`)",
    "evaluator": "Evaluators (`accuracy.evaluator`)",
    "backend": "Devices (`devices.<name>.backend`)",
    "strategy": "Strategies (`search.strategy`, and in `compare.variants`)",
    "dataset": "Datasets (`accuracy.dataset.name`)",
}


def _table(options: Signature, prefix: str) -> str:
    rows = "\n".join(_rows(options, prefix))
    return f"| key | type | range | unit | default | meaning |\n|---|---|---|---|---|---|\n{rows}\n"


def _rows(options: Signature, prefix: str) -> Iterator[str]:
    """Yield a row for each option, and for those of nested sections, except the images' that have a table."""
    for name, parameter in options.parameters.items():
        option, definition = parameter.option, _value(parameter)
        kind, limits = _words(definition, option)
        default = "–" if parameter.required else f"`{json.dumps(definition['default'], ensure_ascii=False)}`"
        cells = [f"`{prefix}{name}`", kind, limits, option.unit, default, option.text.replace("|", "\\|")]
        yield "| " + " | ".join(cells) + " |"
        if option.of is not None and option.of is not DATASET:
            yield from _rows(signature(option.of), f"{prefix}{name}.")
        elif option.each is not None:
            yield from _rows(signature(option.each), f"{prefix}{name}.<{'n' if kind.startswith('list') else 'name'}>.")


def _words(definition: Mapping[str, Any], option: Option) -> tuple[str, str]:
    """Return the type and the range of values, in words."""
    if "anyOf" in definition:
        parts = [_words(part, Option("")) for part in definition["anyOf"]]
        return " or ".join(kind for kind, _ in parts), ", ".join(limits for _, limits in parts if limits)
    if "const" in definition:
        return f"`{json.dumps(definition['const'])}`", ""
    if "enum" in definition:
        return {"string": "text", "integer": "whole number"}.get(definition.get("type", ""), "value"), ", ".join(
            f"`{value}`" for value in definition["enum"]
        )
    limits = [
        word.format(definition[key])
        for key, word in (
            ("minimum", "≥ {}"),
            ("exclusiveMinimum", "> {}"),
            ("maximum", "≤ {}"),
            ("exclusiveMaximum", "< {}"),
        )
        if key in definition
    ]
    pattern = definition.get("pattern", option.keys)
    limits += [PATTERNS[pattern]] if pattern else []
    kind = definition.get("type", "any")
    if kind == "array":
        item, inside = _words(definition.get("items", {}), Option(""))
        least, most = definition.get("minItems"), definition.get("maxItems")
        length = f"{least} values" if least == most and least else f"at least {least} values" if least else ""
        return f"list of {item}", ", ".join(part for part in (length, inside) if part)
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return ("path" if option.path and kind == "string" else names.get(kind, {"object": "mapping"}.get(kind, kind))), (
        ", ".join(limits)
    )


def write(root: Path) -> None:
    """Write the schema and the reference into the project folder."""
    (root / "workflow/schemas/config.schema.yaml").write_text(schema_text())
    (root / "docs/config.md").write_text(reference())


if __name__ == "__main__":
    from nagevo.foundation.files import project_root

    write(project_root())
