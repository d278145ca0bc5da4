"""Training on a table in memory: rows held out, columns learnt, networks trained and averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from handnn import recipes
from handnn.arrays import Array
from handnn.early_stopping import EarlyStopping
from handnn.files.text import TableError
from handnn.history import History
from handnn.losses import Loss
from handnn.network import Network, mlp
from handnn.optimizers import AdamW
from handnn.schedules import OneCycle
from handnn.tables import Columns, TableModel, Target
from handnn.trainer import Trainer

if TYPE_CHECKING:
    from polars import DataFrame, Series

FEWEST_ROWS = 10
NETWORKS = 5
PATIENCE = 20
"""Epochs without a better loss on a network's own held-out rows, after which it stops."""

ENOUGH = 1_000
"""From so many training rows on, networks hold rows out, to return to their best epoch on them."""

OWN_SHARE = 0.1
"""Which share of the training rows each network holds out."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """What may be chosen of a training; None is decided by the number of rows (`recipes`).

    networks: how many are trained and averaged, each from first weights of its own; None is 5, or 1
        for a file that is streamed.
    share: of the rows that are held out to score the model, and never trained on.
    """

    target: str
    task: str = "auto"
    hidden: tuple[int, ...] = recipes.HIDDEN
    networks: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float = recipes.PEAK_LR
    share: float = 0.2
    seed: int = 0
    ignore: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    drop_gaps: bool = False


@dataclass
class Split:
    """Rows to train on, and rows to score with; for each the place in the file."""

    x_train: DataFrame
    y_train: Series
    x_test: DataFrame
    y_test: Series
    test_places: Rows


@dataclass
class Trained:
    """A model, and how it came to be."""

    model: TableModel
    histories: list[History]
    n_train: int
    split: Split
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def split_rows(
    x: DataFrame, y: Series, places: Rows, share: float, rng: np.random.Generator
) -> Split:
    """Hold a share of the rows out, at random; of text or few numbers, that share of each kind.

    Raises TableError when there are too few rows.
    """
    count = len(y)
    if count < FEWEST_ROWS:
        raise TableError(f"there are only {count} rows to learn from; {FEWEST_ROWS} is the least")
    order = rng.permutation(count)
    codes = np.zeros(count, np.int64)
    if str(y.dtype) != "Float64":
        kinds = y.rank("dense").to_numpy().astype(np.int64)
        codes = kinds if 2 * kinds.max() <= count else codes
    held = []
    for code in np.unique(codes):
        rows = order[codes[order] == code]
        held.append(rows[: round(share * len(rows))])
    test = np.sort(np.concatenate(held))
    if len(test) == 0:
        test = order[:1]
    is_train = np.ones(count, bool)
    is_train[test] = False
    train = np.flatnonzero(is_train)
    return Split(x[train], y[train], x[test], y[test], places[test])


def learn(split: Split, kinds: dict[str, str], settings: Settings) -> tuple[Columns, Target]:
    """Return what is learnt of columns and target, from the training rows alone."""
    columns = Columns.learn(split.x_train, kinds=kinds)
    return columns, Target.learn(split.y_train, settings.task)


def new_network(
    columns: Columns, target: Target, hidden: Iterable[int], rng: np.random.Generator, dtype: str
) -> Network:
    """Return a network that takes what `columns` gives, and gives what `target` takes."""
    first = columns.first_layers(rng, dtype)
    sizes = [columns.n_after, *hidden, target.n_out]
    rest = mlp(sizes, activation=recipes.ACTIVATION, rng=rng, dtype=dtype)
    return Network([*first, *rest.layers])


def train(
    split: Split,
    kinds: dict[str, str],
    settings: Settings,
    rng: np.random.Generator,
    *,
    progress: bool = False,
    say: Callable[[str], object] = lambda words: None,
) -> Trained:
    """Train the networks one after the other, and return their model."""
    start = perf_counter()
    columns, target = learn(split, kinds, settings)
    n_train = len(split.y_train)
    recipe = recipes.recipe(n_train)
    x = columns.transform(split.x_train, recipe.dtype)
    y = target.encode(split.y_train)
    networks, histories = [], []
    order = rng.permutation(n_train)
    held = int(n_train * OWN_SHARE) if n_train >= ENOUGH else 0
    count = settings.networks or NETWORKS
    for number in range(count):
        # Each stops early on rows of its own, so that together they learn from every row.
        first = number * held % max(1, n_train - held)
        own, rest = order[first : first + held], np.r_[order[:first], order[first + held :]]
        network = new_network(columns, target, settings.hidden, rng, recipe.dtype)
        validation = (x[own], y[own]) if held else None
        rows = (x[rest], y[rest]) if held else (x, y)
        histories.append(fit(network, target, rows, validation, settings, rng, progress))
        networks.append(network)
        say(f"network {number + 1} of {count}: {histories[-1]}")
    model = TableModel(networks, columns, target)
    return Trained(model, histories, n_train, split, perf_counter() - start)


def fit(
    network: Network,
    target: Target,
    rows: tuple[Array, Any],
    validation: tuple[Array, Any] | None,
    settings: Settings,
    rng: np.random.Generator,
    progress: bool,
) -> History:
    """Train one network, and return its History."""
    recipe = recipes.recipe(len(rows[0]))
    batch_size = settings.batch_size or recipe.batch_size
    epochs = settings.epochs or recipe.epochs
    optimizer = new_optimizer(epochs * -(-len(rows[0]) // batch_size), settings)
    trainer = Trainer(network, cast(Loss, target.loss()), optimizer, rng=rng, progress=progress)
    stopping = EarlyStopping(patience=PATIENCE) if validation is not None else None
    return trainer.fit(
        *rows,
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        early_stopping=stopping,
    )


def new_optimizer(steps: int, settings: Settings) -> AdamW:
    """Return the optimizer of the recipe for a training of so many steps."""
    return AdamW(settings.lr, weight_decay=recipes.WEIGHT_DECAY, schedule=OneCycle(steps))
