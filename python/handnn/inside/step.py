"""One step of a network, watched: what every brick got and gave, forward and backward."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array
from handnn.layers import Activation, Brick, Layer, Residual
from handnn.layers.layer import buffers_of, grads_of, params_of
from handnn.layers.sequence import name
from handnn.losses import KernelLoss, Loss, MSELoss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.optimizers import LBFGS, GradientOptimizer, Optimizer
from handnn.training.rows import checked


@dataclass
class BrickStep:
    """What a brick did in a step. Without y there was no backward: dout and dx are None, grads {}.

    place: "0", "1", ..., and "2.0" for the first brick in the Residual that is number 2. kept: what
    else it made for its backward, such as the mean of a norm or the mask of a Dropout. buffers: as
    forward left them. block: what the bricks in it did; their params and grads are theirs alone.
    """

    place: str
    name: str
    sentence: str
    formulas: tuple[str, ...]
    is_entrywise: bool | None
    """Whether it works entry by entry; None: it is a brick of one's own, and that is not known."""
    bounds: tuple[float, float] | None
    """Between what its outputs are, see `Layer.bounds`."""
    params: dict[str, Array] = field(default_factory=dict)
    x: Array | None = None
    made: dict[str, Array] = field(default_factory=dict)
    buffers: dict[str, Array] = field(default_factory=dict)
    out: Array | None = None
    dout: Array | None = None
    dx: Array | None = None
    grads: dict[str, Array] = field(default_factory=dict)
    block: list[BrickStep] = field(default_factory=list)

    def walk(self) -> list[BrickStep]:
        """Return this one, and behind it those of its block."""
        return [self, *(inner for brick in self.block for inner in brick.walk())]


@dataclass
class LossStep:
    """The loss, its value, and the gradient with respect to pre: the last brick's dout."""

    name: str
    sentence: str
    formulas: tuple[str, ...]
    pre: Array
    y_true: Array
    sample_weight: Array | None
    """(N,), as a row of weight 2 counts as two; None when none was given."""
    value: float
    dx: Array

    @property
    def inputs(self) -> dict[str, Array]:
        """What it is the loss of, by the names of `forward`'s arguments."""
        found = {"pre": self.pre, "y_true": self.y_true}
        if self.sample_weight is not None:
            found["sample_weight"] = self.sample_weight
        return found


@dataclass
class Update:
    """What the optimizer made of one param; states: what it keeps for it, as the step left it."""

    before: Array
    grad: Array | None
    """None when a brick of one's own has none, and so has the optimizer."""
    after: Array
    states: dict[str, Array]

    def named(self, param: str) -> dict[str, Array | None]:
        """Return its arrays in the order in which they are shown, by what they are called."""
        return {
            f"{param} before": self.before,
            f"gradient of {param}": self.grad,
            **{f"{state} of {param}": array for state, array in self.states.items()},
            f"{param} after": self.after,
        }


@dataclass
class Step:
    """One forward, and with a loss one backward, and with an optimizer one update."""

    network: str
    x: Array
    layers: list[BrickStep]
    out: Array
    loss: LossStep | None = None
    optimizer: str = ""
    optimizer_formulas: tuple[str, ...] = ()
    updates: dict[str, Update] = field(default_factory=dict)

    @property
    def rows(self) -> str:
        """How many rows there were, in words."""
        return "1 row" if len(self.x) == 1 else f"{len(self.x):,} rows"


class Recorder:
    """Stands in a brick's place, passes everything on to it, and notes what went through."""

    def __init__(self, brick: Any, place: str) -> None:
        self.brick = brick
        ours = isinstance(brick, Layer)
        self.seen = BrickStep(
            place,
            name(brick),
            sentence_of(brick),
            formulas_of(brick),
            isinstance(brick, Activation) if ours else None,
            brick.bounds if ours else None,
        )
        if isinstance(brick, Residual):
            block = [Recorder(inner, f"{place}.{index}") for index, inner in enumerate(brick.block)]
            self.seen.block = [recorder.seen for recorder in block]
            brick.block = list(block)
        else:
            self.seen.params = copies(params_of(brick))

    def forward(self, x: Array) -> Array:
        """Do what the brick does; copies are kept, because a brick may change its arrays later."""
        seen = self.seen
        seen.x = np.array(x)
        out: Array = self.brick.forward(x)
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
        """Do what the brick does."""
        self.seen.dout = np.array(dout)
        dx: Array = self.brick.backward(dout)
        self.seen.dx = np.array(dx)
        if not self.seen.block:
            self.seen.grads = copies(grads_of(self.brick))
        return dx

    def __getattr__(self, attribute: str) -> Any:
        """Be the brick in all else: its params, its dtype."""
        return getattr(self.brick, attribute)


def copies(arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Return copies of those arrays that are there: before a backward, gradients are None."""
    return {name: np.array(array) for name, array in arrays.items() if array is not None}


def formulas_of(part: object) -> tuple[str, ...]:
    """Return the formulas of a brick, a loss or an optimizer; () when it has none to show."""
    formulas = getattr(part, "formulas", ())
    return (formulas,) if isinstance(formulas, str) else tuple(map(str, formulas))


def short_name(name: str) -> str:
    """Return what a brick is called where there is little room: its name and sizes alone."""
    return " ".join(word for word in name.partition("(")[0].split() if "=" not in word)


def sentence_of(part: object) -> str:
    """Return what the docstring says first, in one sentence."""
    first = (type(part).__doc__ or "").strip().split("\n\n")[0]
    first = " ".join(first.split()).split(": ``")[0].split(". ")[0]
    return first.replace("``", "").rstrip(".:")


def watch(
    where: str,
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None,
    loss: Loss | None,
    optimizer: Optimizer | None = None,
    sample_weight: ArrayLike | None = None,
) -> Step:
    """Take a step with copies of all that is given, and return what happened.

    With y it is a step of training, as `Trainer.train_step` takes it; without, a prediction. The
    loss is MSELoss when none is given. See `trace` for what is raised.
    """
    x, *targets = _checked(where, network, x, y, loss, optimizer, sample_weight)
    network, loss, optimizer = copy.deepcopy(
        (network, MSELoss() if loss is None else loss, optimizer)
    )
    network.train(bool(targets))
    shown_network = str(network)
    recorders = [Recorder(brick, str(place)) for place, brick in enumerate(network.layers)]
    step = Step(shown_network, x, [recorder.seen for recorder in recorders], x)
    network.layers = list[Brick](recorders)
    step.out = np.array(network.forward(x))
    if not targets:
        return step
    y, *weight = targets
    y = as_column(y, step.out)
    value = float(loss.forward(step.out, y, *weight))
    dx = np.array(loss.backward())
    shown = repr(loss) if isinstance(loss, KernelLoss) else type(loss).__name__
    formulas = formulas_of(loss)
    if weight and isinstance(loss, KernelLoss):
        formulas = tuple(f"{formula}, each row times its sample_weight" for formula in formulas)
    step.loss = LossStep(
        shown, sentence_of(loss), formulas, step.out, y, weight[0] if weight else None, value, dx
    )
    network.backward(dx)
    if optimizer is not None:
        _update(step, network, optimizer)
    return step


def _update(step: Step, network: Network, optimizer: Optimizer) -> None:
    """Let the optimizer change the network, and note what it did."""
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
        step.updates[param] = Update(array, given.get(param), after[param], states)


def _checked(
    where: str,
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None,
    loss: Loss | None,
    optimizer: Optimizer | None,
    sample_weight: ArrayLike | None,
) -> list[Array]:
    """Return x, and y and the weights if they are given, in the network's dtype, copied.

    Raises when no step can be taken with them.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"{where}: network must be a Network, but is a {type(network).__name__}; "
            "write Network([...])"
        )
    for part, given, methods in (
        ("loss", loss, ("forward", "backward")),
        ("optimizer", optimizer, ("step",)),
        ("sample_weight", sample_weight, ()),
    ):
        if given is None:
            continue
        if methods and (isinstance(given, type) or not all(hasattr(given, m) for m in methods)):
            raise TypeError(f"{where}: {part} must have {' and '.join(methods)}, but is {given!r}")
        if y is None:
            raise ValueError(f"{where}: {part} is given, but no y to compare the output with")
    if isinstance(optimizer, LBFGS):
        raise ValueError(f"{where}: LBFGS takes no single steps")
    rows = {"x": x}
    if y is not None:
        rows["y"] = y
    if sample_weight is not None:
        rows["sample_weight"] = sample_weight
    loss = MSELoss() if loss is None else loss
    return [array.copy() for array in checked(where, network, loss, rows).values()]
