"""A frame: the data of one step that the page draws, as JSON."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.inside import layer_statistics
from handnn.layers import Affine, sequence
from handnn.layers.layer import Brick, Layer
from handnn.losses import KernelLoss
from handnn.network import Network
from handnn.play.player import MAX_CURVE, CurvePoint, Player, Status
from handnn.play.rows import Rows
from handnn.play.session import Session, weights_sha256
from handnn.play.state import State

Floats: TypeAlias = NDArray[np.float64]
Json: TypeAlias = dict[str, object]

MAX_SHOWN = 12
"""The largest number of units shown for a brick."""

UNIT_SIDE = 18
"""The number of points along each side of the picture of a unit: 2 pixels of the page each."""

SURFACE_SIDE = 56
"""The number of points along each side of the picture of the predictions."""

CURVE_POINTS = 64
"""The number of points of a curve over a single input."""

N_BINS = 24
"""The number of bars of a histogram of activations."""

MAX_MEASURED = 2000
"""The largest number of rows on which losses are measured."""

MAX_HISTOGRAM = 300
"""The largest number of rows of a histogram, of the scatter plot and of the warnings."""


MIN_DIVERGING = 100.0
"""The ratio of the training loss to the first one from which training diverges."""


@dataclass(frozen=True)
class Moment:
    """Copies of the arrays that a frame shows, taken between two steps."""

    session: Session
    network: Network
    status: Status
    step: int
    rate: float
    state: State


@dataclass(frozen=True)
class Frame:
    """What the page draws, and the version that it belongs to."""

    version: int
    content: Json


def take_moment(player: Player) -> Moment:
    """Copy the arrays that a frame shows, so that training can continue."""
    found: list[Moment] = []

    def look(session: Session, status: Status) -> None:
        network = session.network.astype(session.network.dtype).eval()
        copied = Status(**vars(status))
        found.append(Moment(session, network, copied, session.step, session.rate, session.state))

    player.read(look)
    return found[0]


def frame(player: Player, *, with_results: bool = True, with_warnings: bool = True) -> Frame:
    """Return the current frame.

    with_results: losses, scores, charts and the state of the address. with_warnings: the warnings
    of `layer_statistics`.
    """
    moment = take_moment(player)
    session, network, rows = moment.session, moment.network, moment.session.rows
    with np.errstate(all="ignore"):
        found = {
            **_progress(moment),
            "bricks": _bricks(network, rows),
            "prediction": _prediction(network, session.loss, rows),
        }
        if with_results:
            found |= _results(player, moment)
    if with_warnings:
        found["warnings"] = [
            *_diverging(player.curve), *_warnings(network, session.loss, rows)
        ]  # fmt: skip
    return Frame(moment.status.version, found)


def _results(player: Player, moment: Moment) -> Json:
    """Return losses, scores and charts, and the state that leads to this step."""
    session, network, rows = moment.session, moment.network, moment.session.rows
    measured = _measured(network, session.loss, rows)
    curve = player.add_to_curve(session, (moment.step, *measured))
    return {
        "losses": [json_number(value) for value in measured],
        "scores": _scores(network, session.loss, rows),
        "curve": [[step, _curve_number(a), _curve_number(b)] for step, a, b in curve],
        **_detail(network, session.loss, rows),
        "state": moment.state.to_json(),
    }


def _progress(moment: Moment) -> Json:
    status, session = moment.status, moment.session
    is_still = not status.is_playing and status.goal is None
    return {
        "version": status.version,
        "session": status.session,
        "step": moment.step,
        "epoch": moment.step // session.steps_per_epoch,
        "steps_per_epoch": session.steps_per_epoch,
        "playing": status.is_playing,
        "goal": status.goal,
        "error": status.error,
        "rate": moment.rate,
        "sha256": weights_sha256(moment.network) if is_still else "",
        "parameters": sum(array.size for array in moment.network.params.values()),
    }


def json_number(value: float) -> float | None:
    """Return a number for JSON, which has neither NaN nor infinity."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


_curve_number = lru_cache(maxsize=2 * MAX_CURVE)(json_number)
"""The same as `json_number`, for losses that are sent again with every frame."""


def _measured(network: Network, loss: KernelLoss, rows: Rows) -> tuple[float, float]:
    """Return the losses of the training rows and of the held-out rows, in prediction mode."""
    own = type(loss)(**loss.settings)
    x, y, n = rows.x, rows.y, MAX_MEASURED
    train = own.forward(network.predict(x[:n]), y[:n])
    return train, own.forward(network.predict(rows.held_x[:n]), rows.held_y[:n])


def predictions(network: Network, loss: KernelLoss, x: Array) -> Floats:
    """Return one prediction per row: a number, or the probability of each class (N, K)."""
    pre = network.predict(x)
    return loss.apply_link(pre) if loss.has_classes else loss.point(pre).astype(np.float64)


def chosen_classes(network: Network, loss: KernelLoss, x: Array) -> NDArray[np.int64]:
    """Return the class of each row."""
    found = predictions(network, loss, x)
    return found.argmax(axis=1) if found.shape[1] > 1 else (found[:, 0] > 0.5).astype(np.int64)


def _scores(network: Network, loss: KernelLoss, rows: Rows) -> Json:
    """Return the share of wrong classes, or R², of training rows and held-out rows."""
    pairs = [(rows.x[:MAX_MEASURED], rows.y[:MAX_MEASURED]), (rows.held_x, rows.held_y)]
    if rows.task != "regression":
        wrong = [float((chosen_classes(network, loss, x) != y[:, 0]).mean()) for x, y in pairs]
        return {"name": "error", "values": [json_number(value) for value in wrong]}
    found: list[float | None] = []
    for x, y in pairs:
        squares = float(np.square(y - y.mean(), dtype=np.float64).sum())
        rest = float(np.square(predictions(network, loss, x) - y).sum())
        found.append(json_number(1 - rest / squares) if squares else None)
    return {"name": "R²", "values": found}


def domain(rows: Rows) -> list[tuple[float, float]]:
    """Return the range of each input in pictures over one or two inputs."""
    if rows.columns is None and rows.is_scaled and not rows.codes:
        return [(-1.15, 1.15)] * rows.x.shape[1]
    low, high = rows.x.min(axis=0), rows.x.max(axis=0)
    margin = (0.1 if rows.codes else 0.06) * (high - low) + 1e-3
    return list(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))


def is_plane(rows: Rows) -> bool:
    """Return whether pictures can show a response over the inputs: one or two numbers."""
    has_codes = rows.columns is not None and bool(rows.columns.first_layers(0))
    return rows.x.shape[1] <= 2 and not has_codes


@lru_cache(maxsize=4)
def _grid(rows: Rows, side: int) -> Array:
    """Return points that cover the plane of two inputs from its upper left, or the line of one.

    The points of the same rows are computed once; the caller must not change them.
    """
    ranges = domain(rows)
    if len(ranges) == 1:
        return np.linspace(*ranges[0], CURVE_POINTS, dtype=np.float32)[:, None]
    across, down = np.linspace(*ranges[0], side), np.linspace(*ranges[1], side)[::-1]
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    for column, count in rows.codes.items():
        grid[:, column] = np.clip(np.rint(grid[:, column]), 0, count - 1)
    return grid.astype(np.float32)


def _bricks(network: Network, rows: Rows) -> list[Json]:
    """Return the inputs and each brick with pictures of its units."""
    is_map = is_plane(rows)
    x = _grid(rows, UNIT_SIDE) if is_map else rows.x[:MAX_HISTOGRAM]
    found: list[Json] = [
        {"name": "inputs", "place": -1, "names": list(rows.input_names[:MAX_SHOWN])}
    ]
    _add_units(found[0], x, is_map)
    out = x
    for place, layer in enumerate(network.layers):
        out = layer.forward(out)
        described: Json = {"name": sequence.name(layer), "place": place, **_facts(layer)}
        _add_units(described, out, is_map)
        found.append(described)
    return found


def _facts(layer: Brick) -> Json:
    """Return the kind of a brick, its formula, and the weights that are drawn as lines."""
    facts: Json = {"brick": type(layer).__name__}
    if isinstance(layer, Layer):
        facts["formula"] = layer.formulas[0] if layer.formulas else ""
    if isinstance(layer, Affine):
        shown = layer.w[:MAX_SHOWN, :MAX_SHOWN].astype(np.float64)
        facts["w"] = [[json_number(value) for value in row] for row in shown.tolist()]
        facts["b"] = [json_number(value) for value in layer.b[:MAX_SHOWN].tolist()]
    return facts


def _add_units(described: Json, out: Array, is_map: bool) -> None:
    """Add pictures of the first units: responses over the inputs, or histograms."""
    shown = np.nan_to_num(out[:, :MAX_SHOWN].astype(np.float64))
    described["units"] = out.shape[1]
    described["range"] = [
        [json_number(low), json_number(high)]
        for low, high in zip(shown.min(axis=0).tolist(), shown.max(axis=0).tolist(), strict=True)
    ]
    if is_map:
        largest = np.abs(shown).max(axis=0)
        levels = np.rint(127 * shown / np.where(largest > 0, largest, 1)).astype(np.int8)
        described["maps"] = _packed(levels.T)
        return
    bars = [np.histogram(column, N_BINS)[0] for column in shown.T]
    described["histograms"] = _packed(np.array([_scaled(bar) for bar in bars], np.int8))


def _scaled(bar: NDArray[np.int64]) -> Floats:
    """Return counts relative to the largest, 0 to 127."""
    return np.asarray(np.rint(127 * bar / max(1, bar.max())))


def _packed(levels: NDArray[np.int8]) -> str:
    return base64.b64encode(np.ascontiguousarray(levels).tobytes()).decode("ascii")


def _prediction(network: Network, loss: KernelLoss, rows: Rows) -> Json:
    """Return the predictions over the inputs: a line, or the surface of a plane."""
    if not is_plane(rows):
        return {}
    values = predictions(network, loss, _grid(rows, SURFACE_SIDE))
    if rows.x.shape[1] == 1:
        return {"line": [json_number(value) for value in values[:, 0].tolist()]}
    if values.shape[1] > 1:
        return {"classes": _packed(values.argmax(axis=1).astype(np.int8))}
    return {"surface": _packed(_levels(values[:, 0], rows))}


def _detail(network: Network, loss: KernelLoss, rows: Rows) -> Json:
    """Return the confusion matrix, or pairs of true and predicted values."""
    if rows.task == "regression":
        n = MAX_HISTOGRAM
        y = rows.target.unstandardize(rows.held_y[:n])[:, 0]
        guess = predictions(network, loss, rows.held_x[:n])
        pairs = np.stack([y, rows.target.unstandardize(guess.astype(np.float32))[:, 0]], axis=1)
        return {"pairs": [[json_number(a), json_number(b)] for a, b in pairs.tolist()]}
    size = len(rows.classes)
    counts = np.zeros((size, size), np.int64)
    chosen = chosen_classes(network, loss, rows.held_x)
    np.add.at(counts, (rows.held_y[:, 0].astype(int), chosen), 1)
    return {"confusion": counts.tolist()}


def _levels(values: Floats, rows: Rows) -> NDArray[np.int8]:
    """Return predictions as -127 to 127: the low class or target to the high one."""
    low, high = (0.0, 1.0) if rows.task == "binary" else (rows.y.min(), rows.y.max())
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9)
    levels = np.rint(127 * np.clip(np.nan_to_num((values - middle) / half), -1, 1))
    return levels.astype(np.int8)


def _warnings(network: Network, loss: KernelLoss, rows: Rows) -> list[str]:
    """Return the warnings of `layer_statistics` on the first training rows."""
    n = MAX_HISTOGRAM
    own = type(loss)(**loss.settings)
    return layer_statistics(network, rows.x[:n], rows.y[:n], own).warnings


def _diverging(curve: list[CurvePoint]) -> list[str]:
    """Return a warning if the training loss is much larger than at the beginning."""
    if not curve:
        return []
    ratio = curve[-1][1] / max(curve[0][1], 1e-9)
    if not math.isfinite(ratio):
        return ["the training loss is not finite: reset, and lower the learning rate"]
    if ratio < MIN_DIVERGING:
        return []
    return [
        f"the training loss is {ratio:,.0f} times the first one: reset, and lower the learning rate"
    ]


def points(rows: Rows) -> Json:
    """Return the rows that are drawn as points, which do not change between frames."""
    found: Json = {
        "task": rows.task,
        "classes": rows.classes,
        "inputs": list(rows.input_names),
        "target": rows.target_name,
        "note": rows.note,
        "built_in": rows.is_built_in,
        "n_train": len(rows.x),
        "n_held_out": len(rows.held_x),
        "plane": is_plane(rows),
    }
    if is_plane(rows):
        found["domain"] = domain(rows)
        for name, x, y in (("train", rows.x, rows.y), ("held_out", rows.held_x, rows.held_y)):
            shown = np.hstack([x[:MAX_HISTOGRAM], y[:MAX_HISTOGRAM, :1]]).astype(np.float64)
            found[name] = shown.round(4).tolist()
        found["y_range"] = [float(rows.y.min()), float(rows.y.max())]
    return found
