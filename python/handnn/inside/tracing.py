"""trace: one step brick by brick, as text and as a page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from numpy.typing import ArrayLike

from handnn.arrays import Array
from handnn.inside import excerpt
from handnn.inside.step import BrickStep, LossStep, Step, Update, watch
from handnn.losses import Loss
from handnn.network import Network
from handnn.optimizers import Optimizer


def trace(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> Trace:
    """Return one step of a network, brick by brick, to be printed, or read as a page.

    x (N, I), y (N, O) or whatever targets the loss takes; both are cast to the network's dtype.
    With y it is a step of training, as `Trainer.train_step` takes it: forward, loss, backward, and
    with an optimizer the update. loss is MSELoss() when it is None. sample_weight (N,) is that of
    `Trainer.fit`: a row of weight 2 counts as two rows. Without y it is a prediction.

    The step is taken by copies: network, loss and optimizer are left as they are, to the bit.
    Bricks of your own are shown too; a tuple of strings `formulas`, if they have one, as theirs.

    Raises TypeError when the network is no Network, or loss or optimizer lack a method; ValueError
    when x has no rows or not the network's columns, y or sample_weight has other rows, y is none
    that the loss takes, a weight is negative or not finite, a loss, an optimizer or weights have no
    y, and for LBFGS, which takes no single steps.
    """
    return Trace(watch("trace", network, x, y, loss, optimizer, sample_weight))


class Trace:
    """One step of a network: `print` shows it as text, `to_html` as a page, a notebook by itself.

    layers: a `BrickStep` for each brick, with its arrays x, params, out, dout, dx and grads. loss,
    out and updates are those of the step; loss is None for a prediction.
    """

    def __init__(self, step: Step) -> None:
        self.step = step

    @property
    def x(self) -> Array:
        """The rows that went in, in the network's dtype."""
        return self.step.x

    @property
    def out(self) -> Array:
        """What the network gave for them."""
        return self.step.out

    @property
    def layers(self) -> list[BrickStep]:
        """What each brick did."""
        return self.step.layers

    @property
    def loss(self) -> LossStep | None:
        """The loss, its value and its gradient; None for a prediction."""
        return self.step.loss

    @property
    def updates(self) -> dict[str, Update]:
        """What the optimizer made of each param, by the names of `Network.params`."""
        return self.step.updates

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the step as one page that needs nothing else; also write it to `path`, if given.

        The file is written all or nothing; an OSError when it cannot be.
        """
        from handnn.inside.page import page

        if path is None:
            return page(self.step)
        from handnn.storage import as_path, replace_file

        path = as_path(path, "Trace.to_html: path")
        text = page(self.step)
        replace_file(path, text.encode())
        return text

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the same, to stand in a page that is there already."""
        from handnn.inside.page import fragment

        return fragment(self.step)

    def __str__(self) -> str:
        """Show the step as text."""
        return "\n".join(_lines(self.step))

    def __repr__(self) -> str:
        """Name the network, and how far the step went: `Trace(Network(...), 4 rows, loss 0.3)`."""
        loss = f", loss {self.loss.value:.4g}" if self.loss else ""
        return f"Trace({self.step.network}, {self.step.rows}{loss})"


def _lines(step: Step) -> Iterable[str]:
    kind = "Prediction" if step.loss is None else "One training step"
    yield f"{kind} of {step.network}"
    yield from _heading("Forward")
    for brick in step.layers:
        yield from _forward(brick)
    if step.loss is None:
        return
    yield from _heading("Loss")
    yield step.loss.name
    yield from _indented(step.loss.formulas[:1])
    yield from _arrays(step.loss.inputs)
    yield f"  loss = {step.loss.value:.6g}"
    yield from _heading("Backward")
    yield step.loss.name
    yield from _indented(step.loss.formulas[1:])
    yield from excerpt.text("dx", step.loss.dx)
    for brick in reversed(step.layers):
        yield from _backward(brick)
    if not step.optimizer:
        return
    yield from _heading("Update")
    yield step.optimizer
    yield from _indented(step.optimizer_formulas)
    for name, update in step.updates.items():
        yield from _arrays(update.named(name))


def _forward(brick: BrickStep) -> Iterable[str]:
    yield from ("", f"layer {brick.place}: {brick.name}")
    yield from _indented(filter(None, [brick.sentence]))
    yield from _indented(brick.formulas[:1])
    yield from _arrays({"x": brick.x, **brick.params})
    for inner in brick.block:
        yield from _forward(inner)
    if brick.block:
        yield from ("", f"layer {brick.place}, after its block")
    yield from _arrays({**brick.made, **brick.buffers, "out": brick.out})


def _backward(brick: BrickStep) -> Iterable[str]:
    yield from ("", f"layer {brick.place}: {brick.name}")
    yield from _indented(brick.formulas[1:])
    yield from _arrays({"dout": brick.dout})
    for inner in reversed(brick.block):
        yield from _backward(inner)
    if brick.block:
        yield from ("", f"layer {brick.place}, before its block")
    yield from _arrays({f"d{name}": grad for name, grad in brick.grads.items()})
    yield from _arrays({"dx": brick.dx})


def _arrays(arrays: Mapping[str, Array | None]) -> Iterable[str]:
    for name, array in arrays.items():
        if array is not None:
            yield from excerpt.text(name, array)


def _heading(title: str) -> tuple[str, ...]:
    return ("", title, "=" * len(title))


def _indented(lines: Iterable[str]) -> Iterable[str]:
    return (f"  {line}" for line in lines)
