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
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.metrics import METRICS
from handnn.network import Network
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
    check_known,
    described_optimizer,
    generator,
    history_columns,
    read_early_stopping,
    read_history,
    read_optimizer,
)
from handnn.training.early_stopping import EarlyStopping
from handnn.training.history import History

FORMAT = 1


class Options(NamedTuple):
    """What `fit` was called with, as far as a resumed one must have the same."""

    batch_size: int
    shuffle: bool | str
    steps_per_epoch: int | None
    fraction: float | None
    """Of the rows that is held out."""
    metrics: tuple[tuple[str, str | None], ...]
    """(name, name in METRICS)."""


@dataclass
class Progress:
    """How far a fit is: `step` steps into the epoch after those of the history."""

    epochs: int
    """How many there are to be."""
    history: History = field(default_factory=History)
    step: int = 0
    total: float = 0.0
    """Of the losses of these steps, each times its rows."""
    outputs: Array | None = None
    """What they were of: see `History.metrics`."""
    early_stopping: EarlyStopping | None = None
    is_over: bool = False
    """Whether a callback or early stopping has ended it."""


@dataclass
class Checkpoint:
    """What a file says of one fit, and where it is."""

    path: str
    every: int
    network: Network
    loss: Any
    optimizer: Any
    engine: str
    rng: np.random.Generator
    rng_before: dict[str, Any]
    options: Options
    data: dict[str, str]
    """A hash of each array of the data."""

    def __post_init__(self) -> None:
        """Note the bricks, which the user may exchange for others."""
        self._bricks = list(walk(self.network.layers))

    def check_parts(self, **now: object) -> None:
        """Raise ValueError unless these are the parts of the checkpoint, with the same bricks."""
        for name, part in now.items():
            is_other = part is not getattr(self, name)
            if is_other or (name == "network" and self._bricks != list(walk(self.network.layers))):
                raise ValueError(
                    f"Trainer.fit: {name} is not the one of the checkpoint {self.path}, so nothing "
                    "is there to go on with; train it in a new Trainer"
                )

    def check(self, early_stopping: EarlyStopping | None) -> None:
        """Raise TypeError when a part cannot be written, OSError when no file can be there."""
        where = "Trainer.fit: checkpoint"
        contents(self.network.layers, where)
        for kind, part, known in (
            ("loss", self.loss, LOSS_NAMES),
            ("optimizer", self.optimizer, OPTIMIZER_NAMES),
        ):
            check_known(where, kind, part, known)
        schedule = self.optimizer.schedule
        while schedule is not None:
            check_known(where, "schedule", schedule, SCHEDULE_NAMES)
            schedule = getattr(schedule, "then", None)
        if early_stopping is not None and type(early_stopping) is not EarlyStopping:
            raise TypeError(
                f"{where}: early_stopping is a {type(early_stopping).__name__}, not handnn's own"
            )
        for name, known_as in self.options.metrics:
            if known_as is None:
                raise TypeError(
                    f"{where}: metric {name} is a function; a file cannot hold its code"
                )
        if type(self.rng.bit_generator).__name__ not in GENERATORS:
            raise TypeError(
                f"{where}: rng is a {type(self.rng.bit_generator).__name__}; write an int or "
                "numpy.random.default_rng(...)"
            )
        folder = os.path.dirname(place_of(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{where}: there is no folder {folder}")
        self._described(Progress(1))

    def check_same(self, other: Checkpoint) -> None:
        """Raise ValueError unless `other` is of a fit with the same arguments and data."""
        for name, ours, theirs in zip(Options._fields, self.options, other.options, strict=True):
            if ours != theirs:
                name = "validation" if name == "fraction" else name
                raise ValueError(
                    f"Trainer.fit: {name} is {ours}, but the interrupted fit had {theirs}"
                )
        for name in [*self.data, *other.data]:
            ours, theirs = self.data.get(name), other.data.get(name)
            if ours != theirs:
                told = "other rows" if ours and theirs else "none" if ours else "some"
                raise ValueError(
                    f"Trainer.fit: {name} is not what the interrupted fit had, {told}; go on with "
                    "the same data, or copy the network into a new Trainer"
                )

    def write(self, progress: Progress) -> None:
        """Write all to `path`, or raise OSError and leave the file that is there as it is."""
        arrays, description = contents(self.network.layers, "Trainer.fit: checkpoint")
        for state, kept in self.optimizer.state.items():
            arrays |= {f"optimizer.{state}.{n}": np.ascontiguousarray(a) for n, a in kept.items()}
        if progress.early_stopping is not None:
            best = progress.early_stopping.best_arrays
            arrays |= {f"best.{name}": array for name, array in best.items()}
        arrays |= {f"history.{n}": array for n, array in history_columns(progress.history).items()}
        if progress.step and progress.outputs is not None:
            rows = min(progress.step * self.options.batch_size, len(progress.outputs))
            arrays["outputs"] = progress.outputs[:rows]
        write_arrays(
            self.path, arrays, {"handnn": description, "training": self._described(progress)}
        )

    def _described(self, progress: Progress) -> str:
        """Return the JSON text; raise TypeError when a setting is none that JSON gives back."""
        stopping = progress.early_stopping
        described = {
            "format": FORMAT,
            "engine": self.engine,
            "loss": {"name": type(self.loss).__name__, "settings": dict(self.loss.settings)},
            "optimizer": described_optimizer(self.optimizer),
            "rng_before": self.rng_before,
            "rng": self.rng.bit_generator.state,
            "dropout": {
                place: layer.step
                for place, layer in walk(self.network.layers)
                if isinstance(layer, Dropout)
            },
            "fit": self.options._asdict(),
            "every": self.every,
            "data": self.data,
            "epochs": progress.epochs,
            "step": progress.step,
            "total": progress.total,
            "is_over": progress.is_over,
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
                f"Trainer.fit: checkpoint: a setting of {self.loss} or {self.optimizer} is no "
                f"plain number: {error}"
            ) from None


def read(path: str | os.PathLike[str]) -> tuple[Checkpoint, Progress]:
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


def _read(path: str, file: TensorFile, described: dict[str, Any]) -> tuple[Checkpoint, Progress]:
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
    options = Options(
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
        network,
        built(described.get("loss"), LOSS_NAMES, "loss"),
        read_optimizer(described.get("optimizer"), parts["optimizer"], params),
        one_of(described.get("engine"), ("auto", "compiled", "bricks"), "engine"),
        generator(as_dict(described.get("rng"), "rng")),
        rng_before,
        options,
        {as_text(k): as_text(v) for k, v in as_dict(described.get("data"), "data").items()},
    )
    generator(rng_before)
    progress = Progress(
        as_int(described.get("epochs"), "epochs"),
        read_history(parts["history"], [name for name, _ in options.metrics]),
        as_int(described.get("step"), "step", 2**63),
        as_number(described.get("total"), "total"),
        outputs,
        read_early_stopping(described.get("early_stopping"), parts["best"], arrays),
        one_of(described.get("is_over"), (True, False), "is_over"),
    )
    if not np.isfinite(progress.total):
        raise ValueError("its total is not finite")
    return checkpoint, progress


def hashes(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return of each array its shape and a SHA-256 of its bytes."""
    from hashlib import sha256

    return {
        name: f"{array.shape} {sha256(np.ascontiguousarray(array).data).hexdigest()}"
        for name, array in arrays.items()
    }
