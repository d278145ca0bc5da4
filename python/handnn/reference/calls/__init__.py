"""Calls of each function of `handnn.functional` with random arguments.

`handnn check` and the common tests derive from the list `CALLS`: at least one call of each
function, with its arguments, their shapes and its bound. A new brick adds its calls to the list of
its kind and is checked from then on.
"""

from __future__ import annotations

from handnn.reference.calls import activations, layers, losses, optimizers
from handnn.reference.calls.call import DTYPES, SIZES, Call, letters_of, shape_of

LAYER_CALLS = [*activations.CALLS, *layers.CALLS]
LOSS_CALLS = losses.CALLS
OPTIMIZER_CALLS = optimizers.CALLS

CALLS: list[Call] = [*LAYER_CALLS, *LOSS_CALLS, *OPTIMIZER_CALLS]


def call_of(function: str, variant: str = "") -> Call:
    """Return the call of a function; raise ValueError unless exactly one has that variant."""
    (found,) = (c for c in CALLS if (c.function, c.variant) == (function, variant))
    return found


__all__ = [
    "CALLS",
    "DTYPES",
    "LAYER_CALLS",
    "LOSS_CALLS",
    "OPTIMIZER_CALLS",
    "SIZES",
    "Call",
    "call_of",
    "letters_of",
    "shape_of",
]
