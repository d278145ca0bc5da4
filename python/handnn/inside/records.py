"""Records of one step of a network: its bricks, the loss and the update."""

from __future__ import annotations

from dataclasses import dataclass, field

from handnn.arrays import Array


@dataclass
class BrickStep:
    """The arrays of one brick in a step. Without y, dout and dx are None and grads is {}.

    place: "0", "1", ...; "2.0" is the first brick in the Residual at 2.
    made: other arrays that forward kept for backward, such as the mean of a LayerNorm.
    buffers: as forward left them.
    block: the steps of the bricks inside; their params and grads are not repeated here.
    """

    place: str
    name: str
    sentence: str
    formulas: tuple[str, ...]
    is_entrywise: bool | None
    """Whether the brick is elementwise; None if unknown, for a user-defined brick."""
    bounds: tuple[float, float] | None
    """The output bounds of a saturating activation, else None."""
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
        """Return this step, followed by those of its block."""
        return [self, *(inner for brick in self.block for inner in brick.walk())]


@dataclass
class LossStep:
    """The loss, with its value and its gradient with respect to pre, the dout of the last brick."""

    name: str
    sentence: str
    formulas: tuple[str, ...]
    pre: Array
    y_true: Array
    sample_weight: Array | None
    """(N,); None if no weights were given."""
    value: float
    dx: Array

    @property
    def inputs(self) -> dict[str, Array]:
        """The arguments of the loss's `forward`, by name."""
        found = {"pre": self.pre, "y_true": self.y_true}
        if self.sample_weight is not None:
            found["sample_weight"] = self.sample_weight
        return found


@dataclass
class ParamUpdate:
    """One param before and after the optimizer's step, with its state after it."""

    before: Array
    grad: Array | None
    """None if a user-defined brick has no gradient for the param."""
    after: Array
    states: dict[str, Array]

    def named(self, param: str) -> dict[str, Array | None]:
        """Return the arrays in the order in which they are shown, by title."""
        return {
            f"{param} before": self.before,
            f"gradient of {param}": self.grad,
            **{f"{state} of {param}": array for state, array in self.states.items()},
            f"{param} after": self.after,
        }


@dataclass
class NetworkStep:
    """One forward pass; with a loss also a backward pass, with an optimizer also an update."""

    network: str
    x: Array
    layers: list[BrickStep]
    out: Array
    loss: LossStep | None = None
    optimizer: str = ""
    optimizer_formulas: tuple[str, ...] = ()
    updates: dict[str, ParamUpdate] = field(default_factory=dict)

    @property
    def rows(self) -> str:
        """The number of rows, in words."""
        return "1 row" if len(self.x) == 1 else f"{len(self.x):,} rows"


def short_name(name: str) -> str:
    """Return the name and sizes of a brick without its settings."""
    return " ".join(word for word in name.partition("(")[0].split() if "=" not in word)
