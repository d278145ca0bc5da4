"""The command `handnn demo`: a network trained on real measurements."""

from __future__ import annotations

from handnn.cli.demo.demo_command import demo

__all__ = ["demo"]
