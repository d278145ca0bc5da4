"""Settings of a training on a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from handnn.arrays import check_type, positive_number, whole_number
from handnn.files.errors import Option, Remedy, TableError
from handnn.storage import MAX_ARRAYS
from handnn.tables.members import members_of
from handnn.tables.objective import SQUARED, checked_objective
from handnn.tables.recipe import QUALITIES, Recipe, default_recipe

Log = Callable[[str], object]
"""A function that is called with a line of text at each stage of training."""

Gaps = tuple[str, ...] | None
"""The strings that mean a missing value; None for `tables.cells.GAPS`."""

TASKS = ("auto", "regression", "binary", "multiclass")


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training on a file that a user may choose; see `handnn.train_file`.

    targets: the names of the columns to predict, one or more.
    loss: what a regression predicts; see `Target`.
    hidden, networks, epochs, batch_size, lr, shards: None leaves the choice to the recipe.
    time: the seconds in which to try further kinds of networks, as with the quality "best".
    hold_out: the share of the rows that is held out to score the model.

    Raises TypeError or ValueError for a value that `train_file` does not allow.
    """

    targets: tuple[str, ...]
    task: str = "auto"
    loss: str = SQUARED
    ignore: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    weight: str = ""
    class_weight: str = ""
    split_by: str = ""
    split_time: str = ""
    test: str = ""
    strict: bool = False
    drop_gaps: bool = False
    hold_out: float = 0.2
    hidden: tuple[int, ...] | None = None
    networks: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    quality: str = "good"
    time: float | None = None
    seed: int = 0
    shards: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        where = "train_file:"
        for name in ("task", "weight", "class_weight", "split_by", "split_time", "quality"):
            check_type(getattr(self, name), str, f"{where} {name}")
        for name in ("strict", "drop_gaps"):
            check_type(getattr(self, name), bool, f"{where} {name}")
        checked_objective(self.loss, f"{where} loss")
        if self.loss != SQUARED and self.task not in ("auto", "regression"):
            raise ValueError(f"{where} the loss {self.loss!r} needs a regression")
        if self.task not in TASKS:
            raise ValueError(f"{where} task must be one of {', '.join(TASKS)}, not {self.task!r}")
        if not positive_number(self.hold_out, f"{where} hold_out") <= 0.9:
            raise ValueError(f"{where} hold_out must be at most 0.9, but is {self.hold_out}")
        if self.class_weight not in ("", "balanced"):
            raise ValueError(f"{where} class_weight must be 'balanced', not {self.class_weight!r}")
        if self.split_by and self.split_time:
            raise ValueError(f"{where} split_by and split_time exclude each other; leave one out")
        for width in self.hidden or ():
            whole_number(width, f"{where} a width in hidden")
        for name in ("networks", "epochs", "batch_size", "shards"):
            value: int | None = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole_number(value, f"{where} {name}"))
        if self.quality not in QUALITIES:
            words = ", ".join(QUALITIES)
            raise ValueError(f"{where} quality must be one of {words}, not {self.quality!r}")
        if self.time is not None:
            positive_number(self.time, f"{where} time")
        if self.lr is not None:
            object.__setattr__(self, "lr", positive_number(self.lr, f"{where} lr"))
        object.__setattr__(self, "seed", whole_number(self.seed, f"{where} seed", 0))

    @property
    def target(self) -> str:
        """The first column to predict."""
        return self.targets[0]

    @property
    def memory_only(self) -> str:
        """What needs all rows in memory, and a bag of networks that hold out folds; "" if nothing
        does.
        """
        if self.weight or self.class_weight or self.test:
            return "weights and a test file"
        if self.split_by or self.split_time:
            return "groups and times"
        if len(self.targets) > 1:
            return "several targets"
        return "quality and time" if self.quality != "good" or self.time is not None else ""

    def recipe_for(self, n_rows: int, n_columns: int, *, is_classes: bool) -> Recipe:
        """Return the recipe for a table in memory, with the user's settings."""
        quality = self.quality if self.time is None else "best"
        return self.applied_to(default_recipe(n_rows, n_columns, quality, is_classes=is_classes))

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the user's settings."""
        return replace(
            recipe if self.hidden is None else recipe.with_hidden(self.hidden),
            n_networks=self.networks or recipe.n_networks,
            has_log=recipe.has_log and self.networks is None,
            has_linear=recipe.has_linear and self.networks is None,
            has_variants=recipe.has_variants and self.networks is None,
            n_fine_bins=recipe.n_fine_bins if self.networks is None else 0,
            seconds=math.inf if self.time is None else self.time,
            epochs=self.epochs or recipe.epochs,
            batch_size=self.batch_size or recipe.batch_size,
            lr=self.lr or recipe.lr,
            shards=self.shards or recipe.shards,
        )


def check_size(recipe: Recipe, kinds: Mapping[str, str]) -> None:
    """Raise TableError, before training, when the networks have more arrays than a file can hold.

    kinds: the kind of each column; a column of categories adds one embedding to each network.
    """
    n_arrays = 2 * (len(recipe.hidden) + 1) + sum(kind == "category" for kind in kinds.values())
    most = MAX_ARRAYS // (n_arrays * len(members_of(recipe)))
    if recipe.n_networks > most:
        problem = f"{recipe.n_networks} networks of {n_arrays:,} arrays do not fit into one file"
        if not most:
            raise TableError(f"{problem}, which holds {MAX_ARRAYS:,}: there are too many columns")
        raise TableError(problem, Remedy(Option.NETWORKS, str(most)))
