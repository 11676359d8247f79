"""Reader of Universal Binary JSON, the format in which XGBoost writes its models.

References
----------
https://ubjson.org, draft 12: type markers, optimized containers (``$type#count``). Numbers are big-endian.
"""

from __future__ import annotations

import numpy as np

from nagevo.foundation.errors import DataError

NUMBERS = {
    "i": np.dtype(">i1"),
    "U": np.dtype(">u1"),
    "I": np.dtype(">i2"),
    "l": np.dtype(">i4"),
    "L": np.dtype(">i8"),
    "d": np.dtype(">f4"),
    "D": np.dtype(">f8"),
}
CONSTANTS = {"Z": None, "T": True, "F": False}


def parse(data: bytes) -> object:
    """Return the value that the bytes hold; arrays of one numeric type become ndarrays.

    Raises
    ------
    DataError
        If the bytes end early, or hold an unknown marker or a size that is none.

    Examples
    --------
    >>> parse(b"{i\\x01ai\\x05i\\x01b[$U#i\\x02\\x01\\x02}")
    {'a': 5, 'b': array([1, 2], dtype=uint8)}
    """
    try:
        return _Reader(data).value()
    except RecursionError:
        raise DataError("UBJSON is nested too deeply") from None


class _Reader:
    """A position in the bytes."""

    def __init__(self, data: bytes):
        self._data, self._at = bytes(data), 0

    def value(self, marker: str | None = None) -> object:
        """Return the value at the position; its marker is read first unless given."""
        marker = self._marker() if marker is None else marker
        if marker in NUMBERS:
            return self._numbers(NUMBERS[marker], 1)[0].item()
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker == "S":
            return self._text()
        if marker == "[":
            return self._array()
        if marker == "{":
            return self._object()
        raise DataError(f"unknown UBJSON marker {marker!r} at byte {self._at}")

    def _array(self) -> object:
        kind, count = self._container()
        if kind in NUMBERS:
            return self._numbers(NUMBERS[kind], count)
        if count is not None:
            return [self.value(kind) for _ in range(self._size(kind, count))]
        values = []
        while not self._ends("]"):
            values.append(self.value())
        return values

    def _object(self) -> dict[str, object]:
        kind, count = self._container()
        if count is not None:
            return {self._text(): self.value(kind) for _ in range(self._size(kind, count))}
        values = {}
        while not self._ends("}"):
            name = self._text()
            values[name] = self.value()
        return values

    def _container(self) -> tuple[str | None, int | None]:
        """Return the common type and the number of values, where a container states them."""
        kind = self._marker() if self._ends("$") else None
        count = self._count() if self._ends("#") else None
        if kind is not None and count is None:
            raise DataError(f"UBJSON container with a type and without a number of values at byte {self._at}")
        return kind, count

    def _count(self) -> int:
        """Return the next value, which has to be a number of things."""
        count = self.value()
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise DataError(f"UBJSON has a size that is no number of things at byte {self._at}")
        return count

    def _size(self, kind: str | None, count: int) -> int:
        """Return the number of values of a container that can be in the bytes: each takes one at least."""
        if kind in CONSTANTS or count > len(self._data):
            raise DataError(f"UBJSON has a container that the bytes cannot hold at byte {self._at}")
        return count

    def _ends(self, marker: str) -> bool:
        """Return whether the next marker is this one, and pass it if so."""
        found = self._data[self._at : self._at + 1] == marker.encode()
        self._at += found
        return found

    def _marker(self) -> str:
        return self._bytes(1).decode("latin-1")

    def _text(self) -> str:
        try:
            return self._bytes(self._count()).decode()
        except UnicodeDecodeError:
            raise DataError(f"UBJSON has text that is not UTF-8 at byte {self._at}") from None

    def _numbers(self, kind: np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(self._bytes(kind.itemsize * count), kind).astype(kind.newbyteorder("="))

    def _bytes(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise DataError(f"UBJSON ends at byte {len(self._data)} inside a value")
        self._at += count
        return taken
