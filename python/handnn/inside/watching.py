"""watch: take one step with a copy of a network, and record every array on the way."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, check_methods
from handnn.inside.records import BrickStep, LossStep, NetworkStep, ParamUpdate
from handnn.layers import Activation, Brick, Layer, Residual
from handnn.layers.layer import buffers_of, grads_of, params_of
from handnn.layers.sequence import name
from handnn.losses import KernelLoss, Loss, MSELoss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import LBFGS, GradientOptimizer, Optimizer
from handnn.training.rows import checked


class Watched(NamedTuple):
    """The arguments of `trace`."""

    network: Network
    x: ArrayLike
    y: ArrayLike | None = None
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    sample_weight: ArrayLike | None = None


class Recorder:
    """A proxy for a brick: forwards every call and records the arrays."""

    def __init__(self, brick: Brick, place: str) -> None:
        self.brick = brick
        is_layer = isinstance(brick, Layer)
        self.seen = BrickStep(
            place,
            name(brick),
            sentence_of(brick),
            formulas_of(brick),
            isinstance(brick, Activation) if is_layer else None,
            brick.bounds if isinstance(brick, Layer) else None,
        )
        if isinstance(brick, Residual):
            block = [Recorder(inner, f"{place}.{index}") for index, inner in enumerate(brick.block)]
            self.seen.block = [recorder.seen for recorder in block]
            brick.block = list(block)
        else:
            self.seen.params = copies(params_of(brick))

    def forward(self, x: Array) -> Array:
        """Run the brick; record copies, because it may change its arrays later."""
        seen = self.seen
        seen.x = np.array(x)
        out = self.brick.forward(x)
        seen.out = np.array(out)
        if isinstance(self.brick, Layer):
            shown = {"x", "out", "last", *(f"d{param}" for param in seen.params)}
            names = [kept for kept in self.brick.kept if kept not in shown]
            names += ["mask"] * hasattr(self.brick, "mask")
            seen.made = copies({kept: getattr(self.brick, kept) for kept in names})
        if not seen.block:
            seen.buffers = copies(buffers_of(self.brick))
        return out

    def backward(self, dout: Array) -> Array:
        """Run the brick backward, and record the gradients."""
        self.seen.dout = np.array(dout)
        dx = self.brick.backward(dout)
        self.seen.dx = np.array(dx)
        if not self.seen.block:
            self.seen.grads = copies(grads_of(self.brick))
        return dx

    def __getattr__(self, attribute: str) -> object:
        """Return the brick's own attribute: its params, its dtype."""
        return getattr(self.brick, attribute)


def copies(arrays: Mapping[str, Array | None]) -> dict[str, Array]:
    """Return copies of the arrays that are not None, as gradients are before a backward."""
    return {name: np.array(array) for name, array in arrays.items() if array is not None}


def formulas_of(part: object) -> tuple[str, ...]:
    """Return the formulas of a brick, a loss or an optimizer; () if it has none."""
    formulas = getattr(part, "formulas", ())
    return (formulas,) if isinstance(formulas, str) else tuple(map(str, formulas))


def sentence_of(part: object) -> str:
    """Return the first sentence of the docstring."""
    first = (type(part).__doc__ or "").strip().split("\n\n")[0]
    first = " ".join(first.split()).split(": ``")[0].split(". ")[0]
    return first.replace("``", "").rstrip(".:")


def watch(where: str, given: Watched) -> NetworkStep:
    """Take one step with copies of everything given, and return its record.

    With y it is the step of `Trainer.train_step`, with MSELoss unless a loss is given; without y it
    is a prediction. `where` begins the messages of errors; see `trace` for these.
    """
    x, *targets = _checked(where, given)
    network, loss, optimizer = copy.deepcopy(
        (given.network, MSELoss() if given.loss is None else given.loss, given.optimizer)
    )
    network.train(bool(targets))
    shown_network = str(network)
    recorders = [Recorder(brick, str(place)) for place, brick in enumerate(network.layers)]
    step = NetworkStep(shown_network, x, [recorder.seen for recorder in recorders], x)
    network.layers = list[Brick](recorders)
    step.out = np.array(network.forward(x))
    if targets:
        y, *weight = targets
        step.loss = _watch_loss(loss, step.out, y, weight)
        network.backward(step.loss.dx)
        if optimizer is not None:
            _watch_update(step, network, optimizer)
    return step


def _watch_loss(loss: Loss, pre: Array, y: Array, weight: list[Array]) -> LossStep:
    """Run the loss forward and backward; `weight` has the sample weights, if there are any."""
    y = as_column(y, pre)
    value = float(loss.forward(pre, y, *weight))
    dx = np.array(loss.backward())
    shown = repr(loss) if isinstance(loss, KernelLoss) else type(loss).__name__
    formulas = formulas_of(loss)
    if weight and isinstance(loss, KernelLoss):
        formulas = tuple(f"{formula}, each row times its sample_weight" for formula in formulas)
    given = weight[0] if weight else None
    return LossStep(shown, sentence_of(loss), formulas, pre, y, given, value, dx)


def _watch_update(step: NetworkStep, network: Network, optimizer: Optimizer) -> None:
    """Update the network, and record the params before and after."""
    before, grads = copies(network.params), network.grads
    given = copies(grads)
    optimizer.step(network.params, grads)
    after = copies(network.params)
    step.optimizer, step.optimizer_formulas = type(optimizer).__name__, formulas_of(optimizer)
    state: dict[str, dict[str, Array]] = {}
    if isinstance(optimizer, GradientOptimizer):
        step.optimizer, state = repr(optimizer), optimizer.state
    for param, array in before.items():
        states = {kind: np.array(kept[param]) for kind, kept in state.items() if param in kept}
        step.updates[param] = ParamUpdate(array, given.get(param), after[param], states)


def _checked(where: str, given: Watched) -> list[Array]:
    """Return copies of x and, if given, y and the weights, in the network's dtype.

    Raises TypeError or ValueError if no step can be taken with them.
    """
    network, optimizer = given.network, given.optimizer
    if not isinstance(network, Network):
        raise TypeError(
            f"{where}: network must be a Network, but is a {type(network).__name__}; "
            "write Network([...])"
        )
    for part, value, methods in (
        ("loss", given.loss, ("forward", "backward")),
        ("optimizer", optimizer, ("step",)),
        ("sample_weight", given.sample_weight, ()),
    ):
        if value is None:
            continue
        if methods:
            check_methods(value, f"{where}: {part}", *methods)
        if given.y is None:
            raise ValueError(f"{where}: {part} needs y, to compare the output with")
    if isinstance(optimizer, LBFGS):
        raise ValueError(f"{where}: LBFGS takes no single steps")
    rows = {"x": given.x}
    if given.y is not None:
        rows["y"] = given.y
    if given.sample_weight is not None:
        rows["sample_weight"] = given.sample_weight
    loss = MSELoss() if given.loss is None else given.loss
    return [array.copy() for array in checked(where, network, loss, rows).values()]
