"""A model trained on a file, and the rows it was trained and scored on."""

from __future__ import annotations

from dataclasses import dataclass

from handnn.files.learning.split import Split
from handnn.tables import TableModel
from handnn.training.history import History


@dataclass(frozen=True)
class Trained:
    """A model and how it was trained.

    Attributes:
        histories: one for each network.
        split: the rows that were held out, and those trained on; of a streamed file a sample.
        n_train: the number of rows trained on.
        keeps_best_epoch: whether each network has the weights of its best epoch, not of its last.
        seconds: how long it took.
    """

    model: TableModel
    histories: list[History]
    split: Split
    n_train: int
    keeps_best_epoch: bool
    seconds: float
