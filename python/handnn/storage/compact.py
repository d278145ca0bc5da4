"""Immutable sequences of numbers and strings that take as much memory as in a file.

A float in a tuple takes 32 bytes, and a short string about 60; here they take 8, and 8 more than
their characters. They are equal to the tuples that have the same entries.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

N_AT_ONCE = 4096
"""The number of entries that are converted at a time during an iteration."""


class Compact(Sequence[Any]):
    """A sequence without an object for each of its entries."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is such a sequence, a tuple or a list with the same entries."""
        if not isinstance(other, Compact | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    def __hash__(self) -> int:
        """Return the hash of the tuple."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Return the text of the tuple."""
        return repr(tuple(self))


class Numbers(Compact):
    """The numbers of an array (M,) of floats, ints or bools.

    Examples:
        >>> from handnn.storage.compact import Numbers
        >>> knots = Numbers(np.array([0.5, 2.0]))
        >>> knots[0], knots == (0.5, 2.0), list(knots)
        (0.5, True, [0.5, 2.0])
    """

    __slots__ = ("_array",)

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array.view()
        self._array.flags.writeable = False

    def __len__(self) -> int:
        """Return M."""
        return len(self._array)

    def __getitem__(self, place: Any) -> Any:
        """Return a number, or Numbers for a slice."""
        found = self._array[place]
        return Numbers(found) if isinstance(place, slice) else found.item()

    def __iter__(self) -> Iterator[Any]:
        """Yield the numbers as those of Python."""
        for begin in range(0, len(self._array), N_AT_ONCE):
            yield from self._array[begin : begin + N_AT_ONCE].tolist()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the array, or a copy of it."""
        return np.array(self._array, dtype, copy=copy)


class Texts(Compact):
    """Strings (M,) in UTF-8, one after another.

    data: their bytes (B,). lengths: (M,) int64, the number of bytes of each; they are overwritten.
    """

    __slots__ = ("_data", "_ends", "_first")

    def __init__(self, data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> None:
        self._data = data
        self._ends = np.cumsum(lengths, out=lengths)
        self._first = 0

    def __len__(self) -> int:
        """Return M."""
        return len(self._ends)

    def __getitem__(self, place: Any) -> Any:
        """Return a string, or Texts for a slice of neighbors; ValueError if it is not UTF-8."""
        places = range(len(self._ends))[place]
        if not isinstance(places, range):
            begin = int(self._ends[places - 1]) if places else self._first
            return str(self._data[begin : int(self._ends[places])].data, "utf-8")
        if places.step != 1:
            return tuple(self[k] for k in places)
        found = Texts.__new__(Texts)
        found._data, found._ends = self._data, self._ends[places.start : places.stop]
        found._first = int(self._ends[places.start - 1]) if places.start else self._first
        return found
