"""The state and the settings of a fit that a checkpoint stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from handnn.arrays import Array
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History

Shuffle: TypeAlias = bool | Literal["replacement"]


class FitSettings(NamedTuple):
    """The arguments of `fit` that a resumed fit must repeat."""

    batch_size: int
    shuffle: Shuffle
    steps_per_epoch: int | None
    fraction: float | None
    """The fraction of the rows that is held out, if `validation` is one."""
    metrics: tuple[tuple[str, str | None], ...]
    """The name of each metric in the history, and in METRICS (None for a function)."""
    shards: int = 1


@dataclass
class FitState:
    """The progress of a fit: the epochs of `history` and `step` steps of the next epoch."""

    epochs: int
    """The number of epochs to train for, those of `history` included."""
    history: History = field(default_factory=History)
    step: int = 0
    total: float = 0.0
    """The sum over these steps of the batch loss times the number of rows."""
    outputs: Array | None = None
    """The outputs that the losses of these steps are computed from: see `History.metrics`."""
    early_stopping: EarlyStopping | None = None
    is_over: bool = False
    """Whether a callback or early stopping has ended the fit."""
