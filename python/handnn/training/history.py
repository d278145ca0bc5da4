"""History: the losses, metrics and times of a training, epoch by epoch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import check_type
from handnn.engine import PlainEpochs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Epoch(NamedTuple):
    """The measurements of one epoch."""

    train_loss: float
    validation_loss: float | None
    seconds: float
    metrics: Mapping[str, float] = {}


class History:
    """The losses, metrics and times of one `Trainer.fit`, with one entry for each complete epoch.

    All lists have one entry per epoch, even if training was interrupted, except `validation_loss`,
    which is empty without validation. ``len(history)`` is the number of epochs.
    In a notebook, a History shows its loss curve.

    Examples:
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> trainer = handnn.Trainer(
        ...     handnn.mlp([1, 4, 1], rng=0), handnn.MSELoss(), handnn.SGD(0.1), rng=0
        ... )
        >>> history = trainer.fit(x, x, epochs=3, batch_size=5, validation=0.2, metrics="mae")
        >>> len(history), len(history.train_loss), len(history.validation_loss)
        (3, 3, 3)
        >>> list(history.metrics)
        ['mae']
        >>> history
        History(3 epochs, train_loss ..., validation_loss ..., mae ..., ... s)
    """

    def __init__(self) -> None:
        # Columns, because a list of a million epochs takes 250 MB.
        self._train_loss, self._seconds, self._validation_loss = (array("d") for _ in range(3))
        self._metrics: dict[str, array[float]] = {}

    def extend(self, epochs: Iterable[Epoch]) -> None:
        """Append epochs."""
        for epoch in epochs:
            check_type(epoch, Epoch, "History.extend: an epoch")
            if not len(self):
                self._metrics = {name: array("d") for name in epoch.metrics}
            for name, values in self._metrics.items():
                values.append(epoch.metrics[name])
            if epoch.validation_loss is not None:
                self._validation_loss.append(epoch.validation_loss)
            self._seconds.append(epoch.seconds)
            self._train_loss.append(epoch.train_loss)

    def extend_plain(self, epochs: PlainEpochs) -> None:
        """Append epochs without metrics."""
        check_type(epochs, PlainEpochs, "History.extend_plain: epochs")
        self._seconds.extend(epochs.seconds)
        self._validation_loss.extend(epochs.validation_losses)
        self._train_loss.extend(epochs.losses)

    def join(self, other: History) -> None:
        """Append the epochs of another history, which has the same metrics."""
        self._seconds.extend(other._seconds)
        self._validation_loss.extend(other._validation_loss)
        self._train_loss.extend(other._train_loss)
        for name, values in other._metrics.items():
            self._metrics.setdefault(name, array("d")).extend(values)

    def to_columns(self) -> dict[str, NDArray[np.float64]]:
        """Return a history of E epochs and M metrics as arrays.

        Shapes: train_loss and seconds (E,), validation_loss (E,) or (0,), metrics (M, E).
        """
        metrics = list(self._metrics.values())
        return {
            "train_loss": np.array(self._train_loss, np.float64),
            "validation_loss": np.array(self._validation_loss, np.float64),
            "seconds": np.array(self._seconds, np.float64),
            "metrics": np.array(metrics, np.float64).reshape(len(metrics), len(self)),
        }

    @classmethod
    def from_columns(
        cls,
        train_loss: Iterable[float],
        seconds: Iterable[float],
        validation_loss: Iterable[float],
        metrics: Mapping[str, Iterable[float]],
    ) -> History:
        """Return a History with these columns, of one length (no validation losses: none).

        An `array.array` of type "d" is not copied.
        """
        check_type(metrics, Mapping, "History.from_columns: metrics")
        history = cls()
        history._train_loss, history._seconds = _column(train_loss), _column(seconds)
        history._validation_loss = _column(validation_loss)
        history._metrics = {name: _column(values) for name, values in metrics.items()}
        return history

    @property
    def train_loss(self) -> list[float]:
        """The mean training loss of each epoch; each batch is measured before its update."""
        return self._train_loss.tolist()

    @property
    def validation_loss(self) -> list[float]:
        """The loss of the validation rows after each epoch; [] without validation."""
        return self._validation_loss.tolist()

    @property
    def epoch_seconds(self) -> list[float]:
        """The duration of each epoch in seconds, with its validation and metrics."""
        return self._seconds.tolist()

    @property
    def metrics(self) -> dict[str, list[float]]:
        """The values of each metric, by name; {} without metrics.

        They are measured on the validation rows after each epoch, or, without validation, on the
        outputs that `train_loss` is computed from.
        """
        return {name: values.tolist() for name, values in self._metrics.items()}

    @property
    def last(self) -> Epoch:
        """The last epoch; IndexError before the first."""
        return Epoch(
            self._train_loss[-1],
            self._validation_loss[-1] if self._validation_loss else None,
            self._seconds[-1],
            {name: values[-1] for name, values in self._metrics.items()},
        )

    def to_dict(self) -> dict[str, list[float]]:
        """Return copies of all lists by name, including those of the metrics."""
        return {
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "epoch_seconds": self.epoch_seconds,
            **self.metrics,
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the losses over the epochs into `ax`, by default a new figure's, and return it.

        Metrics are drawn dashed, with a separate axis on the right.

        Raises:
            ImportError: If matplotlib is not installed.
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
                ax.plot([], [], "--", color=line.get_color(), label=name)  # for the common legend
            right.set_ylabel(", ".join(self.metrics))
        ax.legend()
        return ax

    def __len__(self) -> int:
        """Return the number of complete epochs."""
        return len(self._train_loss)

    def __repr__(self) -> str:
        """Return the number of epochs, the last losses and metrics, and the total time."""
        return f"History({', '.join(self._summary())})"

    def _repr_html_(self) -> str:
        """Return the loss curve as inline SVG, with a caption, for notebooks."""
        from html import escape

        from handnn.training.loss_curve import loss_curve

        summary = ", ".join(self._summary())
        described = f"Loss over epochs: {summary}"
        chart = loss_curve(self.train_loss, self.validation_loss, described)
        return (
            f'<figure style="margin:0.5em 0;font:13px sans-serif">{chart}'
            f'<figcaption style="opacity:0.7">{escape(summary)}</figcaption></figure>'
        )

    def _summary(self) -> list[str]:
        parts = ["1 epoch" if len(self) == 1 else f"{len(self)} epochs"]
        if len(self):
            last = self.last
            parts.append(f"train_loss {last.train_loss:.4g}")
            if last.validation_loss is not None:
                parts.append(f"validation_loss {last.validation_loss:.4g}")
            parts += [f"{name} {value:.4g}" for name, value in last.metrics.items()]
            parts.append(f"{sum(self.epoch_seconds):.3g} s")
        return parts


def _column(values: Iterable[float]) -> array[float]:
    if isinstance(values, array) and values.typecode == "d":
        return values
    return array("d", values)
