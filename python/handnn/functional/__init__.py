"""The kernels as functions on NumPy buffers: no state, no surprises, one C++ call each.

Shapes: N rows (samples), I inputs, O outputs; arrays are row-major.

Inputs are anything ``np.asarray`` takes. What is already C-contiguous, aligned and of the call's
dtype is used in place. float32 and float64 are never mixed: arrays of both in one call are a
TypeError, and so are complex, object, string, datetime and longdouble. Integers, bools, float16,
lists and scalars take the dtype of the float arrays beside them, float64 when there is none.

Outputs (``out=``, ``dx=``, ...) are written in place and returned; without them a new array is.
They must have the exact dtype (else TypeError) and shape, be C-contiguous, aligned and writable,
and overlap no input (else ValueError). Shapes that do not fit are a ValueError naming both sides:
``affine_forward: x has 7 columns but w has 8 rows``.
"""

from __future__ import annotations

from handnn.functional import layers, losses, optimizers
from handnn.functional.layers import *
from handnn.functional.losses import *
from handnn.functional.optimizers import *

__all__: list[str] = []
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += optimizers.__all__
