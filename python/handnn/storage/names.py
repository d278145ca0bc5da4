"""PyTorch's names and shapes of the arrays of bricks: a `state_dict` in NumPy.

ours                            PyTorch's
0.w (I, O)    of Affine         0.weight (O, I)
0.w (K, D)    of Embedding      0.weight (K, D)
0.gamma (O,)  of a norm         0.weight (O,)
0.b, 0.beta (O,)                0.bias (O,)
0.running_mean (O,) ...         the same, and 0.num_batches_tracked ()
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Affine, BatchNorm, Brick, is_ours
from handnn.layers.sequence import walk

STATISTICS = ("running_mean", "running_var")
NORM = {"gamma": "weight", "beta": "bias"}
TORCH_NAMES: dict[str, dict[str, str]] = {
    "Affine": {"w": "weight", "b": "bias"},
    "BatchNorm": {**NORM, **dict(zip(STATISTICS, STATISTICS, strict=True))},
    "Embedding": {"w": "weight"},
    "LayerNorm": NORM,
}
"""PyTorch's name of each array of a brick; bricks that are not listed have no arrays."""

COUNTER = "num_batches_tracked"
"""An int64 array of PyTorch's BatchNorm, which uses it only without a momentum."""


def is_turned(brick: str, name: str) -> bool:
    """Return whether PyTorch stores this array transposed."""
    return (brick, name) == (Affine.__name__, "w")


def state_dict(layers: Iterable[Brick]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of bricks with PyTorch's names, shapes and order.

    They are C-contiguous and may share memory with the bricks' arrays.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for place, layer in walk(layers):
        if not is_ours(layer) or layer.block:  # `walk` also yields the bricks of a block
            continue
        brick = type(layer).__name__
        for name, array in {**layer.params, **layer.buffers}.items():
            turned: Array = array.T if is_turned(brick, name) else array
            found[f"{place}.{TORCH_NAMES[brick][name]}"] = np.ascontiguousarray(turned)
        if isinstance(layer, BatchNorm):
            found[f"{place}.{COUNTER}"] = np.zeros((), np.int64)
    return found
