"""Progress of long steps: a bar on a terminal, one plain line for each tenth elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar, cast

T = TypeVar("T")


def track(items: Iterable[T], description: str, *, total: int | None = None, completed: int = 0) -> Iterator[T]:
    """Yield the items while showing on stderr how many are done and how long the rest will take.

    ``completed`` items of ``total`` were done before, by a run that was interrupted.
    """
    total = completed + len(cast(Sized, items)) if total is None else total
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, description, total=total, completed=completed, console=Console(stderr=True))
        return
    start, shown = time.monotonic(), 10 * completed // max(total, 1)
    for done, item in enumerate(items, start=completed + 1):
        yield item
        tenth = 10 * done // max(total, 1)
        if tenth > shown:
            shown, elapsed = tenth, time.monotonic() - start
            left = elapsed / (done - completed) * (total - done)
            print(f"{description}: {done} of {total}, {elapsed:.0f} s, {left:.0f} s left", file=sys.stderr, flush=True)
