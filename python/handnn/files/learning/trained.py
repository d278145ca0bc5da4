"""A model trained on a file, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass

from handnn.files.learning.split import LabeledRows, Split
from handnn.tables import TableModel
from handnn.training.history import History


@dataclass(frozen=True)
class TrainingRun:
    """A record of how a model was trained.

    Attributes:
        histories: one for each network.
        held_out: the rows that score the model.
        n_train: the number of rows trained on.
        keeps_best_epoch: whether each network has the weights of its best epoch, not of its last.
        seconds: how long it took.
    """

    histories: list[History]
    held_out: LabeledRows
    n_train: int
    keeps_best_epoch: bool
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A model, how it was trained, and the rows it was trained on; of a streamed file a sample."""

    model: TableModel
    run: TrainingRun
    split: Split
