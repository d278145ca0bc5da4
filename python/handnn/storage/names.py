"""What PyTorch calls the arrays of a brick, and how it shapes them: a `state_dict` in NumPy.

ours                            PyTorch's
0.w (I, O)    of Affine         0.weight (O, I)
0.w (K, D)    of Embedding      0.weight (K, D)
0.gamma (O,)  of a norm         0.weight (O,)
0.b, 0.beta (O,)                0.bias (O,)
0.running_mean (O,) ...         the same, and 0.num_batches_tracked ()
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Affine, BatchNorm, Brick, Layer
from handnn.layers.sequence import walk

STATISTICS = ("running_mean", "running_var")
NORM = {"gamma": "weight", "beta": "bias"}
TORCH_NAMES: dict[str, dict[str, str]] = {
    "Affine": {"w": "weight", "b": "bias"},
    "BatchNorm": {**NORM, **dict(zip(STATISTICS, STATISTICS, strict=True))},
    "Embedding": {"w": "weight"},
    "LayerNorm": NORM,
}
"""PyTorch's names by the brick's and our own; other bricks have no arrays."""

COUNTER = "num_batches_tracked"
"""An int64 that PyTorch's BatchNorm keeps, and uses only where it has no momentum."""


def is_turned(brick: str, name: str) -> bool:
    """Return whether PyTorch holds this array transposed."""
    return (brick, name) == (Affine.__name__, "w")


def state_dict(layers: Iterable[Brick]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of handnn's own bricks, named, ordered and shaped as PyTorch's are.

    They are C-contiguous, and may be the bricks' own arrays where the shape is the same.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for place, layer in walk(layers):
        ours = cast(Layer, layer)
        if ours.block:  # its bricks come by themselves
            continue
        brick = type(ours).__name__
        for name, array in {**ours.params, **ours.buffers}.items():
            turned: Array = array.T if is_turned(brick, name) else array
            found[f"{place}.{TORCH_NAMES[brick][name]}"] = np.ascontiguousarray(turned)
        if isinstance(ours, BatchNorm):
            found[f"{place}.{COUNTER}"] = np.zeros((), np.int64)
    return found
