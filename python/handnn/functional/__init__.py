"""The kernels as functions of NumPy arrays: stateless, one C++ call each.

Shapes: N rows (samples), I inputs, O outputs; arrays are row-major.

Inputs: anything that ``np.asarray`` accepts. An array that is C-contiguous, aligned and of the
call's dtype is used in place, any other is copied. The dtype of a call is that of its float32 or
float64 arrays; a call with both raises TypeError, and so do complex, object, string, datetime and
longdouble arrays. Integers, bools, float16, lists and scalars are converted to the dtype of the
call, which is float64 if none of its arrays determines it.

Outputs (``out=``, ``dx=``, ...): written in place and returned; new arrays by default. An output
must have the dtype of the call (else TypeError) and the exact shape, be C-contiguous, aligned and
writable, and overlap no input (else ValueError).

Shapes that do not match raise a ValueError that names both:
``affine_forward: x has 7 columns but w has 8 rows``.

Several threads may call these functions concurrently, as long as none of them writes to or resizes
an array that another uses.
"""

from __future__ import annotations

from handnn.functional import activations, layers, losses, optimizers
from handnn.functional.activations import *
from handnn.functional.layers import *
from handnn.functional.losses import *
from handnn.functional.optimizers import *

__all__: list[str] = []
__all__ += activations.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += optimizers.__all__
