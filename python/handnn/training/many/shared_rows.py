"""Data of jobs in other processes: each array is written to a file once, and mapped by workers.

Jobs refer to the arrays by number. A worker that cannot open the folder, because it runs on another
machine, gets the arrays with a job, and keeps them until it gets others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array

STOP = "stop"
"""The name of the file whose presence asks all workers to stop."""

_KEPT: dict[str, list[Array]] = {}
"""The arrays sent to this process, by the folder that it cannot open."""


@dataclass(frozen=True)
class Reference:
    """A reference to one of the arrays of a `SharedRows`."""

    number: int


class SharedRows:
    """A folder with one file for each array; each array is written once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.arrays: list[Array] = []
        self._numbers: dict[int, int] = {}

    def put(self, array: Array) -> Reference:
        """Return a reference to an array, which is written on its first use."""
        number = self._numbers.get(id(array))
        if number is None:
            number = self._numbers[id(array)] = len(self.arrays)
            self.arrays.append(array)  # keeps its id from being reused
            np.save(path_of(self.folder, number), array)
        return Reference(number)

    def has_begun(self, place: int) -> bool:
        """Return whether a worker that can open the folder began this job; forget it."""
        try:
            os.remove(os.path.join(self.folder, f"{place}.begun"))
        except FileNotFoundError:
            return False
        return True

    def ask_to_stop(self) -> None:
        """Ask the workers that can open the folder to stop."""
        _touch(os.path.join(self.folder, STOP))


class OpenedRows:
    """The arrays of a `SharedRows` in a worker.

    given: the arrays themselves, if they come with the job.
    """

    def __init__(self, folder: str, given: list[Array] | None) -> None:
        self.folder = folder
        if given is not None:
            _KEPT.clear()
            _KEPT[folder] = given

    @property
    def is_mapped(self) -> bool:
        """Whether the worker can open the folder."""
        return os.path.isdir(self.folder)

    @property
    def is_missing(self) -> bool:
        """Whether the worker needs the arrays themselves."""
        return not self.is_mapped and self.folder not in _KEPT

    @property
    def is_to_stop(self) -> bool:
        """Whether the parent has asked to stop, or has removed the folder."""
        if self.folder in _KEPT:
            return False
        return not self.is_mapped or os.path.exists(os.path.join(self.folder, STOP))

    def begin(self, place: int) -> None:
        """Record that a job begins, for `SharedRows.has_begun`."""
        if self.is_mapped:
            _touch(os.path.join(self.folder, f"{place}.begun"))

    def get(self, value: object) -> object:
        """Return the array that a reference stands for; any other value unchanged."""
        if not isinstance(value, Reference):
            return value
        if self.folder in _KEPT:
            return _KEPT[self.folder][value.number]
        return np.load(path_of(self.folder, value.number), mmap_mode="r")


def path_of(folder: str, number: int) -> str:
    """Return the path of an array in the folder."""
    return os.path.join(folder, f"{number}.npy")


def _touch(path: str) -> None:
    with open(path, "wb"):
        pass
