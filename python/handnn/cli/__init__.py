"""The command `handnn`: demo, check and info. The only room that imports click."""

from __future__ import annotations

from handnn.cli.command import main

__all__ = ["main"]
