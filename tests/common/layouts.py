"""Copies of an array in other memory layouts: each function returns an equal array."""

from __future__ import annotations

import numpy as np


def strided(a):
    """Return every second element along every axis of a larger array."""
    big = np.full(tuple(2 * n for n in a.shape), 99, a.dtype)
    view = big[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def negative(a):
    """Return a view with negative strides along every axis."""
    back = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[back])[back]


def fortran(a):
    return np.asfortranarray(a)


def read_only(a):
    view = a.copy()
    view.flags.writeable = False
    return view


def misaligned(a):
    """Return a contiguous array that starts one byte past an aligned address."""
    raw = np.zeros(a.nbytes + a.itemsize + 1, np.uint8)
    start = (-raw.ctypes.data) % a.itemsize + 1
    view = raw[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def byte_swapped(a):
    return a.astype(a.dtype.newbyteorder())


def padded_rows(a):
    """Return contiguous rows with padding between them."""
    if a.ndim == 0:
        return a.copy()
    big = np.full((*a.shape[:-1], a.shape[-1] + 3), 99, a.dtype)
    view = big[..., : a.shape[-1]]
    view[...] = a
    return view


def at_offset(a, elements):
    """Return a copy `elements` past a 64-byte boundary, the guard around it, and its start."""
    margin = 64 // a.itemsize
    guard = np.full(a.size + 4 * margin + elements, 99, a.dtype)
    start = ((-guard.ctypes.data) % 64) // a.itemsize + margin + elements
    view = guard[start : start + a.size].reshape(a.shape)
    view[...] = a
    return view, guard, start


LAYOUTS = [strided, negative, fortran, read_only, misaligned, byte_swapped, padded_rows]
