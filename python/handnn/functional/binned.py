"""The kernels of `BinnedAffine`, which is internal: they are not in `handnn.functional` itself."""

from __future__ import annotations

from collections.abc import Sequence

from handnn import _core
from handnn.arrays import Array


def binned_affine_forward(x: Array, w: Array, b: Array, bins: Sequence[int]) -> Array:
    """Return out (N, O) for x (N, I), w (R, O), b (O,) and the I numbers of bins."""
    return _core.binned_affine_forward(x, w, b, bins)


def binned_affine_backward(
    dout: Array, x: Array, w: Array, bins: Sequence[int]
) -> tuple[Array, Array, Array]:
    """Return dx (N, I), dw (R, O) and db (O,)."""
    return _core.binned_affine_backward(dout, x, w, bins)
