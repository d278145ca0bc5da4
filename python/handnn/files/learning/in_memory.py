"""Training on a table in memory: rows held out, columns learnt, networks trained and averaged."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from handnn.files.learning.result import Rows, Split, Trained
from handnn.files.learning.settings import Say, Settings
from handnn.files.reading.text import TableError
from handnn.layers import Affine, Brick, Dropout
from handnn.network import Network, mlp
from handnn.optimizers import AdamW
from handnn.schedules import OneCycle
from handnn.tables import Columns, TableModel, Target
from handnn.tables import recipe as recipes
from handnn.training.early_stopping import EarlyStopping
from handnn.training.many import train_many
from handnn.training.trainer import Trainer

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
        held.append(rows[: min(round(share * len(rows)), len(rows) - 1)])  # one is to learn from
    test = np.sort(np.concatenate(held))
    if len(test) == 0:
        test = order[:1]
    is_train = np.ones(count, bool)
    is_train[test] = False
    train = np.flatnonzero(is_train)
    return Split(x[train], y[train], x[test], y[test], places[test])


def learn(split: Split, kinds: dict[str, str], settings: Settings) -> tuple[Columns, Target]:
    """Return what is learnt of columns and target, from the training rows alone."""
    columns = Columns.learn(split.x_train, kinds=kinds, scale=recipes.scale(len(kinds)))
    return columns, Target.learn(split.y_train, settings.task)


def new_network(
    columns: Columns,
    target: Target,
    hidden: Iterable[int],
    rows: int,
    rng: np.random.Generator,
    dtype: str,
) -> Network:
    """Return a network that takes what `columns` gives, and gives what `target` takes.

    rows: how many it is trained on, which decides whether there is Dropout.
    """
    layers: list[Brick] = columns.first_layers(rng, dtype)
    sizes = [columns.n_after, *hidden, target.n_out]
    share = recipes.dropout(rows)
    for layer in mlp(sizes, activation=recipes.ACTIVATION, rng=rng, dtype=dtype).layers:
        layers.append(layer)
        if share and not isinstance(layer, Affine):
            layers.append(Dropout(share, rng))
    return Network(layers)


def train(
    split: Split,
    kinds: dict[str, str],
    settings: Settings,
    rng: np.random.Generator,
    *,
    progress: bool = False,
    say: Say = lambda words: None,
) -> Trained:
    """Train the networks, several at a time, and return their model.

    Of many rows, each network holds out some of its own, and returns to its best epoch on them;
    together they learn from every row.
    """
    start = perf_counter()
    columns, target = learn(split, kinds, settings)
    n_train = len(split.y_train)
    dtype = recipes.recipe(n_train).dtype
    x = columns.transform(split.x_train, dtype)
    y = target.encode(split.y_train)
    order = rng.permutation(n_train)
    held = int(n_train * OWN_SHARE) if n_train >= ENOUGH else 0
    recipe = recipes.recipe(n_train - held)
    batch_size, epochs = settings.batch_size or recipe.batch_size, settings.epochs or recipe.epochs
    steps = epochs * -(-(n_train - held) // batch_size)
    trainers, rows, each = [], [], []
    for number in range(settings.networks or NETWORKS):
        first = number * held % max(1, n_train - held)
        rows.append(np.r_[order[:first], order[first + held :]])
        network = new_network(columns, target, settings.hidden, n_train - held, rng, dtype)
        loss = target.loss()
        seed = int(rng.integers(2**63))
        trainers.append(Trainer(network, loss, new_optimizer(steps, settings), rng=seed))
        each.append({"early_stopping": EarlyStopping(patience=PATIENCE)} if held else {})
    watched: dict[str, Any] = {"validation": "rest", "each": each} if held else {}
    histories = train_many(
        trainers, x, y, rows=rows, epochs=epochs, batch_size=batch_size, progress=progress,
        **watched,
    )  # fmt: skip
    for number, history in enumerate(histories, 1):
        say(f"network {number} of {len(histories)}: {history}")
    model = TableModel([trainer.network for trainer in trainers], columns, target)
    return Trained(model, histories, n_train, split, perf_counter() - start)


def new_optimizer(steps: int, settings: Settings) -> AdamW:
    """Return the optimizer of the recipe for a training of so many steps."""
    return AdamW(settings.lr, weight_decay=recipes.WEIGHT_DECAY, schedule=OneCycle(steps))
