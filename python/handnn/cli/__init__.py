"""The command `handnn`. The only room that imports click."""

from __future__ import annotations

from handnn.cli.command import main

__all__ = ["main"]
