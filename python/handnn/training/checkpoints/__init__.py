"""Checkpoints: files from which an interrupted fit continues, with the same bits.

A checkpoint is a safetensors file that replaces the previous one atomically. It holds the arrays of
the network under their names, and

    optimizer.STATE.PARAM    the state of the optimizer, such as optimizer.mean.0.w
    best.PARAM               the weights of the best epoch so far, if EarlyStopping keeps them
    history.*                losses, metrics and seconds of every epoch, float64
    outputs                  within an epoch: the outputs to measure metrics on

Its metadata has the entry "handnn", which describes the bricks, and the JSON text "training": loss,
optimizer, schedule, the generator before the fit and now, the arguments of `fit`, the position in
the epoch, and hashes of the data. Classes are looked up by name in fixed tables. Nothing in a file
is executed.
"""

from __future__ import annotations

from handnn.training.checkpoints.checkpoint import Checkpoint, hashes
from handnn.training.checkpoints.reading import Resumed, read

__all__ = ["Checkpoint", "Resumed", "hashes", "read"]
