"""The arguments of `fit` for each of several trainers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from inspect import signature

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn.arrays import Array, as_float
from handnn.training.prepare import FitArguments
from handnn.training.rows import Indices
from handnn.training.trainer import Trainer

ARRAYS = ("x", "y", "sample_weight")


class ArgumentsOfEach:
    """Combine the common arguments of all trainers with those of each.

    Raises TypeError or ValueError if the arguments do not belong to `trainers`.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        common: Mapping[str, object],
        rows: Sequence[ArrayLike] | None,
        each: Sequence[Mapping[str, object]] | None,
    ) -> None:
        for name, given in (("rows", rows), ("each", each)):
            _check_one_per_trainer(name, given, len(trainers))
        for place, own in enumerate(() if each is None else each):
            if not isinstance(own, Mapping):
                raise TypeError(
                    f"train_many: each[{place}] must be a dict of arguments, but is {own!r:.50}"
                )
        self._trainers = trainers
        self._rows = rows
        self._each = each
        metrics = common.get("metrics")
        if isinstance(metrics, Iterator):  # each fit iterates over them
            common = {**common, "metrics": tuple(metrics)}
        self._common = common
        self._casts: dict[tuple[int, DTypeLike], tuple[object, Array]] = {}
        for trainer in trainers:
            for name in ARRAYS:
                self._cast(name, common.get(name), trainer)
        self._check_independent()

    def of(self, place: int) -> FitArguments:
        """Return the arguments for the trainer with index `place`."""
        trainer = self._trainers[place]
        found = dict(self._common)
        if found.get("early_stopping") is not None:
            found["early_stopping"] = deepcopy(found["early_stopping"])
        if self._each is not None:
            found.update(self._each[place])
        for name in ARRAYS:
            values = found.get(name)
            if values is self._common.get(name) or _is_numeric(values):
                found[name] = self._cast(name, values, trainer)
        for name in ("x", "y"):
            if found[name] is None:
                raise TypeError(f"train_many: trainers[{place}] has no {name}")
        unknown = set(found) - FIT_NAMES
        if unknown:
            raise TypeError(
                f"train_many: trainers[{place}]: Trainer.fit has no argument {min(unknown)!r}"
            )
        if self._rows is not None:
            self._choose(found, place, self._rows[place])
        elif isinstance(found.get("validation"), str):
            raise ValueError(f"train_many: validation is {found['validation']!r}, which needs rows")
        arguments: Callable[..., FitArguments] = FitArguments
        return arguments(**found)

    def _cast(self, name: str, values: object, trainer: Trainer) -> Array | None:
        """Return an array in the dtype of the trainer's network; each is cast once per dtype."""
        if values is None:
            return None
        key = id(values), trainer.network.dtype
        if key not in self._casts:
            convert: Callable[..., Array] = as_float
            self._casts[key] = values, convert(values, key[1], f"train_many: {name}")
        return self._casts[key][1]

    def _choose(self, found: dict[str, object], place: int, rows: ArrayLike) -> None:
        """Add the rows to train on, and with validation="rest" those to validate on."""
        counts: dict[str, int] = {}
        for name in ARRAYS:
            array = self._cast(name, found.get(name), self._trainers[place])
            if array is not None:
                found[name] = array
                counts[name] = len(array) if array.ndim else 0
        count = counts["x"]
        for name, other in counts.items():
            if other != count:
                raise ValueError(
                    f"train_many: x has {count} rows but {name} has {other} (for trainers[{place}])"
                )
        chosen = _as_indices(rows, count, f"train_many: rows[{place}]")
        found["chosen"] = chosen
        validation = found.get("validation")
        if not isinstance(validation, str):
            return
        if validation != "rest":
            raise ValueError(
                f"train_many: validation must be a pair (x, y), a fraction of the rows or 'rest', "
                f"but is {validation!r}"
            )
        is_left_out = np.ones(count, bool)
        is_left_out[chosen] = False
        left_out = np.flatnonzero(is_left_out)
        if len(left_out) == 0:
            raise ValueError(f"train_many: rows[{place}] leaves no row to validate with")
        found.update(validation=None, left_out=left_out)

    def _check_independent(self) -> None:
        """Raise ValueError if two trainings would write the same file or share an EarlyStopping."""
        owners: dict[object, int] = {}
        for place, trainer in enumerate(self._trainers):
            own = {} if self._each is None else self._each[place]
            path = own.get("checkpoint", self._common.get("checkpoint"))
            if path is None:
                resumed = trainer._resumed
                path = None if resumed is None else resumed.checkpoint.path
            if isinstance(path, str | os.PathLike):
                owner = owners.setdefault(os.path.realpath(path), place)
                if owner != place:
                    raise ValueError(
                        f"train_many: each trainer needs its own checkpoint file (use each): "
                        f"trainers[{owner}] and trainers[{place}] would both write {path}"
                    )
            stopping = own.get("early_stopping")
            if stopping is not None and owners.setdefault(id(stopping), place) != place:
                raise ValueError(
                    f"train_many: each[{owners[id(stopping)]}] and each[{place}] share an "
                    "early_stopping; each needs its own, or pass it once for all trainers"
                )


FIT_NAMES = set(signature(Trainer.fit).parameters) - {"self"}


def _is_numeric(values: object) -> bool:
    """Return whether `values` is an array that can be cast; `fit` rejects others."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and values.itemsize <= 8


def _check_one_per_trainer(name: str, given: object, n_trainers: int) -> None:
    """Raise TypeError or ValueError unless `given` is None or has an entry for each trainer."""
    if given is None:
        return
    if not isinstance(given, Sequence | np.ndarray):
        raise TypeError(f"train_many: {name} must be a list, but is {given!r:.50}")
    if len(given) != n_trainers:
        raise ValueError(f"train_many: {name} has {len(given)} entries for {n_trainers} trainers")


def _as_indices(given: ArrayLike, count: int, name: str) -> Indices:
    """Return row numbers, given as such or as a bool for each of `count` rows."""
    rows: Indices = np.asarray(given)
    if rows.dtype == bool and rows.shape == (count,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be row numbers, or a bool for each of the {count} rows, but is "
            f"{rows.dtype} {rows.shape}"
        )
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(
            f"{name} must be from 0 to {count - 1}, but goes to {rows.min()} and {rows.max()}"
        )
    return rows
