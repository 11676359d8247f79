"""Where commands print their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LEAST_COLUMNS = 80
"""Number of columns that tables fit into: in fewer, their numbers would be cut and names of rows left out."""


def table_console() -> Console:
    """Return a console as wide as the terminal, and never narrower than tables need."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = max(console.width, LEAST_COLUMNS)
    return console
