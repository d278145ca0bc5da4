"""Train the networks of a bag cycle by cycle, and end all at the cycle with the lowest loss.

`schedules.DoublingCycles` lowers the learning rate to 0 at the end of each cycle, where the weights
are settled. There each network's loss on the rows that it holds out is measured. The mean over all
networks includes every row of the table, so it identifies the best cycle even where a single small
fold cannot. Training ends after the first cycle that does not lower it.

A kind of networks that cannot catch up with another one ends earlier: see `Group.is_behind`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.losses import MSELoss
from handnn.schedules import N_CYCLES
from handnn.training.history import History
from handnn.training.trainer import Trainer

Train = Callable[..., list[History]]
"""`train_many`, or a partial of it."""

MAX_LOSS_RATIO = 2.0
"""The largest loss, relative to the lowest one, of networks that go on. The mean of two predictions
has a lower squared error than the better one if that of the other is less than three times as large
and their errors are not correlated. But both share the noise of the target.
"""


def cycle_ends(epochs: int) -> list[int]:
    """Return the epochs after which the cycles of a training end, without empty cycles.

    Examples:
        >>> from handnn.tables.cycles import cycle_ends
        >>> cycle_ends(75), cycle_ends(2)
        ([5, 15, 35, 75], [1, 2])
    """
    parts = 2 ** np.arange(1, N_CYCLES + 1) - 1
    ends = {int(end) for end in (epochs * parts + parts[-1] // 2) // parts[-1]}
    return sorted(ends - {0})


class Group:
    """Trainers that end at the same cycle.

    Attributes:
        places: their indices among all trainers.
        losses: the mean loss on held-out rows at the end of each cycle, while it decreases.
    """

    def __init__(self, trainers: Sequence[Trainer], places: range) -> None:
        self.places = places
        self.trainers = [trainers[place] for place in places]
        self.losses: list[float] = []
        self._kept: list[dict[str, Array]] = []

    def improves(self, histories: Sequence[History]) -> bool:
        """Return whether the cycle that has ended lowers the loss; if so, keep the weights."""
        losses = [histories[place].validation_loss[-1] for place in self.places]
        loss = math.fsum(losses) / len(losses)
        if not loss < (self.losses[-1] if self.losses else math.inf):
            return False
        self.losses.append(loss)
        self._kept = [
            {name: array.copy() for name, array in _arrays(trainer).items()}
            for trainer in self.trainers
        ]
        return True

    def is_behind(self, lowest: float, n_more: float) -> bool:
        """Return whether the loss would exceed `MAX_LOSS_RATIO` times `lowest` at the last epoch.

        n_more: the number of epochs left, in lengths of the last cycle, which lowered the loss by a
        factor. Each of them is assumed to lower it by the same one. False for losses other than the
        squared error, which do not add up in this way.
        """
        if len(self.losses) < 2 or not isinstance(self.trainers[0].loss, MSELoss):
            return False
        before, loss = self.losses[-2:]
        return loss * math.pow(loss / before, n_more) > MAX_LOSS_RATIO * lowest

    def restore(self) -> None:
        """Restore the weights that were kept last."""
        for trainer, kept in zip(self.trainers, self._kept, strict=False):
            arrays = _arrays(trainer)
            for name, array in kept.items():
                arrays[name][...] = array


def train_in_cycles(
    trainers: Sequence[Trainer],
    n_together: int,
    inputs: Sequence[Array],
    y: Array,
    *,
    rows: Sequence[NDArray[np.int64]],
    epochs: int,
    train: Train,
    restores: bool = True,
) -> list[History]:
    """Train, and return the History of each trainer, which is also its `history`.

    n_together: the number of trainers in a group, which ends together. inputs: the x of each
    trainer. rows: the rows that each learns from. restores: whether networks return to the best
    cycle; if not, they are trained to the end. Raises what `train` raises; the trainers then keep
    their current weights.
    """
    starts = range(0, len(trainers), n_together)
    groups = [Group(trainers, range(start, start + n_together)) for start in starts]
    histories = [History() for _ in trainers]
    done = 0
    running = groups
    for end in cycle_ends(epochs):
        places = [place for group in running for place in group.places]
        try:
            train(
                [trainers[place] for place in places],
                y=y,
                each=[{"x": inputs[place]} for place in places],
                rows=[rows[place] for place in places],
                validation="rest",
                epochs=end - done,
            )
        finally:
            for place in places:
                _join(histories[place], trainers[place])
        if restores:
            running = [group for group in running if group.improves(histories)]
            lowest = min((group.losses[-1] for group in groups if group.losses), default=math.inf)
            n_more = (epochs - end) / (end - done)
            running = [group for group in running if not group.is_behind(lowest, n_more)]
        done = end
        if not running:
            break
    for group in groups:
        group.restore()
    return histories


def _join(history: History, trainer: Trainer) -> None:
    """Append the history of the trainer's last fit to that of its earlier fits."""
    if trainer.history is not history:
        history.join(trainer.history)
        trainer.history = history


def _arrays(trainer: Trainer) -> dict[str, Array]:
    return {**trainer.network.params, **trainer.network.buffers}
