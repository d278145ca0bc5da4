"""Read a checkpoint: the trainer's parts, and the progress of the fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.metrics import METRICS
from handnn.network import Network
from handnn.storage import TensorFile, as_path, brief, check_cost, from_json, opened, read_bricks
from handnn.training.checkpoints.checkpoint import FORMAT, Checkpoint
from handnn.training.checkpoints.components import (
    LOSS_NAMES,
    read_early_stopping,
    read_generator,
    read_history,
    read_optimizer,
)
from handnn.training.checkpoints.fields import (
    as_dict,
    as_int,
    as_number,
    as_pairs,
    as_text,
    build,
    one_of,
)
from handnn.training.parts import Parts
from handnn.training.state import FitSettings, FitState, Shuffle

SHUFFLES: tuple[Shuffle, ...] = (True, False, "replacement")


class Resumed(NamedTuple):
    """An interrupted fit, and its progress."""

    checkpoint: Checkpoint
    state: FitState


class _Arrays(NamedTuple):
    """The arrays of a file, grouped by owner."""

    bricks: list[str]
    """The names of the arrays of the bricks."""
    optimizer: dict[str, Array]
    best: dict[str, Array]
    history: set[str]
    """The names of the arrays of the history."""
    outputs: Array | None


def read(path: str | os.PathLike[str]) -> Resumed:
    """Read a file that `Checkpoint.write` wrote.

    Raises FormatError if the file is not a valid checkpoint, and OSError if it cannot be read.
    """
    path = as_path(path, "Trainer.resume: path")
    with opened(path, "is not a checkpoint written by handnn") as file:
        if "training" not in file.metadata:
            raise ValueError("its metadata has no entry 'training'")
        check_cost(file.metadata.values(), "description")
        described = as_dict(
            from_json(file.metadata["training"], "description", is_finite=False), "training"
        )
        version = described.get("format")
        if version != FORMAT:
            raise ValueError(
                f"its format is {brief(version)}; this version of handnn reads only {FORMAT}"
            )
        return _read(path, file, described)


def _read(path: str, file: TensorFile, described: Mapping[str, object]) -> Resumed:
    arrays = _read_arrays(file)
    network = _read_network(file, arrays, described)
    settings = _read_settings(as_dict(described.get("fit"), "fit"))
    rng_before = as_dict(described.get("rng_before"), "rng_before")
    checkpoint = Checkpoint(
        path,
        as_int(described.get("every"), "every"),
        Parts(
            network,
            build(described.get("loss"), LOSS_NAMES, "loss"),
            read_optimizer(described.get("optimizer"), arrays.optimizer, network.params),
            one_of(described.get("engine"), ("auto", "compiled", "bricks"), "engine"),
            read_generator(as_dict(described.get("rng"), "rng")),
        ),
        rng_before,
        settings,
        {as_text(k): as_text(v) for k, v in as_dict(described.get("data"), "data").items()},
    )
    read_generator(rng_before)  # raises ValueError if it is invalid
    weights = {**network.params, **network.buffers}
    state = FitState(
        as_int(described.get("epochs"), "epochs"),
        read_history(file, arrays.history, [name for name, _ in settings.metrics]),
        as_int(described.get("step"), "step", 2**63),
        as_number(described.get("total"), "total"),
        arrays.outputs,
        read_early_stopping(described.get("early_stopping"), arrays.best, weights),
        one_of(described.get("is_over"), (True, False), "is_over"),
    )
    if not np.isfinite(state.total):
        raise ValueError("its total is not finite")
    return Resumed(checkpoint, state)


def _read_arrays(file: TensorFile) -> _Arrays:
    parts: dict[str, dict[str, Array]] = {"optimizer": {}, "best": {}}
    bricks: list[str] = []
    history: set[str] = set()
    outputs = None
    for key in file.keys():  # noqa: SIM118 - a TensorFile is not a dict
        part, _, name = key.partition(".")
        if part in parts:
            parts[part][name] = file.read(key)
        elif part == "history":
            history.add(name)
        elif key == "outputs":
            outputs = file.read(key)
        else:
            bricks.append(key)
    return _Arrays(bricks, history=history, outputs=outputs, **parts)


def _read_network(file: TensorFile, arrays: _Arrays, described: Mapping[str, object]) -> Network:
    network = Network(read_bricks(file, arrays.bricks))
    dropouts = {p: brick for p, brick in walk(network.layers) if isinstance(brick, Dropout)}
    steps = as_dict(described.get("dropout"), "dropout")
    if set(steps) != set(dropouts):
        raise ValueError("the steps of its Dropouts are not those of its bricks")
    for place, dropout in dropouts.items():
        dropout.step = as_int(steps[place], "a Dropout's step", 2**63)
    return network


def _read_settings(fit: Mapping[str, object]) -> FitSettings:
    steps, fraction = fit.get("steps_per_epoch"), fit.get("fraction")
    return FitSettings(
        as_int(fit.get("batch_size"), "batch_size"),
        one_of(fit.get("shuffle"), SHUFFLES, "shuffle"),
        None if steps is None else as_int(steps, "steps_per_epoch"),
        None if fraction is None else as_number(fraction, "fraction"),
        tuple(
            (as_text(name), one_of(known, tuple(METRICS), "metric"))
            for name, known in as_pairs(fit.get("metrics"), "metrics")
        ),
        max(1, as_int(fit.get("shards", 1), "shards", 2**31)),
    )
