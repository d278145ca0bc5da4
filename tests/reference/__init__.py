"""Every brick again in plain NumPy: the oracle of the tests, and the reader's second text.

The names and the arguments are those of `handnn.functional`; nothing is written in place, and each
function computes in the dtype it is given. N counts rows (samples), I inputs, O outputs.
"""

from __future__ import annotations

from tests.reference.layers import *  # noqa: F403
from tests.reference.losses import *  # noqa: F403
from tests.reference.optimizers import *  # noqa: F403
