"""History: what training was like, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Epoch(NamedTuple):
    """One epoch: its mean loss, the loss on the validation rows after it, its seconds, metrics."""

    train_loss: float
    validation_loss: float | None
    seconds: float
    metrics: Mapping[str, float] = MappingProxyType({})


class History:
    """The losses, metrics and times of the epochs of one `Trainer.fit`; `len` is their number.

    An epoch appears once it is whole, so the lists have equal lengths whenever training ends
    (`validation_loss` is empty when nothing was held out).
    """

    def __init__(self) -> None:
        self._epochs: list[Epoch] = []

    def extend(self, epochs: Iterable[Epoch]) -> None:
        """Add epochs."""
        self._epochs.extend(epochs)

    @property
    def train_loss(self) -> list[float]:
        """The mean loss over the training rows, each taken just before its batch's update."""
        return [epoch.train_loss for epoch in self._epochs]

    @property
    def validation_loss(self) -> list[float]:
        """The loss over the validation rows, taken after each epoch; [] without such rows."""
        return [e.validation_loss for e in self._epochs if e.validation_loss is not None]

    @property
    def epoch_seconds(self) -> list[float]:
        """How many seconds each epoch took, its validation included."""
        return [epoch.seconds for epoch in self._epochs]

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Each metric after each epoch, by name; {} without metrics.

        They are of the validation rows, or, without such rows, of the outputs that `train_loss` was
        measured on.
        """
        names = self._epochs[0].metrics if self._epochs else {}
        return {name: [epoch.metrics[name] for epoch in self._epochs] for name in names}

    @property
    def last(self) -> Epoch:
        """The last epoch; IndexError before the first."""
        return self._epochs[-1]

    def to_dict(self) -> dict[str, list[float]]:
        """Return the three lists, and those of the metrics, by name."""
        return {
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "epoch_seconds": self.epoch_seconds,
            **self.metrics,
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the losses over the epochs, into `ax` or a new figure, and return the axes.

        Metrics are dashed, against an axis of their own on the right. Raises ImportError when
        matplotlib is not installed.
        """
        if ax is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError:
                raise ImportError("History.plot needs matplotlib: pip install matplotlib") from None
            _, ax = plt.subplots()
        epochs = range(1, len(self) + 1)
        ax.plot(epochs, self.train_loss, label="training")
        if self.validation_loss:
            ax.plot(epochs, self.validation_loss, label="validation")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        if self.metrics:
            right = ax.twinx()
            for number, (name, values) in enumerate(self.metrics.items(), 2):
                (line,) = right.plot(epochs, values, "--", color=f"C{number}")
                ax.plot([], [], "--", color=line.get_color(), label=name)  # for the one legend
            right.set_ylabel(", ".join(self.metrics))
        ax.legend()
        return ax

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self._epochs)

    def __repr__(self) -> str:
        """Tell the number of epochs, the last losses and the time."""
        parts = ["1 epoch" if len(self) == 1 else f"{len(self)} epochs"]
        if self._epochs:
            last = self._epochs[-1]
            parts.append(f"train_loss {last.train_loss:.4g}")
            if last.validation_loss is not None:
                parts.append(f"validation_loss {last.validation_loss:.4g}")
            parts += [f"{name} {value:.4g}" for name, value in last.metrics.items()]
            parts.append(f"{sum(self.epoch_seconds):.3g} s")
        return f"History({', '.join(parts)})"
