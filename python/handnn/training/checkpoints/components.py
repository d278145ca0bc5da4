"""Convert the components of a training to JSON and arrays, and rebuild them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from handnn import schedules
from handnn.arrays import Array
from handnn.losses import LOSSES
from handnn.optimizers import OPTIMIZERS, GradientOptimizer
from handnn.storage import TensorFile
from handnn.training.checkpoints.fields import as_dict, as_int, as_number, build, one_of
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History

T = TypeVar("T")

LOSS_NAMES = {loss.__name__: loss for loss in LOSSES}
OPTIMIZER_NAMES = {optimizer.__name__: optimizer for optimizer in OPTIMIZERS}
SCHEDULE_NAMES = {schedule.__name__: schedule for schedule in schedules.SCHEDULES}
PLATEAU_STATE = ("factor_now", "best", "bad_epochs", "cooling")
GENERATORS = {"PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM}
COMMON = ("lr", "weight_decay", "decay_all", "clip_value", "clip_norm")
"""The settings of every optimizer that are stored unchanged in JSON."""

MAX_SCHEDULE_DEPTH = 20


def known_part(where: str, kind: str, part: object, known: Mapping[str, type[T]]) -> T:
    """Return `part`; raise TypeError unless its class is one of `known`, not a subclass."""
    found = known.get(type(part).__name__)
    if found is type(part) and isinstance(part, found):
        return part
    raise TypeError(
        f"{where}: the {kind} is a {type(part).__name__}, not one of {', '.join(known)}; "
        "a file cannot hold its code or its state"
    )


def describe_optimizer(optimizer: GradientOptimizer) -> dict[str, object]:
    """Return the JSON of an optimizer, without its state."""
    settings = {name: getattr(optimizer, name) for name in COMMON}
    return {
        "name": type(optimizer).__name__,
        "settings": {**settings, **optimizer.settings, "lr_scales": dict(optimizer.lr_scales)},
        "steps": optimizer.steps,
        "schedule": _describe_schedule(optimizer.schedule),
    }


def _describe_schedule(schedule: schedules.Schedule | None) -> dict[str, object] | None:
    if schedule is None:
        return None
    described: dict[str, object] = {"name": type(schedule).__name__, "settings": schedule.settings}
    if isinstance(schedule, schedules.WarmUp):
        then = _describe_schedule(schedule.then)
        described["settings"] = {**schedule.settings, "then": then}
    if isinstance(schedule, schedules.ReduceOnPlateau):
        described["state"] = {name: getattr(schedule, name) for name in PLATEAU_STATE}
    return described


def read_optimizer(
    described: object, arrays: Mapping[str, Array], params: Mapping[str, Array]
) -> GradientOptimizer:
    """Build an optimizer for `params`; `arrays` are its states, named "mean.0.w"."""
    entry = as_dict(described, "optimizer")
    schedule = _read_schedule(entry.get("schedule"))
    optimizer = build(entry, OPTIMIZER_NAMES, "optimizer", schedule=schedule)
    optimizer.check_names(params)
    optimizer.steps = as_int(entry.get("steps"), "steps", 2**53)
    found: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        state, _, name = key.partition(".")
        found.setdefault(state, {})[name] = array
    optimizer.state = found  # `states` of SGD includes "velocity" only if it exists
    for state, kept in found.items():
        if state not in optimizer.states:
            raise ValueError(f"{type(optimizer).__name__} has no state {state!r:.50}")
        _check_like(kept, params, f"the optimizer's {state}")
    optimizer.state = {
        state: {name: found[state][name] for name in params}
        for state in optimizer.states
        if state in found
    }
    return optimizer


def _read_schedule(described: object, depth: int = 0) -> schedules.Schedule | None:
    if described is None:
        return None
    if depth > MAX_SCHEDULE_DEPTH:
        raise ValueError(f"its schedules are nested more than {MAX_SCHEDULE_DEPTH} deep")
    entry = as_dict(described, "schedule")
    then = as_dict(entry.get("settings"), "settings").get("then")
    given = {} if then is None else {"then": _read_schedule(then, depth + 1)}
    schedule = build(entry, SCHEDULE_NAMES, "schedule", **given)
    if isinstance(schedule, schedules.ReduceOnPlateau):
        state = as_dict(entry.get("state"), "state")
        schedule.factor_now = as_number(state.get("factor_now"), "factor_now")
        schedule.best = as_number(state.get("best"), "best")
        schedule.bad_epochs = as_int(state.get("bad_epochs"), "bad_epochs", 2**63)
        schedule.cooling = as_int(state.get("cooling"), "cooling", 2**63)
        schedule.factors(0, 1)  # raises ValueError for an invalid factor_now
    return schedule


def read_early_stopping(
    described: object, best: dict[str, Array], arrays: Mapping[str, Array]
) -> EarlyStopping | None:
    """Build an EarlyStopping; `best` are its best weights, like `arrays` of the network."""
    if described is None:
        if best:
            raise ValueError("it has best weights, but no early stopping")
        return None
    entry = as_dict(described, "early_stopping")
    named = {**entry, "name": EarlyStopping.__name__}
    stopping = build(named, {EarlyStopping.__name__: EarlyStopping}, "early_stopping")
    if best:
        _check_like(best, arrays, "the best weights")
    if entry.get("best") is not None:
        stopping.best = as_number(entry["best"], "best")
    if entry.get("best_epoch") is not None:
        stopping.best_epoch = as_int(entry["best_epoch"], "best_epoch", 2**63)
    stopping.waited = as_int(entry.get("waited"), "waited", 2**63)
    stopping.best_arrays = best
    return stopping


def read_history(file: TensorFile, columns: set[str], names: list[str]) -> History:
    """Read a History from the arrays of `History.to_columns`.

    columns: the names of the arrays in the file. names: of the metrics.
    """
    if columns != {"train_loss", "validation_loss", "seconds", "metrics"}:
        raise ValueError("its history does not consist of the four arrays")
    shapes = {name: file.shape(f"history.{name}") for name in columns}
    n_epochs = shapes["train_loss"][0] if len(shapes["train_loss"]) == 1 else -1
    fits = [
        shapes["seconds"] == (n_epochs,),
        shapes["validation_loss"] in ((n_epochs,), (0,)),
        shapes["metrics"] == (len(names) if n_epochs else 0, n_epochs),
    ]
    if not all(fits):
        raise ValueError("the arrays of its history do not fit together")
    lists = {name: file.read_lists(f"history.{name}") for name in sorted(columns)}
    (train_loss,), (seconds,) = lists["train_loss"], lists["seconds"]
    (validation_loss,) = lists["validation_loss"]
    metrics = dict(zip(names, lists["metrics"], strict=True)) if n_epochs else {}
    return History.from_columns(train_loss, seconds, validation_loss, metrics)


def read_generator(state: Mapping[str, object]) -> np.random.Generator:
    """Build a generator in this state, after checking the values."""
    make = GENERATORS[one_of(state.get("bit_generator"), tuple(GENERATORS), "bit_generator")]
    inner = as_dict(state.get("state"), "state")
    numbers = {name: as_int(inner.get(name), name, 2**128) for name in ("state", "inc")}
    bit_generator = make()
    bit_generator.state = {
        "bit_generator": make.__name__,
        "state": numbers,
        "has_uint32": as_int(state.get("has_uint32"), "has_uint32", 2),
        "uinteger": as_int(state.get("uinteger"), "uinteger", 2**32),
    }
    return np.random.Generator(bit_generator)


def _check_like(arrays: Mapping[str, Array], like: Mapping[str, Array], what: str) -> None:
    """Raise ValueError unless the arrays have the names, shapes and dtypes of `like`."""
    if set(arrays) != set(like):
        raise ValueError(f"the names of {what} differ from those of the network's arrays")
    for name, array in arrays.items():
        if array.shape != like[name].shape or array.dtype != like[name].dtype:
            raise ValueError(f"{what} for {name} are {array.dtype} {array.shape}")
