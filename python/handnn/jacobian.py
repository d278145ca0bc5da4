"""The Jacobian of some bricks: how every output of a row changes with every input of that row."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from handnn import functional
from handnn.arrays import Array
from handnn.layers import Activation, Affine, Brick, Residual, is_ours

ENTRIES_AT_ONCE = 2**21
"""How many numbers a gradient of several outputs may have; few enough to stay in a cache."""


def jacobian(layers: Sequence[Brick], x: Array, where: str) -> Array:
    """Return d out_o / d x_i of each row of x (N, I), as an array (N, O, I) of x's dtype.

    The bricks predict, so that no row sees another, and one backward from output o gives row o of
    all N Jacobians. Works on copies: the bricks, and what they keep for `backward`, are left as
    they are. Raises ValueError when x or out has not two dimensions; `where` names the caller.
    """
    if x.ndim != 2:
        raise ValueError(f"{where}: x must have 2 dimensions (N, I), but has shape {x.shape}")
    layers = [_predicting_copy(layer) for layer in layers]
    out, widest = x, x.shape[1]
    for layer in layers:
        out = layer.forward(out)
        widest = max((widest, *out.shape[1:]))
    if out.ndim != 2 or len(out) != len(x):
        raise ValueError(
            f"{where}: the network must give (N, O), but gives {out.shape} for x {x.shape}"
        )
    rows, outputs = out.shape
    if outputs == 0:
        return np.zeros((rows, 0, x.shape[1]), x.dtype)
    at_once = max(1, ENTRIES_AT_ONCE // max(1, rows * widest))
    parts = []
    for first in range(0, outputs, at_once):
        count = min(at_once, outputs - first)
        dout = np.repeat(np.eye(count, outputs, first, x.dtype)[None], rows, axis=0)
        for layer in reversed(layers):
            dout = _backward(layer, dout)
        parts.append(dout)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _predicting_copy(layer: Brick) -> Any:
    """Return a copy that predicts; one of our bricks shares its arrays, for it changes none."""
    if is_ours(layer):
        copied: Any = object.__new__(type(layer))
        vars(copied).update(vars(layer))
        if isinstance(copied, Residual):
            copied.block = [_predicting_copy(inner) for inner in copied.block]
    else:
        copied = copy.deepcopy(layer)
    if hasattr(copied, "training"):
        copied.training = False
    return copied


def _backward(layer: Brick, dout: Array) -> Array:
    """Return the dx (N, K, I) of dout (N, K, O): K gradients for each row of the last forward.

    That is K times `layer.backward`, with its bits. Affine needs no dw and db here, and an
    activation takes all K at once.
    """
    rows, count, width = dout.shape
    flat = dout.reshape(rows * count, width)
    if is_ours(layer):
        if isinstance(layer, Residual):
            dx = dout
            for inner in reversed(layer.block):
                dx = _backward(inner, dx)
            with np.errstate(all="ignore"):  # infinities go where they go, as in Residual
                return dout + dx
        if isinstance(layer, Affine):
            transposed, bias = np.ascontiguousarray(layer.w.T), np.zeros(len(layer.w), dout.dtype)
            dx = functional.affine_forward(flat, transposed, bias)
            return dx.reshape(rows, count, len(layer.w))
        if isinstance(layer, Activation):
            return _as_if_repeated(layer, flat, count).reshape(dout.shape)
    # Copies, because a brick of one's own may keep its gradients in one place.
    return np.stack(
        [np.array(layer.backward(dout[:, k]), dout.dtype) for k in range(count)], axis=1
    )


def _as_if_repeated(layer: Any, dout: Array, count: int) -> Array:
    """Return what backward would give if each row of the last forward had come `count` times."""
    (name,) = layer.kept  # x or out
    kept = getattr(layer, name)
    setattr(layer, name, np.repeat(kept, count, axis=0))
    dx: Array = layer.backward(dout)
    setattr(layer, name, kept)
    return dx
