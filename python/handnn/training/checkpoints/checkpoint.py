"""Checkpoints: files from which an interrupted training goes on to the same bits.

A checkpoint is a safetensors file, written as `storage` writes networks, all or nothing. It has the
arrays of the network under their names, and besides

    optimizer.STATE.PARAM    what the optimizer keeps, such as optimizer.mean.0.w
    best.PARAM               the weights of the best epoch so far, if EarlyStopping keeps them
    history.*                the losses, metrics and seconds of every epoch, float64
    outputs                  in the middle of an epoch: what the metrics are to be measured on

and in its metadata beside "handnn", the bricks, a JSON text "training": loss, optimizer, schedule,
the generator from before the fit and now, the arguments of `fit`, the place in the epoch, and
hashes of the data. Classes are looked up by name in fixed tables. Nothing in a file is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss
from handnn.metrics import METRICS
from handnn.network import Network
from handnn.optimizers import GradientOptimizer
from handnn.storage import (
    TensorFile,
    as_path,
    contents,
    opened,
    place_of,
    read_bricks,
    write_arrays,
)
from handnn.training.checkpoints.fields import as_dict, as_int, as_list, as_number, as_text, one_of
from handnn.training.checkpoints.parts import (
    GENERATORS,
    LOSS_NAMES,
    OPTIMIZER_NAMES,
    SCHEDULE_NAMES,
    built,
    described_optimizer,
    generator,
    history_columns,
    own,
    read_early_stopping,
    read_history,
    read_optimizer,
)
from handnn.training.early_stopping import EarlyStopping
from handnn.training.parts import Parts
from handnn.training.state import FitSettings, FitState

FORMAT = 1


@dataclass
class Checkpoint:
    """What a file says of one fit, and where it is."""

    path: str
    every: int
    """The number of epochs from one checkpoint to the next."""
    parts: Parts
    rng_before: Mapping[str, object]
    """The state of the generator before the fit."""
    settings: FitSettings
    data: dict[str, str]
    """A hash of each array of the data."""

    def __post_init__(self) -> None:
        """Note the bricks, since the user may replace them."""
        self._bricks = list(walk(self.parts.network.layers))

    def check_parts(self, now: Parts) -> None:
        """Raise ValueError unless `now` has the checkpoint's own parts, with the same bricks."""
        for name in ("network", "loss", "optimizer", "rng"):
            is_other = getattr(now, name) is not getattr(self.parts, name)
            if is_other or (name == "network" and self._bricks != list(walk(now.network.layers))):
                raise ValueError(
                    f"Trainer.fit: {name} is not the one of the checkpoint {self.path}, so nothing "
                    "is there to go on with; train it in a new Trainer"
                )

    @property
    def _loss(self) -> KernelLoss:
        return own("Trainer.fit: checkpoint", "loss", self.parts.loss, LOSS_NAMES)

    @property
    def _optimizer(self) -> GradientOptimizer:
        return own("Trainer.fit: checkpoint", "optimizer", self.parts.optimizer, OPTIMIZER_NAMES)

    def check(self, early_stopping: EarlyStopping | None) -> None:
        """Raise TypeError when a part cannot be written, OSError when no file can be there."""
        where = "Trainer.fit: checkpoint"
        contents(self.parts.network.layers, where)
        _ = self._loss
        schedule = self._optimizer.schedule
        while schedule is not None:
            own(where, "schedule", schedule, SCHEDULE_NAMES)
            schedule = getattr(schedule, "then", None)
        if early_stopping is not None and type(early_stopping) is not EarlyStopping:
            raise TypeError(
                f"{where}: early_stopping is a {type(early_stopping).__name__}, not handnn's own"
            )
        for metric, known_as in self.settings.metrics:
            if known_as is None:
                raise TypeError(
                    f"{where}: metric {metric} is a function; a file cannot hold its code"
                )
        if type(self.parts.rng.bit_generator).__name__ not in GENERATORS:
            raise TypeError(
                f"{where}: rng is a {type(self.parts.rng.bit_generator).__name__}; write an int or "
                "numpy.random.default_rng(...)"
            )
        folder = os.path.dirname(place_of(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{where}: there is no folder {folder}")
        self._described(FitState(1))

    def check_same(self, other: Checkpoint) -> None:
        """Raise ValueError unless `other` is of a fit with the same arguments and data."""
        for name, ours, theirs in zip(
            FitSettings._fields, self.settings, other.settings, strict=True
        ):
            if ours != theirs:
                name = "validation" if name == "fraction" else name
                raise ValueError(
                    f"Trainer.fit: {name} is {ours}, but the interrupted fit had {theirs}"
                )
        for name in [*self.data, *other.data]:
            now, then = self.data.get(name), other.data.get(name)
            if now != then:
                told = "other rows" if now and then else "none" if now else "some"
                raise ValueError(
                    f"Trainer.fit: {name} is not what the interrupted fit had, {told}; go on with "
                    "the same data, or copy the network into a new Trainer"
                )

    def write(self, state: FitState) -> None:
        """Write all to `path`, or raise OSError and leave the file that is there as it is."""
        arrays, description = contents(self.parts.network.layers, "Trainer.fit: checkpoint")
        for name, kept in self._optimizer.state.items():
            arrays |= {f"optimizer.{name}.{n}": np.ascontiguousarray(a) for n, a in kept.items()}
        if state.early_stopping is not None:
            best = state.early_stopping.best_arrays
            arrays |= {f"best.{name}": array for name, array in best.items()}
        arrays |= {f"history.{n}": array for n, array in history_columns(state.history).items()}
        if state.step and state.outputs is not None:
            rows = min(state.step * self.settings.batch_size, len(state.outputs))
            arrays["outputs"] = state.outputs[:rows]
        write_arrays(self.path, arrays, {"handnn": description, "training": self._described(state)})

    def _described(self, state: FitState) -> str:
        """Return the JSON text; raise TypeError when a setting is none that JSON gives back."""
        stopping = state.early_stopping
        described = {
            "format": FORMAT,
            "engine": self.parts.engine,
            "loss": {"name": type(self._loss).__name__, "settings": dict(self._loss.settings)},
            "optimizer": described_optimizer(self._optimizer),
            "rng_before": self.rng_before,
            "rng": self.parts.rng.bit_generator.state,
            "dropout": {
                place: layer.step
                for place, layer in walk(self.parts.network.layers)
                if isinstance(layer, Dropout)
            },
            "fit": self.settings._asdict(),
            "every": self.every,
            "data": self.data,
            "epochs": state.epochs,
            "step": state.step,
            "total": state.total,
            "is_over": state.is_over,
            "early_stopping": stopping
            and {
                "settings": stopping.settings,
                "best": stopping.best,
                "best_epoch": stopping.best_epoch,
                "waited": stopping.waited,
            },
        }
        try:
            return json.dumps(described)
        except TypeError as error:
            raise TypeError(
                f"Trainer.fit: checkpoint: a setting of {self._loss} or {self._optimizer} is no "
                f"plain number: {error}"
            ) from None


class Resumed(NamedTuple):
    """What a checkpoint file holds: an interrupted fit, and how far it had come."""

    checkpoint: Checkpoint
    state: FitState


def read(path: str | os.PathLike[str]) -> Resumed:
    """Read what `Checkpoint.write` wrote.

    Raises FormatError when the file is not such a checkpoint, OSError when it cannot be read.
    """
    path = as_path(path, "Trainer.resume: path")
    with opened(path, "is not a checkpoint written by handnn") as file:
        metadata = file.metadata
        if "training" not in metadata:
            raise ValueError("its metadata has no entry 'training'")
        described = as_dict(json.loads(metadata["training"]), "training")
        version = described.get("format")
        if version != FORMAT:
            raise ValueError(f"its format is {version!r:.50}; this handnn reads only {FORMAT}")
        return _read(path, file, described)


def _read(path: str, file: TensorFile, described: dict[str, Any]) -> Resumed:
    parts: dict[str, dict[str, Array]] = {"optimizer": {}, "best": {}, "history": {}}
    outputs, own = None, []
    for key in file.keys():  # noqa: SIM118 - it is no dict
        part, _, name = key.partition(".")
        if part in parts:
            parts[part][name] = file.read(key)
        elif key == "outputs":
            outputs = file.read(key)
        else:
            own.append(key)
    network = Network(read_bricks(file, own))
    params, arrays = network.params, {**network.params, **network.buffers}

    dropouts = {p: a for p, a in walk(network.layers) if isinstance(a, Dropout)}
    steps = as_dict(described.get("dropout"), "dropout")
    if set(steps) != set(dropouts):
        raise ValueError("the steps of its Dropouts are not those of its bricks")
    for place, dropout in dropouts.items():
        dropout.step = as_int(steps[place], "a Dropout's step", 2**63)

    fit = as_dict(described.get("fit"), "fit")
    settings = FitSettings(
        as_int(fit.get("batch_size"), "batch_size"),
        one_of(fit.get("shuffle"), (True, False, "replacement"), "shuffle"),
        None
        if fit.get("steps_per_epoch") is None
        else as_int(fit["steps_per_epoch"], "steps_per_epoch"),
        None if fit.get("fraction") is None else as_number(fit["fraction"], "fraction"),
        tuple(
            (as_text(name), one_of(known, tuple(METRICS), "metric"))
            for name, known in as_list(fit.get("metrics"), "metrics")
        ),
    )
    rng_before = as_dict(described.get("rng_before"), "rng_before")
    checkpoint = Checkpoint(
        path,
        as_int(described.get("every"), "every"),
        Parts(
            network,
            built(described.get("loss"), LOSS_NAMES, "loss"),
            read_optimizer(described.get("optimizer"), parts["optimizer"], params),
            one_of(described.get("engine"), ("auto", "compiled", "bricks"), "engine"),
            generator(as_dict(described.get("rng"), "rng")),
        ),
        rng_before,
        settings,
        {as_text(k): as_text(v) for k, v in as_dict(described.get("data"), "data").items()},
    )
    generator(rng_before)
    state = FitState(
        as_int(described.get("epochs"), "epochs"),
        read_history(parts["history"], [name for name, _ in settings.metrics]),
        as_int(described.get("step"), "step", 2**63),
        as_number(described.get("total"), "total"),
        outputs,
        read_early_stopping(described.get("early_stopping"), parts["best"], arrays),
        one_of(described.get("is_over"), (True, False), "is_over"),
    )
    if not np.isfinite(state.total):
        raise ValueError("its total is not finite")
    return Resumed(checkpoint, state)


def hashes(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return of each array its shape and a SHA-256 of its bytes."""
    from hashlib import sha256

    return {
        name: f"{array.shape} {sha256(np.ascontiguousarray(array).data).hexdigest()}"
        for name, array in arrays.items()
    }
