"""The same numbers in every layout NumPy has: each function returns an equal array."""

from __future__ import annotations

import numpy as np


def strided(a):
    """Every second element along every axis of a larger array."""
    big = np.full(tuple(2 * n for n in a.shape), 99, a.dtype)
    view = big[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def negative(a):
    """Backwards in memory along every axis."""
    back = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[back])[back]


def fortran(a):
    return np.asfortranarray(a)


def read_only(a):
    view = a.copy()
    view.flags.writeable = False
    return view


def misaligned(a):
    """Contiguous, one byte past where its dtype would have to start."""
    raw = np.zeros(a.nbytes + a.itemsize + 1, np.uint8)
    start = (-raw.ctypes.data) % a.itemsize + 1
    view = raw[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def byte_swapped(a):
    return a.astype(a.dtype.newbyteorder())


def padded_rows(a):
    """Rows that are contiguous, but further apart than they are long."""
    if a.ndim == 0:
        return a.copy()
    big = np.full((*a.shape[:-1], a.shape[-1] + 3), 99, a.dtype)
    view = big[..., : a.shape[-1]]
    view[...] = a
    return view


def at_offset(a, elements):
    """A writable copy that starts `elements` past a 64-byte boundary, with its guard around it."""
    margin = 64 // a.itemsize
    guard = np.full(a.size + 4 * margin + elements, 99, a.dtype)
    start = ((-guard.ctypes.data) % 64) // a.itemsize + margin + elements
    view = guard[start : start + a.size].reshape(a.shape)
    view[...] = a
    return view, guard, start


LAYOUTS = [strided, negative, fortran, read_only, misaligned, byte_swapped, padded_rows]
