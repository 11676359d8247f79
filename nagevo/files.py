"""Tables and JSON on disk: read with clear errors, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nagevo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder beside ``folder`` that takes its place when the block ends without an error."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        if folder.is_dir():
            folder.rename(old / folder.name)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_table(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table as Parquet, or as CSV where the name says so."""
    with replacing(path) as temporary:
        if Path(path).suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def read_table(path: str | os.PathLike, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a Parquet or CSV table that has at least the given columns.

    Raises
    ------
    DataError
        If the file is absent, is no table, or lacks a column.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise DataError(f"table {path} does not exist")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a damaged file
        raise DataError(f"table {path} cannot be read as {path.suffix or 'Parquet'}: {error}".splitlines()[0]) from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"table {path} lacks the column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}"
        )
    return frame


def write_json(value: object, path: str | os.PathLike) -> None:
    """Write a value as indented JSON; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text)


def read_json(path: str | os.PathLike) -> object:
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
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"file {path} is not JSON: {error}") from None
