"""Checkpoint: the state of one fit, which can be written to a file after any step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss
from handnn.optimizers import GradientOptimizer
from handnn.storage import contents, place_of, write_arrays
from handnn.training.checkpoints.components import (
    GENERATORS,
    LOSS_NAMES,
    OPTIMIZER_NAMES,
    SCHEDULE_NAMES,
    describe_optimizer,
    known_part,
)
from handnn.training.early_stopping import EarlyStopping
from handnn.training.parts import Parts
from handnn.training.state import FitSettings, FitState

WHERE = "Trainer.fit: checkpoint"

FORMAT = 1


@dataclass
class Checkpoint:
    """The common contents of all checkpoint files of one fit, and their path."""

    path: str
    every: int
    """The number of epochs from one checkpoint to the next."""
    parts: Parts
    rng_before: Mapping[str, object]
    """The state of the generator before the fit."""
    settings: FitSettings
    data: Mapping[str, str]
    """The hash of each array of the data."""

    def __post_init__(self) -> None:
        """Store the bricks, since the user may replace them later."""
        self._bricks = list(walk(self.parts.network.layers))

    def check_parts(self, now: Parts) -> None:
        """Raise ValueError unless `now` has the parts of the checkpoint, with the same bricks."""
        for name in ("network", "loss", "optimizer", "rng"):
            is_other = getattr(now, name) is not getattr(self.parts, name)
            if is_other or (name == "network" and self._bricks != list(walk(now.network.layers))):
                raise ValueError(
                    f"Trainer.fit: {name} is not that of the checkpoint {self.path}, so the "
                    "interrupted fit cannot continue; train it in a new Trainer"
                )

    @property
    def _loss(self) -> KernelLoss:
        return known_part(WHERE, "loss", self.parts.loss, LOSS_NAMES)

    @property
    def _optimizer(self) -> GradientOptimizer:
        return known_part(WHERE, "optimizer", self.parts.optimizer, OPTIMIZER_NAMES)

    def check(self, early_stopping: EarlyStopping | None) -> None:
        """Raise TypeError if a part cannot be written, OSError if `path` cannot be a file."""
        contents(self.parts.network.layers, WHERE)
        _ = self._loss
        schedule = self._optimizer.schedule
        while schedule is not None:
            known_part(WHERE, "schedule", schedule, SCHEDULE_NAMES)
            schedule = getattr(schedule, "then", None)
        if early_stopping is not None and type(early_stopping) is not EarlyStopping:
            raise TypeError(
                f"{WHERE}: early_stopping is a {type(early_stopping).__name__}, not handnn's own"
            )
        for metric, known_as in self.settings.metrics:
            if known_as is None:
                raise TypeError(
                    f"{WHERE}: metric {metric} is a function; a file cannot hold its code"
                )
        kind = type(self.parts.rng.bit_generator).__name__
        if kind not in GENERATORS:
            raise TypeError(f"{WHERE}: rng is a {kind}; use an int or numpy.random.default_rng")
        folder = os.path.dirname(place_of(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{WHERE}: the folder {folder} does not exist")
        self._described(FitState(1))

    def check_same(self, other: Checkpoint) -> None:
        """Raise ValueError unless `other` belongs to a fit with the same arguments and data."""
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
                then = "other rows" if now and then else "none" if now else "some"
                raise ValueError(
                    f"Trainer.fit: {name} differs from the interrupted fit, which had {then}; "
                    "continue with the same data, or copy the network into a new Trainer"
                )

    def write(self, state: FitState) -> None:
        """Replace the file `path`, or raise OSError and leave it unchanged."""
        arrays, description = contents(self.parts.network.layers, WHERE)
        for name, kept in self._optimizer.state.items():
            arrays |= {f"optimizer.{name}.{n}": np.ascontiguousarray(a) for n, a in kept.items()}
        if state.early_stopping is not None:
            best = state.early_stopping.best_arrays
            arrays |= {f"best.{name}": array for name, array in best.items()}
        arrays |= {f"history.{n}": array for n, array in state.history.to_columns().items()}
        if state.step and state.outputs is not None:
            rows = min(state.step * self.settings.batch_size, len(state.outputs))
            arrays["outputs"] = state.outputs[:rows]
        write_arrays(self.path, arrays, {"handnn": description, "training": self._described(state)})

    def _described(self, state: FitState) -> str:
        """Return the JSON text; raise TypeError if JSON cannot hold a setting."""
        stopping = state.early_stopping
        described = {
            "format": FORMAT,
            "engine": self.parts.engine,
            "loss": {"name": type(self._loss).__name__, "settings": dict(self._loss.settings)},
            "optimizer": describe_optimizer(self._optimizer),
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
                f"{WHERE}: a setting of {self._loss} or {self._optimizer} is not a plain number: "
                f"{error}"
            ) from None


def hashes(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return, for each array, its shape and the SHA-256 of its bytes."""
    from hashlib import sha256

    return {
        name: f"{array.shape} {sha256(np.ascontiguousarray(array).data).hexdigest()}"
        for name, array in arrays.items()
    }
