"""Concurrent trainings: one thread for each network."""

from __future__ import annotations

from handnn.training.many.threads import train_many

__all__ = ["train_many"]
