"""The recipe of one fit: the shared `Recipe` with an estimator's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.base import is_classifier

from handnn.arrays import float_dtype
from handnn.schedules import Schedule
from handnn.sklearn.parameters import (
    ACTIVATIONS,
    ALPHA,
    LR,
    MAX_ITER,
    Parameters,
    hidden_layers,
    holds_out_once,
    is_auto,
)
from handnn.tables.recipe import ColumnScale, Recipe, default_recipe, default_scale, single_recipe


@dataclass(frozen=True, kw_only=True)
class EstimatorRecipe(Recipe):
    """A Recipe with the settings of scikit-learn's solvers.

    Attributes:
        schedule: also "invscaling" and "adaptive".
        alpha: the factor of scikit-learn's L2 term.
        early_stopping: whether rows are held out to stop on; never with L-BFGS.
        stops: whether training ends after `n_iter_no_change` epochs without progress.
    """

    alpha: float
    early_stopping: bool
    stops: bool


def settle(
    p: Parameters,
    n_rows: int,
    n_columns: int,
    *,
    is_incremental: bool = False,
    is_bag: bool = False,
    n_built: int = 0,
    has_float32: bool = False,
) -> EstimatorRecipe:
    """Return the recipe of the parameters for a table, or for one `partial_fit`.

    is_bag: whether to start from the shared default recipe, else from that of a single network.
    n_built: the number of networks that an earlier fit has trained, 0 for none.
    has_float32: whether the rows are float32; dtype "auto" then is, except with L-BFGS.

    If more rows will follow, scale "auto" does not use quantiles, which would clip values outside
    the range of the first rows.
    """
    default = _default(p, n_rows, n_columns, is_bag)
    hidden, activations, dropouts = hidden_layers(p)
    is_lbfgs = p.solver == "lbfgs"
    schedule = _schedule(p, is_incremental, default)
    has_end = schedule in ("one_cycle", "cycles", "cosine")
    lr = default.lr if schedule in ("one_cycle", "cycles") else LR
    epochs = MAX_ITER if is_lbfgs else default.epochs
    alpha, weight_decay = _penalties(p, default)
    if is_auto(p.dropout) and p.solver == "adam" and is_auto(p.alpha):
        dropouts = (default.dropouts[0],) * len(hidden)
    scale: ColumnScale = "quantile" if p.scale == "quantile" else bool(p.scale)
    if p.scale == "auto":
        scale = is_incremental or default_scale(n_columns)
    dtype = "float64" if is_lbfgs else "float32" if has_float32 else default.dtype
    return EstimatorRecipe(
        n_networks=(n_built or default.n_networks) if is_auto(p.n_ensemble) else int(p.n_ensemble),
        hidden=hidden,
        activations=tuple(ACTIVATIONS[name] for name in activations),
        dropouts=dropouts,
        batch_norm=bool(p.batch_norm),
        init="he" if is_bag else "glorot_uniform",
        scale=scale,
        dtype=str(float_dtype(dtype if is_auto(p.dtype) else p.dtype, "dtype")),
        batch_size=_batch_size(p, n_rows, default),
        epochs=epochs if is_auto(p.max_iter) else int(p.max_iter),
        lr_factor=default.lr_factor,
        lr=lr if is_auto(p.learning_rate_init) else float(p.learning_rate_init),
        alpha=alpha,
        weight_decay=weight_decay,
        schedule=schedule,
        n_folds=default.n_folds,
        patience=default.patience,
        ends_together=default.ends_together,
        n_bins=default.n_bins if scale == "quantile" else 0,
        n_fine_bins=default.n_fine_bins if scale == "quantile" and is_auto(p.n_ensemble) else 0,
        has_log=default.has_log and is_auto(p.n_ensemble) and p.loss == "squared_error",
        has_linear=default.has_linear and is_auto(p.n_ensemble),
        has_variants=default.has_variants and is_auto(p.n_ensemble),
        early_stopping=holds_out_once(p),
        stops=not is_lbfgs and (holds_out_once(p) or not has_end),
    )


def _default(p: Parameters, n_rows: int, n_columns: int, is_bag: bool) -> Recipe:
    """Return the shared default recipe: of a bag, or of a single network."""
    if is_bag:
        return default_recipe(n_rows, n_columns, p.quality, is_classes=is_classifier(p))
    return single_recipe(n_rows, n_columns)


def _schedule(p: Parameters, is_incremental: bool, default: Recipe) -> str | Schedule:
    """Return the schedule of the learning rate; with Adam by default that of the recipe."""
    if p.schedule is not None:
        return p.schedule
    if p.solver == "sgd" and not is_auto(p.learning_rate):
        return p.learning_rate
    if p.solver == "adam" and is_auto(p.learning_rate) and not holds_out_once(p):
        return "constant" if is_incremental else default.schedule
    return "constant"


def _penalties(p: Parameters, default: Recipe) -> tuple[float, float]:
    """Return alpha and weight_decay; the default is weight decay with Adam, else alpha."""
    alpha = weight_decay = 0.0
    if not is_auto(p.alpha):
        alpha = float(p.alpha)
    elif p.solver != "adam" and is_auto(p.weight_decay):
        alpha = ALPHA
    if not is_auto(p.weight_decay):
        weight_decay = float(p.weight_decay)
    elif p.solver == "adam" and is_auto(p.alpha):
        weight_decay = default.weight_decay
    return alpha, weight_decay


def _batch_size(p: Parameters, n_rows: int, default: Recipe) -> int:
    """Return the batch size, such that BatchNorm never has a last batch of one row."""
    if p.solver == "lbfgs":
        return n_rows
    n_train = default.n_train(n_rows)
    size = default.batch_size if is_auto(p.batch_size) else min(int(p.batch_size), n_train)
    possible = {n_train, n_train - 1} if default.n_folds else {n_train}  # fold sizes vary by 1
    while p.batch_norm and any(count % size == 1 for count in possible) and size < n_train:
        size += 1
    return size
