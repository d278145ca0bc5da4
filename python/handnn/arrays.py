"""What every array and every size passes on its way in: one type, one cast, one message."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from numbers import Real
from typing import Any, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[np.floating]
"""An array of float32 or float64."""


def as_float(values: ArrayLike, dtype: DTypeLike | None, name: str) -> Array:
    """Return `values` as an array of `dtype`, and without a copy if they are one already.

    dtype None keeps float32 and float64 as they are and turns any other real numbers into float64.
    Raises TypeError when `values` are not real numbers of up to 64 bits (complex, object, string,
    datetime, longdouble), and ValueError when they are no array (rows of different lengths).
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not an array: {error}") from None
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} must hold real numbers of up to 64 bits, but is {array.dtype}")
    if dtype is None:
        dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    return np.asarray(array, dtype)


CACHE_LINE = 64
"""Bytes that a CPU reads and writes at a time: 64 on x86 and on most others."""


def in_own_lines(values: ArrayLike, dtype: DTypeLike) -> Array:
    """Return a copy of `values` that begins a cache line and shares none with other arrays.

    NumPy's own begin anywhere, so that a vector may lie across two lines; and where two threads
    write to arrays that share one, each waits for the other.
    """
    array = np.asarray(values, dtype)
    lines = -(-max(array.nbytes, 1) // CACHE_LINE)
    memory = np.empty((lines + 1) * CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy: Array = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def check_output(out: object, like: Array, inputs: Mapping[str, Array], name: str) -> None:
    """Check that `out` can take what `like` holds, as the C++ functions check theirs.

    Raises TypeError when its dtype is another, ValueError when its shape is, or when it is not
    C-contiguous, not writable, or overlaps one of the `inputs`.
    """
    if not isinstance(out, np.ndarray) or out.dtype != like.dtype:
        kind = getattr(out, "dtype", type(out).__name__)
        raise TypeError(f"{name} must be {like.dtype}, but is {kind}")
    if out.shape != like.shape:
        raise ValueError(f"{name} must have shape {like.shape}, but has {out.shape}")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"{name} must be C-contiguous and writable")
    for other, array in inputs.items():
        if np.may_share_memory(out, array):
            raise ValueError(f"{name} overlaps {other} in memory; give it memory of its own")


def float_dtype(dtype: DTypeLike, name: str) -> np.dtype[np.floating]:
    """Return `dtype` as a NumPy dtype; raise TypeError unless it is float32 or float64."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        found = np.dtype(object)
    if found not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, but is {dtype!r}")
    return found


def whole_number(value: SupportsIndex, name: str, least: int = 1, most: int | None = None) -> int:
    """Return `value` as an int; raise TypeError unless it is one, ValueError when out of bounds."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, but is {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, but is {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}, but is {number}")
    return number


def non_negative_number(value: object, name: str) -> float:
    """Return `value` as a float; raise TypeError unless it is one, ValueError below 0 or at inf."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but is {value!r}")
    if not 0 <= cast(Any, value) <= sys.float_info.max:
        raise ValueError(f"{name} must be finite and not negative, but is {value}")
    return float(value)


def positive_number(value: object, name: str) -> float:
    """Do the same, and raise ValueError for 0 too."""
    number = non_negative_number(value, name)
    if number == 0:
        raise ValueError(f"{name} must be above 0, but is {value}")
    return number


def fraction(value: object, name: str, is_below_one: bool = False) -> float:
    """Return `value` as a float; raise TypeError unless it is one, ValueError outside of 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but is {value!r}")
    number: Any = value
    if not 0 <= number <= 1 or (is_below_one and number == 1):
        limits = "at least 0 and below 1" if is_below_one else "from 0 to 1"
        raise ValueError(f"{name} must be {limits}, but is {value}")
    return float(number)
