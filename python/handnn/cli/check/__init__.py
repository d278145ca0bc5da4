"""The command `handnn check`: check that an installation computes correctly on its machine."""

from __future__ import annotations

from handnn.cli.check.check_command import check

__all__ = ["check"]
