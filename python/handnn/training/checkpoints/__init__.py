"""Checkpoints: files from which an interrupted training goes on to the same bits."""

from __future__ import annotations

from handnn.training.checkpoints.checkpoint import Checkpoint, Resumed, hashes, read

__all__ = ["Checkpoint", "Resumed", "hashes", "read"]
