"""Whether tests run in their long form, as they do every night."""

from __future__ import annotations

import os

SLOW = os.environ.get("HANDNN_SLOW_TESTS") == "1"
