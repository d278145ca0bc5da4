"""The command `handnn`. Only this package imports click."""

from __future__ import annotations

from handnn.cli.command import main

__all__ = ["main"]
