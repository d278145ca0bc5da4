"""Every formula of handnn in plain NumPy: the oracle of `handnn check` and of the tests.

`layers`, `losses` and `optimizers` hold one function for each function of `handnn.functional`, with
the same name and the same arguments. They return their results, write nothing in place, and compute
in the dtype of their arguments; as an oracle they are called with float64. `schedules` holds one
function for each learning-rate schedule. `bounds` derives the largest correct deviation of a kernel
from these formulas, and `calls` lists calls of each function with random arguments.

N is the number of rows (samples), I of inputs, O of outputs.
"""

from __future__ import annotations

from handnn.reference.layers import *  # noqa: F403
from handnn.reference.losses import *  # noqa: F403
from handnn.reference.optimizers import *  # noqa: F403
