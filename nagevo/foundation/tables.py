"""Tables on disk: Parquet and delimited text, told apart by the ending of the name."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line
from nagevo.foundation.writing import replacing

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PARQUET = (".parquet", ".pq")
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""By ending of the name, the separator with which a table is written. Reading takes the one that its heading has."""
TEXTS = ("architecture", "device", "status", "method", "strategy", "layer")
"""Columns that are texts even where every cell looks like a number: ``0111`` is an architecture."""
MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}
"""Cells without a value in a column of numbers, in any capitals; among texts only the empty one is."""
HEADER = "nagevo"
"""Under this name a Parquet file repeats its columns and its number of rows."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE)
_NAME = re.compile(r"[+-]?(0[0-9]+|[0-9]{19,})")
_DECIMAL_COMMA = re.compile(r"[+-]?([0-9]+|[0-9]*,[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


def table_ending(path: str | os.PathLike) -> tuple[str, bool]:
    """Return the ending of a table's name in small letters, and whether the file is gzipped.

    Raises
    ------
    DataError
        If it does not say how a table is stored there.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    zipped = suffixes[-1:] == [".gz"]
    ending = (suffixes[:-1] if zipped else suffixes)[-1:] or [""]
    if ending[0] not in SEPARATORS and (zipped or ending[0] not in PARQUET):
        names = ", ".join([PARQUET[0], *SEPARATORS, ".csv.gz"])
        raise DataError(f"table {path}: expected a name that ends in one of {names}")
    return ending[0], zipped


def write_table(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table as Parquet with checksums, or as text (``.csv``, ``.tsv``, ``.txt``, each also with ``.gz``).

    Raises
    ------
    DataError
        If the ending of the name is another.
    """
    ending, zipped = table_ending(path)
    with replacing(path) as temporary:
        if ending in SEPARATORS:
            content = frame.to_csv(None, index=False, sep=SEPARATORS[ending], lineterminator="\n").encode()
            temporary.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
        else:
            described = frame.copy(deep=False)
            described.attrs = {HEADER: _header(frame)}
            described.to_parquet(temporary, engine="pyarrow", index=False, write_page_checksum=True)


def read_table(path: str | os.PathLike, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table that has at least the given columns.

    A text file may have a byte order mark, Windows line ends, quotes, semicolons or tabs in place of commas, and then
    decimal commas. Empty rows, and columns without heading and content, are left out.

    Raises
    ------
    DataError
        If the file is absent or is not a table, lacks a column, names one twice, or has a row of another length.
    """
    path = Path(path)
    ending, _ = table_ending(path)
    if not path.is_file():
        raise DataError(f"table {path} {'is a folder' if path.is_dir() else 'does not exist'}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"table {path} cannot be read: {error.strerror}") from None
    if not content:
        raise DataError(f"table {path} is empty")
    if ending in SEPARATORS:
        frame = _from_text(content, path, columns, SEPARATORS[ending])
    else:
        frame = _from_parquet(content, path)
    require(frame, columns, f"table {path}")
    return frame


def require(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Check that a table has some columns, and none twice; ``where`` is the name of the table in errors.

    Raises
    ------
    DataError
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(f"{where} lacks the column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()]
        raise DataError(f"{where} names a column twice: {', '.join(map(str, twice))}")


def text_column(frame: pd.DataFrame, column: str, where: str) -> list[str]:
    """Return a column of texts.

    Raises
    ------
    DataError
        If a cell is empty or is not text; ``where`` is the name of the table.
    """
    for row, value in zip(frame.index, frame[column], strict=True):
        if not isinstance(value, str):
            got = "an empty cell" if _is_missing(value) else f"{value} ({type(value).__name__})"
            raise DataError(f"{where}, {row_name(row)}, column {column}: expected text, got {got}")
    return frame[column].tolist()


def number_column(frame: pd.DataFrame, column: str, where: str) -> np.ndarray:
    """Return a column of numbers as float64, shape (n_rows,); NaN where a cell is empty.

    Raises
    ------
    DataError
        If a cell is not a number (nor a text that writes one), such as a date, a duration or a boolean; ``where`` is
        the name of the table.
    """
    import numpy as np

    series = frame[column]
    if series.dtype.kind in "iuf":
        return series.to_numpy(dtype=float, na_value=float("nan"))
    values = [as_number(value) for value in series]
    wrong = [(row, cell) for row, cell, value in zip(frame.index, series, values, strict=True) if value is None]
    if wrong:  # first those that would not do with decimal commas either
        row, cell = min(wrong, key=lambda one: bool(_DECIMAL_COMMA.fullmatch(str(one[1]))))
        raise DataError(f"{where}, {row_name(row)}, column {column}: expected a number, got {_shown(cell)}")
    return np.array(values, dtype=float)


def refuse(frame: pd.DataFrame, column: str, wrong: np.ndarray, expected: str, where: str) -> None:
    """Raise a DataError that names the first wrong cell of a column, if there is one.

    Parameters
    ----------
    wrong : ndarray of bool, shape (n_rows,)
    expected : str
        Description of a right cell.
    where : str
        Name of the table.
    """
    for place in wrong.nonzero()[0][:1]:
        row, cell = row_name(frame.index[place]), _shown(frame[column].tolist()[place])
        raise DataError(f"{where}, {row}, column {column}: expected {expected}, got {cell}")


def row_name(row: object) -> str:
    """Return the name of a row in messages, counted from 1 below the heading, from its index in the table.

    >>> row_name(0)
    'row 1'
    """
    return f"row {row + 1}" if isinstance(row, Integral) else f"row {row}"


def _from_parquet(content: bytes, path: Path) -> pd.DataFrame:
    import pandas as pd
    from pyarrow.parquet import ParquetFile

    try:  # without threads: now and then, those of Arrow abort the process at its end (apache/arrow#34314)
        file = ParquetFile(io.BytesIO(content), page_checksum_verification=True, pre_buffer=False)
        frame = file.read(use_threads=False).to_pandas(use_threads=False)
        frame.attrs = json.loads((file.schema_arrow.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise DataError(f"table {path} cannot be read as Parquet: {one_line(error)}") from None
    header = frame.attrs.pop(HEADER, None)
    if header is not None and header != _header(frame):
        raise DataError(f"table {path} cannot be read as Parquet: its columns or rows are not those that were written")
    return frame.reset_index(drop=isinstance(frame.index, pd.RangeIndex))


def _header(frame: pd.DataFrame) -> list[list[str | int]]:
    """Return the parts of a table that Parquet's checksums leave out: names and types of columns, and its length."""
    kinds = [str(dtype) if dtype.kind in "iuf" else "" for dtype in frame.dtypes]
    columns: list[list[str | int]] = [[str(name), kind] for name, kind in zip(frame.columns, kinds, strict=True)]
    return [*columns, ["", len(frame)]]


def _from_text(content: bytes, path: Path, columns: Sequence[str], separator: str) -> pd.DataFrame:
    import pandas as pd

    text = _decoded(content, path)
    separator, text = _separator(text, columns, separator)
    rows = _rows(text, separator, path)
    if not rows:
        raise DataError(f"table {path} is empty")
    (_, heading), *body = rows
    heading = [name.strip() for name in heading]
    for number, (line, cells) in enumerate(body, start=1):
        if len(cells) != len(heading):
            raise DataError(
                f"table {path}, row {number} (line {line}): expected {len(heading)} cells, one for each heading, got "
                f"{len(cells)}: {_shown(separator.join(cells))}; a cell that holds the separator needs quotes"
            )
    twice = sorted({name for name in heading if name and heading.count(name) > 1})
    if twice:
        raise DataError(f"table {path} names a column twice: {', '.join(twice)}")
    frame = {}
    for place, name in enumerate(heading):
        cells = [row[place].strip() for _, row in body]
        if name:
            frame[name] = _parsed(cells, text=name in TEXTS, decimal_comma=separator != ",")
        elif any(cells) and cells != [str(number) for number in range(len(cells))]:  # pandas numbers rows so
            row = next(row for row, cell in enumerate(cells) if cell)
            raise DataError(
                f"table {path}, {row_name(row)}, column {place + 1} has no heading: got {_shown(cells[row])}"
            )
    return pd.DataFrame(frame, index=pd.RangeIndex(len(body)))


def _decoded(content: bytes, path: Path) -> str:
    """Return the text of a file: UTF-8, or as its byte order mark says, gzipped or not."""
    if content.startswith(b"PAR1"):
        raise DataError(f"table {path} is a Parquet file: give it a name that ends in .parquet")
    try:
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"table {path}, line {line}: expected text in UTF-8, got the byte {content[error.start]:#x}"
        ) from None
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"table {path} cannot be read: {one_line(error)}") from None


def _separator(text: str, columns: Sequence[str], usual: str) -> tuple[str, str]:
    """Return the separator of a table and its text, less the line ``sep=;`` that Excel writes before the heading."""
    first, _, rest = text.partition("\n")
    if re.fullmatch(r'"?sep=.\r?"?\r?', first):
        return first[first.index("=") + 1], rest
    heading = next((line for line in text.splitlines() if line.strip()), "")

    def fit(separator: str) -> tuple[int, int]:
        names = [name.strip() for name in next(csv.reader([heading], delimiter=separator, skipinitialspace=True), [])]
        return sum(column in names for column in columns), len(names)

    candidates = dict.fromkeys([usual, ",", ";", "\t"])
    return max(candidates, key=fit), text


def _rows(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, the heading first, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(f"table {path}, line {reader.line_num}: {one_line(error)}") from None


def _parsed(cells: list[str], *, text: bool, decimal_comma: bool) -> pd.Series:
    """Return the cells of a column as numbers or booleans if each of them is one, else as texts.

    A column with digits like ``007``, or with more of them than a number holds, is text: they name something.
    """
    import pandas as pd

    texts = pd.Series([cell or None for cell in cells])
    if text or any(_NAME.fullmatch(cell) for cell in cells):
        return texts
    values = [None if cell.lower() in MISSING else cell for cell in cells]
    present = [value for value in values if value is not None]
    if present == values and set(present) in ({"True"}, {"False"}, {"True", "False"}):
        return pd.Series([value == "True" for value in values])
    if decimal_comma and any("," in value for value in present):
        if not all(_DECIMAL_COMMA.fullmatch(value) for value in present):
            return texts
        values = [value and value.replace(",", ".") for value in values]
    elif not all(_NUMBER.fullmatch(value) for value in present):
        return texts
    if present == values and all(re.fullmatch(r"[+-]?[0-9]{1,18}", value) for value in present) and present:
        return pd.Series([int(value) for value in present], dtype="int64")
    return pd.Series([float("nan") if value is None else float(value) for value in values], dtype="float64")


def as_number(value: object) -> float | None:
    """Return a cell as a float, NaN where it is empty, and None where it is not a number."""
    import datetime
    from decimal import Decimal

    import numpy as np

    if isinstance(value, bool | np.bool_ | datetime.timedelta | np.timedelta64):
        return None
    if isinstance(value, str):
        stripped = value.strip()
        if stripped.lower() in MISSING:
            return float("nan")
        return float(stripped) if _NUMBER.fullmatch(stripped) else None
    if _is_missing(value):
        return float("nan")
    return float(value) if isinstance(value, Real | Decimal) else None


def _is_missing(value: object) -> bool:
    import pandas as pd

    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(cast(Any, value))))


def _shown(value: object) -> str:
    """Return a value as a message quotes it."""
    if _is_missing(value):
        return "an empty cell"
    if isinstance(value, str):
        return f'"{value}"'[:80]
    return f"{value}" if type(value) in (int, float) else f"{value} ({type(value).__name__})"[:80]
