"""The Jacobian of a sequence of bricks, row by row."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from handnn import functional
from handnn.arrays import Array
from handnn.layers import Activation, Affine, Brick, Residual, is_ours, sequence

MAX_ENTRIES = 2**21
"""The largest gradient of several outputs together, chosen to fit in a cache."""


def jacobian(layers: Sequence[Brick], x: Array, where: str) -> Array:
    """Return d out_o / d x_i for each row of x (N, I), as an array (N, O, I) in the dtype of x.

    In prediction mode, rows do not depend on each other, so one backward from output o computes row
    o of all N Jacobians. The bricks are copied, so the arrays that they keep for `backward` do not
    change. `where` is the caller's name in messages.

    Raises:
        ValueError: If x or out does not have two dimensions.
    """
    if x.ndim != 2:
        raise ValueError(f"{where}: x must have 2 dimensions (N, I), but has shape {x.shape}")
    layers = [_predicting_copy(layer) for layer in layers]
    out, widest = x, x.shape[1]
    for index, layer in enumerate(layers):
        out = np.asarray(sequence.result(layer.forward(out), where, index, layer))
        widest = max((widest, *out.shape[1:]))
    if out.ndim != 2 or len(out) != len(x):
        raise ValueError(
            f"{where}: the network must return (N, O), but returns {out.shape} for x {x.shape}"
        )
    rows, outputs = out.shape
    if outputs == 0:
        return np.zeros((rows, 0, x.shape[1]), x.dtype)
    at_once = max(1, MAX_ENTRIES // max(1, rows * widest))
    parts = []
    for first in range(0, outputs, at_once):
        count = min(at_once, outputs - first)
        dout = np.repeat(np.eye(count, outputs, first, x.dtype)[None], rows, axis=0)
        for layer in reversed(layers):
            dout = _backward(layer, dout)
        parts.append(dout)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _predicting_copy(layer: Brick) -> Brick:
    """Return a copy in prediction mode; handnn's own bricks share their arrays with it."""
    if is_ours(layer):
        ours = object.__new__(type(layer))
        vars(ours).update(vars(layer))
        if isinstance(ours, Residual):
            ours.block = [_predicting_copy(inner) for inner in ours.block]
        ours.training = False
        return ours
    copied = copy.deepcopy(layer)
    if hasattr(copied, "training"):
        copied.training = False
    return copied


def _backward(layer: Brick, dout: Array) -> Array:
    """Return dx (N, K, I) for dout (N, K, O): K gradients for each row of the last forward.

    The result has the bits of K calls of `layer.backward`. An Affine of several inputs skips dw
    and db, and an activation handles all K in one call.
    """
    rows, count, width = dout.shape
    flat = dout.reshape(rows * count, width)
    if is_ours(layer):
        if isinstance(layer, Residual):
            dx = dout
            for inner in reversed(layer.block):
                dx = _backward(inner, dx)
            with np.errstate(all="ignore"):  # inf - inf is NaN without a warning, as in Residual
                return dout + dx
        # With one input, affine_forward would add in another order than backward.
        if isinstance(layer, Affine) and len(layer.w) > 1:
            transposed, bias = np.ascontiguousarray(layer.w.T), np.zeros(len(layer.w), dout.dtype)
            dx = functional.affine_forward(flat, transposed, bias)
            return dx.reshape(rows, count, len(layer.w))
        if isinstance(layer, Activation):
            return _as_if_repeated(layer, flat, count).reshape(dout.shape)
    # Copies, because a user's brick may return the same array each time.
    return np.stack(
        [np.array(layer.backward(dout[:, k]), dout.dtype) for k in range(count)], axis=1
    )


def _as_if_repeated(layer: Activation, dout: Array, count: int) -> Array:
    """Return dx of dout as if the last forward had repeated each row `count` times."""
    (name,) = layer.kept  # "x" or "out"
    kept = getattr(layer, name)
    setattr(layer, name, np.repeat(kept, count, axis=0))
    dx = layer.backward(dout)
    setattr(layer, name, kept)
    return dx
