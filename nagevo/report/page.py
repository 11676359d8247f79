"""Pages in one file: a shell with style, scripts and data inside, which open from disk without a network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from nagevo.foundation.writing import replacing

SHARED_SCRIPTS = ("page.js", "chart.js", "drawing.js")


def write_page(name: str, title: str, content: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write the page that ``page/<name>.html`` and ``page/<name>.js`` describe, filled with its content.

    Parameters
    ----------
    content : mapping
        Ready for JSON, without NaN; the scripts see it as ``data``.
    """
    parts = {
        "version": version("nagevo"),
        "title": escape(title),
        "style": _part("style.css"),
        "body": _part(f"{name}.html"),
        "script": "\n".join(_part(script) for script in (*SHARED_SCRIPTS, f"{name}.js")),
        "data": embedded(content),
    }
    page = _part("shell.html")
    for key, text in parts.items():
        page = page.replace(f"{{{{{key}}}}}", text, 1)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def embedded(content: Any) -> str:
    """Return JSON that may stand inside a script element.

    >>> embedded({"text": "</script>"})
    '{"text":"\\\\u003c/script>"}'
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _part(name: str) -> str:
    return files("nagevo.report").joinpath("page", name).read_text(encoding="utf-8").rstrip("\n")
