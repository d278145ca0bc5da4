"""Every layer of handnn and user-defined bricks, each in a small network, with rows for them.
Functions that inspect single bricks (jacobian, trace, layer_statistics) are tested on each.
"""

from __future__ import annotations

import numpy as np

from handnn import Residual, Softmax, Tanh
from handnn.reference import examples
from handnn.reference.examples import N_IN, N_OUT, WIDTH, affine, batch_norm
from tests.own_bricks import Halve, Scale

__all__ = ["MIDDLES", "N_IN", "N_OUT", "WIDTH", "network", "rows", "state"]


def residual_with_own(rng, dtype):
    return Residual(
        [affine(rng, dtype), Tanh(), Residual([batch_norm(rng, dtype), Softmax()]), Scale(5, dtype)]
    )


MIDDLES = {
    **examples.LAYERS,
    "Residual": residual_with_own,
    "own, learning": lambda rng, dtype: Scale(WIDTH, dtype),
    "own": lambda rng, dtype: Halve(),
}
"""Every brick by name: those of `handnn.reference.examples`, and user-defined ones."""


def network(name, dtype="float64", seed=3):
    """Return a network N_IN → N_OUT with that brick in the middle; an Embedding comes first."""
    return examples.network(name, dtype, seed, MIDDLES)


rows = examples.data


def state(network):
    """Return the complete state of a network, in a form that `==` compares."""

    def seen(value):
        if isinstance(value, np.ndarray):
            return (id(value), str(value.dtype), value.shape, value.tobytes())
        if isinstance(value, dict):
            return {name: seen(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [seen(inner) for inner in value]
        if hasattr(value, "forward") or type(value).__name__ == "Network":
            return (id(value), seen(vars(value)))
        return repr(value)

    return seen(network)
