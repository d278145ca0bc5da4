"""trace: one step of a network, brick by brick, as text and as a page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from numpy.typing import ArrayLike

from handnn.arrays import Array
from handnn.inside import excerpt
from handnn.inside.page import fragment, page
from handnn.inside.records import BrickStep, LossStep, NetworkStep, ParamUpdate
from handnn.inside.watching import Watched, watch
from handnn.losses import Loss
from handnn.network import Network
from handnn.optimizers import Optimizer
from handnn.storage import as_path, replace_file


def trace(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> Trace:
    """Return a record of one step of a network, brick by brick: print it, or read it as a page.

    network: a Network. The step is taken on copies: network, loss and optimizer do not change.
    x: (N, I), cast to the dtype of the network.
    y: (N, O), or the targets that the loss requires. With y, the step is that of
        `Trainer.train_step`: forward, loss, backward and, with an optimizer, the update. Without y
        it is a prediction.
    loss: MSELoss() if None.
    optimizer: None for no update.
    sample_weight: (N,), as in `Trainer.fit`: a row of weight 2 counts as two rows.

    A user-defined brick is described by the first sentence of its docstring and by its attribute
    `formulas`, a tuple of strings, if it has one.

    Raises TypeError if network is not a Network, or loss or optimizer lacks a method. Raises
    ValueError if x has no rows or the wrong number of columns, y or sample_weight has another
    number of rows, the loss does not take y, a weight is negative or not finite, a loss, an
    optimizer or weights come without y, or the optimizer is LBFGS, which takes no single steps.

    Examples:
        >>> network = handnn.Network([handnn.Affine([[2.0]], [1.0])])
        >>> step = handnn.trace(network, [[3.0]], [[5.0]], optimizer=handnn.SGD(0.1))
        >>> step.out, step.loss.value, step.layers[0].grads["w"]
        (array([[7.]]), 4.0, array([[12.]]))
        >>> step.updates["0.w"].after.round(6)
        array([[0.8]])
    """
    return Trace(watch("trace", Watched(network, x, y, loss, optimizer, sample_weight)))


class Trace:
    """One step of a network: `print` shows text, `to_html` returns a page; a notebook shows it.

    layers: a `BrickStep` for each brick, with the arrays x, params, out, dout, dx and grads.
    loss: a `LossStep`; None for a prediction.
    updates: a `ParamUpdate` for each param, by the names of `Network.params`; {} without optimizer.

    Examples:
        >>> network = handnn.Network([handnn.Affine([[2.0]], [1.0])])
        >>> handnn.trace(network, [[3.0]], [[5.0]])
        Trace(Network(Affine 1→1; 2 parameters, float64), 1 row, loss 4)
    """

    def __init__(self, step: NetworkStep) -> None:
        self.step = step

    @property
    def x(self) -> Array:
        """The input of the network, in its dtype."""
        return self.step.x

    @property
    def out(self) -> Array:
        """The output of the network."""
        return self.step.out

    @property
    def layers(self) -> list[BrickStep]:
        """The step of each brick."""
        return self.step.layers

    @property
    def loss(self) -> LossStep | None:
        """The loss, its value and its gradient; None for a prediction."""
        return self.step.loss

    @property
    def updates(self) -> dict[str, ParamUpdate]:
        """The update of each param, by the names of `Network.params`."""
        return self.step.updates

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the step as a self-contained page, and write it to `path` if one is given.

        Raises OSError if the file cannot be written; an existing file is then left unchanged.
        """
        text = page(self.step)
        if path is not None:
            replace_file(as_path(path, "Trace.to_html: path"), text.encode())
        return text

    def _repr_html_(self) -> str:
        """Return the content of the page for a notebook."""
        return fragment(self.step)

    def __str__(self) -> str:
        """Return the step as text."""
        return "\n".join(_lines(self.step))

    def __repr__(self) -> str:
        """Show the network and the loss: `Trace(Network(...), 4 rows, loss 0.3)`."""
        loss = f", loss {self.loss.value:.4g}" if self.loss else ""
        return f"Trace({self.step.network}, {self.step.rows}{loss})"


def _lines(step: NetworkStep) -> Iterable[str]:
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
