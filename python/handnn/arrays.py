"""Validation of arrays and numbers: one conversion and one message for every argument."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from numbers import Real
from typing import SupportsIndex, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Item = TypeVar("Item")

Array = NDArray[np.floating]
"""An array of float32 or float64."""


@overload
def as_float(values: ArrayLike, dtype: type[np.float64], name: str) -> NDArray[np.float64]: ...
@overload
def as_float(values: ArrayLike, dtype: DTypeLike | None, name: str) -> Array: ...
def as_float(values: ArrayLike, dtype: DTypeLike | None, name: str) -> Array:
    """Return `values` as an array of `dtype`, without a copy if they already are one.

    dtype None keeps float32 and float64, and converts other real numbers to float64. `name` is the
    argument's name in messages.

    Raises:
        TypeError: If `values` are not real numbers of up to 64 bits (complex, object, string,
            datetime, longdouble).
        ValueError: If `values` are not an array, such as rows of different lengths.
    """
    if type(values) is np.ndarray and values.dtype is dtype and dtype in _FLOATS:
        return values  # most calls of a training, in a third of the time
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not an array: {error}") from None
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} must hold real numbers of up to 64 bits, but is {array.dtype}")
    if dtype is None:
        dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    return np.asarray(array, dtype)


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

CACHE_LINE = 64
"""The size of a cache line in bytes, on x86 and most other CPUs."""


def in_own_lines(values: ArrayLike, dtype: DTypeLike) -> Array:
    """Return a copy of `values` that starts at a cache line and shares none with other arrays.

    NumPy does not align its arrays to cache lines. A vector that crosses two lines is slower to
    load, and threads that write to arrays on the same line wait for each other.
    """
    array = np.asarray(values, dtype)
    lines = -(-max(array.nbytes, 1) // CACHE_LINE)
    memory = np.empty((lines + 1) * CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy: Array = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def check_output(out: object, like: Array, inputs: Mapping[str, Array], name: str) -> None:
    """Check that `out` can hold a copy of `like`, as the C++ functions check their outputs.

    Raises:
        TypeError: If the dtypes differ.
        ValueError: If the shapes differ, or `out` is not C-contiguous, not writable, or overlaps an
            array of `inputs`.
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
            raise ValueError(f"{name} overlaps {other} in memory; pass an array that does not")


def float_dtype(dtype: DTypeLike, name: str) -> np.dtype[np.floating]:
    """Return `dtype` as a NumPy dtype; raise TypeError if it is not float32 or float64."""
    for known in _FLOATS:
        if dtype is known:
            return known
    found: object = np.dtype(object)
    with suppress(TypeError, ValueError):
        found = np.dtype(dtype)
    for known in _FLOATS:
        if found == known:
            return known
    raise TypeError(f"{name} must be float32 or float64, but is {dtype!r}")


def check_type(value: object, kind: type, name: str) -> None:
    """Raise TypeError if `value` is not an instance of `kind`; `name` is the argument's name."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOUaeiou" else "a"
        raise TypeError(
            f"{name} must be {article} {kind.__name__}, but is a {type(value).__name__}"
        )


def text_tuple(values: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Return strings as a tuple, of one string if there is only one; TypeError for other values."""
    try:
        texts = iter((values,) if isinstance(values, str) else values)
    except TypeError:
        raise TypeError(f"{name} must be strings, but is {values!r:.50}") from None
    found = []
    for text in texts:  # an array may have 2⁴⁰ rows without a byte
        if not isinstance(text, str):
            raise TypeError(f"{name} must be strings, but has {text!r:.50}")
        found.append(text)
    return tuple(found)


def elements(values: Iterable[Item], name: str) -> list[Item]:
    """Return objects as a list; TypeError for an array of numbers, which may have 2⁴⁰ rows."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        raise TypeError(f"{name} must be a list, but is an array of shape {values.shape}")
    return list(values)


def check_methods(value: object, name: str, *methods: str) -> None:
    """Raise TypeError unless `value` is an object with these methods."""
    if isinstance(value, type):
        kind = value.__name__
        raise TypeError(f"{name} must be an object, but is the class {kind}; write {kind}(...)")
    if not all(callable(getattr(value, m, None)) for m in methods):
        raise TypeError(f"{name} must have {' and '.join(methods)}, but is {value!r}")


def whole_number(
    value: SupportsIndex, name: str, minimum: int = 1, maximum: int | None = None
) -> int:
    """Return `value` as an int; raise TypeError if it is not one, ValueError if out of bounds."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, but is {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, but is {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, but is {number}")
    return number


def whole_numbers(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return `values` as int64; raise TypeError if they are not integers of up to 64 bits."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers of up to 64 bits, but is {array.dtype}")
    return array.astype(np.int64, copy=False)


def real_number(value: object, name: str) -> float:
    """Return `value` as a float, infinite if too large; raise TypeError if it is not a number."""
    if type(value) is float:  # the general check takes a microsecond
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but is {value!r}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def non_negative_number(value: object, name: str) -> float:
    """Return `value` as a float; raise ValueError if it is negative or not finite."""
    number = real_number(value, name)
    if not 0 <= number <= sys.float_info.max:
        raise ValueError(f"{name} must be finite and not negative, but is {value}")
    return number


def positive_number(value: object, name: str) -> float:
    """Return `value` as a float; raise ValueError if it is not positive and finite."""
    number = non_negative_number(value, name)
    if number == 0:
        raise ValueError(f"{name} must be above 0, but is {value}")
    return number


def fraction(value: object, name: str, is_below_one: bool = False) -> float:
    """Return `value` as a float; raise ValueError if it is not from 0 to 1, or is 1 if excluded."""
    number = real_number(value, name)
    if not 0 <= number <= 1 or (is_below_one and number == 1):
        limits = "at least 0 and below 1" if is_below_one else "from 0 to 1"
        raise ValueError(f"{name} must be {limits}, but is {value}")
    return number
