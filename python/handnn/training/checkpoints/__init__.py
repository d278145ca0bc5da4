"""Checkpoints: files from which an interrupted training goes on to the same bits."""

from __future__ import annotations

from handnn.training.checkpoints.checkpoint import Checkpoint, Options, Progress, hashes, read

__all__ = ["Checkpoint", "Options", "Progress", "hashes", "read"]
