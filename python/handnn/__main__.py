"""`python -m handnn` is the command `handnn`."""

from __future__ import annotations

import sys

from handnn.cli import main

sys.exit(main())
