"""Tables, JSON and YAML on disk: read with clear errors, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nagevo.foundation.errors import DataError

if TYPE_CHECKING:
    import numpy as np
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


HEADER = "nagevo"
"""Under this name a Parquet file says itself which columns and how many rows it has."""


def write_table(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table as Parquet with checksums, or as CSV where the name says so."""
    with replacing(path) as temporary:
        if Path(path).suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            described = frame.copy(deep=False)
            described.attrs = {HEADER: _header(frame)}
            described.to_parquet(temporary, index=False, write_page_checksum=True)


def read_table(path: str | os.PathLike, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a Parquet or CSV table that has at least the given columns.

    Raises
    ------
    DataError
        If the file is absent, is no table, lacks a column, or names one twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"table {path} does not exist")
    try:
        frame = _read(path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a damaged file
        raise DataError(f"table {path} cannot be read as {path.suffix or 'Parquet'}: {one_line(error)}") from None
    require(frame, columns, f"table {path}")
    return frame


def require(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Check that a table has some columns, and none twice; ``where`` is what it is called in errors.

    Raises
    ------
    DataError
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(f"{where} lacks the column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    if not frame.columns.is_unique:
        raise DataError(f"{where} names a column twice: {', '.join(map(str, frame.columns))}")


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix == ".csv":
        return pd.read_csv(path)
    frame = pd.read_parquet(path, page_checksum_verification=True)
    header = frame.attrs.pop(HEADER, None)
    if header is not None and header != _header(frame):
        raise ValueError("its columns or rows are not those that were written")
    return frame


def _header(frame: pd.DataFrame) -> list[list[str | int]]:
    """Return what of a table Parquet's checksums leave out: names and numeric types of its columns, and its length."""
    kinds = [str(dtype) if dtype.kind in "iuf" else "" for dtype in frame.dtypes]
    return [[str(name), kind] for name, kind in zip(frame.columns, kinds, strict=True)] + [["", len(frame)]]


def numbers(frame: pd.DataFrame, column: str, where: str) -> np.ndarray:
    """Return a column of numbers as float64, shape (n_rows,); NaN where a cell is empty.

    Parameters
    ----------
    frame : DataFrame
    column : str
    where : str
        What the table is called in errors.

    Raises
    ------
    DataError
        If a cell holds what is no number.
    """
    import pandas as pd

    try:
        return pd.to_numeric(frame[column]).to_numpy(dtype=float, na_value=float("nan"))
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: column {column} holds what is no number: {one_line(error)}") from None


def load_yaml(text: str | bytes) -> object:
    """Return the value of a YAML text; only plain values, never an object that runs code.

    Raises
    ------
    ValueError
        Saying in one line why it is no YAML.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except Exception as error:  # PyYAML raises many kinds for values that are not what their tag says
        raise ValueError(one_line(error)) from None


def one_line(error: Exception) -> str:
    """Return what an exception says as one line of at most 300 characters."""
    return " ".join(f"{error}".split())[:300] or type(error).__name__


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
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"file {path} is not JSON: {error}") from None
