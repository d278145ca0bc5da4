"""Whether tests run in their long form, as in the nightly workflow."""

from __future__ import annotations

import os

SLOW = os.environ.get("HANDNN_SLOW_TESTS") == "1"
