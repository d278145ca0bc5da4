"""Build network, loss and optimizer of a state, as calls to execute or to write as Python."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handnn.layers import ACTIVATIONS, BRICKS, Activation, Brick, Layer
from handnn.losses import KernelLoss
from handnn.network import Network
from handnn.optimizers import GradientOptimizer
from handnn.play.calls import Argument, Call, Name
from handnn.play.catalog import Entry
from handnn.play.rows import Rows
from handnn.play.state import State

MAX_PARAMS = 200_000
"""The largest number of params: each checkpoint holds several copies of them."""

RNG = Name("rng")
FLOAT32 = Name("np.float32")


@dataclass(frozen=True)
class Plan:
    """The calls that build network, loss and optimizer."""

    layers: list[Call]
    has_first_layers: bool
    loss: Call
    optimizer: Call

    def make(self, rows: Rows, seed: int) -> tuple[Network, KernelLoss, GradientOptimizer, int]:
        """Return network, loss and optimizer, and the seed of the order of the rows.

        Random numbers are drawn in the order of the script: weights, then the seed of
        `Trainer.fit`.
        """
        rng = np.random.default_rng(seed)
        names = {RNG.text: rng, FLOAT32.text: np.float32}
        layers: list[Brick] = rows.columns.first_layers(rng) if rows.columns else []
        for call in self.layers:
            layer = call.make(names)
            assert isinstance(layer, Layer)
            layers.append(layer)
        network = Network(layers)
        loss, optimizer = self.loss.make(names), self.optimizer.make(names)
        assert isinstance(loss, KernelLoss) and isinstance(optimizer, GradientOptimizer)
        return network, loss, optimizer, int(rng.integers(2**63))


def plan(state: State, rows: Rows) -> Plan:
    """Return the calls for a state; ValueError for a network that is too large."""
    loss = _plain("handnn", state.loss)
    made = loss.make({})
    assert isinstance(made, KernelLoss)
    n_targets = len(rows.classes) if made.takes_labels else rows.y.shape[1]
    width = rows.columns.n_after if rows.columns else rows.x.shape[1]
    layers: list[Call] = []
    n_params = 0
    for place, entry in enumerate(state.bricks):
        if entry["brick"] == "Embedding":
            layers.append(_embedding(entry, rows, place))
            n_params += rows.codes[int(entry["column"])] * int(entry["units"])
            width += int(entry["units"]) - 1
            continue
        made_call, width, count = _brick(entry, width, _activation_after(state, place))
        layers.append(made_call)
        n_params += count
    output, _, count = _brick(
        {"brick": "Affine", "units": made.n_outputs(n_targets), "init": "xavier"}, width, ""
    )
    if n_params + count > MAX_PARAMS:
        raise ValueError(
            f"the network has {n_params + count:,} parameters; at most {MAX_PARAMS:,} are supported"
        )
    optimizer = _plain("handnn", state.optimizer)
    if state.schedule["name"] != "Constant":
        schedule = _plain("handnn.schedules", state.schedule)
        optimizer = Call(optimizer.function, (), {**optimizer.keywords, "schedule": schedule})
    has_first = bool(rows.columns and rows.columns.first_layers(0))
    return Plan([*layers, output], has_first, loss, optimizer)


def _plain(module: str, entry: Entry) -> Call:
    settings: dict[str, Argument] = {k: v for k, v in entry.items() if k not in ("name", "brick")}
    return Call(f"{module}.{entry.get('name', entry.get('brick'))}", (), settings)


def _embedding(entry: Entry, rows: Rows, place: int) -> Call:
    """Return the call of an Embedding; ValueError where there are no codes."""
    column, units = int(entry["column"]), int(entry["units"])
    if column not in rows.codes:
        advice = (
            "a table already has an Embedding for each column of categories"
            if rows.columns
            else "choose the data 'categories'"
        )
        raise ValueError(f"Embedding: column {column} of the data does not hold codes; {advice}")
    if place != 0:
        raise ValueError("Embedding must be the first brick, because it reads codes from the data")
    return Call("handnn.Embedding.random", (rows.codes[column], units, column, RNG))


def _activation_after(state: State, place: int) -> str:
    """Return the name of the first activation that follows a brick."""
    for entry in state.bricks[place + 1 :]:
        brick = BRICKS[str(entry["brick"])]
        if entry["brick"] == "Affine":
            return ""
        if issubclass(brick, Activation):
            return next(name for name, cls in ACTIVATIONS.items() if cls is brick)
    return ""


def _brick(entry: Entry, width: int, activation: str) -> tuple[Call, int, int]:
    """Return the call of a brick for `width` inputs, its width, and the number of its params."""
    name = str(entry["brick"])
    if name == "Affine":
        units, init = int(entry["units"]), str(entry["init"])
        if init == "auto":
            init = ACTIVATIONS[activation].init if activation else "xavier"
        affine = Call("handnn.Affine.random", (width, units, init, RNG))
        return affine, units, (width + 1) * units
    if name == "Residual":
        units, kind = int(entry["units"]), str(entry["activation"])
        init = ACTIVATIONS[kind].init
        block: list[Argument] = [
            Call("handnn.Affine.random", (width, units, init, RNG)),
            Call(f"handnn.{ACTIVATIONS[kind].__name__}"),
            Call("handnn.Affine.random", (units, width, "xavier", RNG)),
        ]
        return Call("handnn.Residual", (block,)), width, 2 * width * units + units + width
    if name == "Dropout":
        return Call("handnn.Dropout", (entry["p"], RNG)), width, 0
    plain = _plain("handnn", entry)
    if hasattr(BRICKS[name], "new"):  # a normalization: gamma 1 and beta 0
        arrays = (Call("np.ones", (width, FLOAT32)), Call("np.zeros", (width, FLOAT32)))
        return Call(plain.function, arrays, plain.keywords), width, 2 * width
    return plain, width, 0
