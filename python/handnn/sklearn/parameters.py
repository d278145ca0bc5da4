"""Parameters: what an estimator was asked for, checked, and settled for a number of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from handnn.arrays import float_dtype, fraction, non_negative_number, positive_number, whole_number
from handnn.layers import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from handnn.schedules import Schedule
from handnn.sklearn.weights import check_class_weight
from handnn.tables import recipe as recipes

ACTIVATIONS: dict[str, Any] = {
    "identity": None,
    "logistic": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
}
"""What may stand behind a hidden layer; the first four are scikit-learn's."""

SOLVERS = ("adam", "sgd", "lbfgs")
RATES = ("auto", "constant", "invscaling", "adaptive")
SCHEDULES = ("constant", "cosine", "one_cycle", "plateau")
CATEGORIES = ("embedding", "one-hot")

FLAGS = (
    "shuffle",
    "warm_start",
    "nesterovs_momentum",
    "early_stopping",
    "restore_best",
    "batch_norm",
)

LR = 0.001
"""scikit-learn's learning_rate_init."""

ALPHA = 0.0001
"""Its alpha."""

BATCH = 200
"""Rows of a batch of scikit-learn's "auto", as far as there are so many."""

EPOCHS = 200
"""scikit-learn's max_iter."""

AS_SCIKIT_LEARN: dict[str, Any] = {
    "hidden_layer_sizes": (100,),
    "alpha": ALPHA,
    "batch_size": BATCH,
    "learning_rate": "constant",
    "learning_rate_init": LR,
    "max_iter": EPOCHS,
    "scale": False,
}
"""With these, ``MLPRegressor(**AS_SCIKIT_LEARN)`` is trained as scikit-learn's own defaults are."""


@dataclass(frozen=True)
class Settled:
    """What the parameters mean for the rows of one fit."""

    hidden: tuple[int, ...]
    activations: tuple[str, ...]
    dropouts: tuple[float, ...]
    batch_size: int
    epochs: int
    lr: float
    alpha: float
    weight_decay: float
    dtype: str
    schedule: str | Schedule
    """A name of `SCHEDULES`, "invscaling", "adaptive", or an object."""
    early_stopping: bool
    """L-BFGS does without, as in scikit-learn."""
    stops: bool
    """Whether training ends early, after `n_iter_no_change` epochs without progress."""


def check(estimator: Any) -> None:
    """Raise TypeError or ValueError for a parameter that is none, before anything is done."""
    p, name = estimator, type(estimator).__name__
    hidden_layers(p)
    _one_of(name, "solver", p.solver, SOLVERS)
    _one_of(name, "learning_rate", p.learning_rate, RATES)
    _one_of(name, "categories", p.categories, CATEGORIES)
    for number in ("alpha", "weight_decay"):
        if not _is_auto(getattr(p, number)):
            non_negative_number(getattr(p, number), f"{name}: {number}")
    if not _is_auto(p.alpha) and not _is_auto(p.weight_decay) and p.alpha and p.weight_decay:
        raise ValueError(
            f"{name}: alpha and weight_decay are two ways to hold weights back; one must be 0"
        )
    if not _is_auto(p.learning_rate_init):
        positive_number(p.learning_rate_init, f"{name}: learning_rate_init")
    if not _is_auto(p.batch_size):
        whole_number(p.batch_size, f"{name}: batch_size")
    if not _is_auto(p.max_iter):
        whole_number(p.max_iter, f"{name}: max_iter")
    whole_number(p.max_fun, f"{name}: max_fun")
    whole_number(p.n_ensemble, f"{name}: n_ensemble")
    if p.n_iter_no_change != math.inf:
        whole_number(p.n_iter_no_change, f"{name}: n_iter_no_change")
    for number in ("tol", "power_t", "momentum"):
        non_negative_number(getattr(p, number), f"{name}: {number}")
    fraction(p.momentum, f"{name}: momentum")
    for number in ("beta_1", "beta_2", "validation_fraction"):
        fraction(getattr(p, number), f"{name}: {number}", is_below_one=True)
    positive_number(p.epsilon, f"{name}: epsilon")
    if not (
        isinstance(p.scale, bool | np.bool_)
        or (isinstance(p.scale, str) and p.scale in ("auto", "quantile"))
    ):
        raise ValueError(
            f"{name}: scale must be True, False, 'quantile' or 'auto', not {p.scale!r}"
        )
    for flag in FLAGS:
        if not isinstance(getattr(p, flag), bool | np.bool_):
            raise TypeError(f"{name}: {flag} must be a bool, but is {getattr(p, flag)!r}")
    if not isinstance(p.verbose, Integral | bool | np.bool_):
        raise TypeError(f"{name}: verbose must be a bool or an int, but is {p.verbose!r}")
    _check_random_state(name, p.random_state)
    if p.dtype is None:  # which NumPy takes for float64
        raise TypeError(f"{name}: dtype must be float32, float64 or 'auto', but is None")
    if not _is_auto(p.dtype):
        float_dtype(p.dtype, f"{name}: dtype")
    if not (p.schedule is None or isinstance(p.schedule, Schedule)):
        _one_of(name, "schedule", p.schedule, SCHEDULES)
    if p.n_jobs is not None and (not isinstance(p.n_jobs, Integral) or p.n_jobs == 0):
        raise ValueError(f"{name}: n_jobs must be None or an int other than 0, not {p.n_jobs!r}")
    check_class_weight(getattr(p, "class_weight", None), name)
    if p.solver == "lbfgs" and (any(hidden_layers(p)[2]) or p.batch_norm):
        raise ValueError(f"{name}: solver='lbfgs' needs dropout=0 and batch_norm=False")


def _check_random_state(name: str, value: Any) -> None:
    is_int = isinstance(value, Integral) and 0 <= int(value) < 2**32
    if not (
        value is None or value is np.random or is_int or isinstance(value, np.random.RandomState)
    ):
        raise ValueError(
            f"{name}: random_state must be None, an int from 0 to 2**32 - 1, or a "
            f"numpy.random.RandomState, not {value!r}"
        )


def hidden_layers(p: Any) -> tuple[tuple[int, ...], tuple[str, ...], tuple[float, ...]]:
    """Return units, activations and dropouts of the hidden layers, checked."""
    name, sizes = type(p).__name__, p.hidden_layer_sizes
    sizes = list(sizes) if hasattr(sizes, "__iter__") and not isinstance(sizes, str) else [sizes]
    if any(isinstance(size, Integral) and size <= 0 for size in sizes):
        raise ValueError(f"{name}: hidden_layer_sizes must be > 0, but is {sizes}")
    hidden = tuple(whole_number(size, f"{name}: hidden_layer_sizes") for size in sizes)
    if isinstance(p.activation, str):  # also where there is no layer to have it
        _one_of(name, "activation", p.activation, tuple(ACTIVATIONS))
    activations = _each(name, "activation", p.activation, str, len(hidden))
    for activation in activations:
        _one_of(name, "activation", activation, tuple(ACTIVATIONS))
    given = 0.0 if _is_auto(p.dropout) else p.dropout
    dropouts = _each(name, "dropout", given, Real, len(hidden))
    for share in dropouts:
        fraction(share, f"{name}: dropout", is_below_one=True)
    return hidden, activations, dropouts


def settle(p: Any, rows: int, *, is_incremental: bool = False) -> Settled:
    """Return what the parameters of the estimator p mean for so many rows, or `partial_fit`."""
    recipe = recipes.recipe(rows)
    hidden, activations, dropouts = hidden_layers(p)
    is_whole = p.solver == "lbfgs"
    batch_size = rows if is_whole else recipe.batch_size
    if not _is_auto(p.batch_size) and not is_whole:
        batch_size = min(int(p.batch_size), rows)
    while p.batch_norm and rows % batch_size == 1 and batch_size < rows:
        batch_size += 1  # a batch of one row has no deviation
    schedule: str | Schedule = "constant"
    if p.schedule is not None:
        schedule = p.schedule
    elif p.solver == "sgd" and not _is_auto(p.learning_rate):
        schedule = p.learning_rate
    elif p.solver == "adam" and _is_auto(p.learning_rate) and not p.early_stopping:
        schedule = "constant" if is_incremental else "one_cycle"
    has_end = schedule in ("one_cycle", "cosine")
    lr, epochs = LR, EPOCHS if is_whole else recipe.epochs
    if not _is_auto(p.learning_rate_init):
        lr = float(p.learning_rate_init)
    elif schedule == "one_cycle":
        lr = recipes.PEAK_LR
    alpha, weight_decay = 0.0, 0.0
    if not _is_auto(p.alpha):
        alpha = float(p.alpha)
    elif p.solver != "adam" and _is_auto(p.weight_decay):
        alpha = ALPHA
    if not _is_auto(p.weight_decay):
        weight_decay = float(p.weight_decay)
    elif p.solver == "adam" and _is_auto(p.alpha):
        weight_decay = recipes.WEIGHT_DECAY
    dtype = ("float64" if is_whole else recipe.dtype) if _is_auto(p.dtype) else p.dtype
    is_ours = p.solver == "adam" and _is_auto(p.alpha)
    if _is_auto(p.dropout) and is_ours:
        dropouts = (recipes.dropout(rows),) * len(hidden)
    return Settled(
        hidden=hidden,
        activations=activations,
        dropouts=dropouts,
        batch_size=batch_size,
        epochs=epochs if _is_auto(p.max_iter) else int(p.max_iter),
        lr=lr,
        alpha=alpha,
        weight_decay=weight_decay,
        dtype=str(float_dtype(dtype, "dtype")),
        schedule=schedule,
        early_stopping=bool(p.early_stopping) and not is_whole,
        stops=not is_whole and (bool(p.early_stopping) or not has_end),
    )


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _one_of(name: str, parameter: str, value: object, words: Iterable[str]) -> None:
    words = tuple(words)
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{name}: {parameter} must be one of {', '.join(words)}, not {value!r}")


def _each(name: str, parameter: str, value: Any, kind: type, count: int) -> tuple[Any, ...]:
    """Return one value for each of `count` layers."""
    if isinstance(value, kind) and not isinstance(value, bool):
        return (value,) * count
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name}: {parameter} must be one for all layers or a list, not {value!r}")
    values = tuple(value)
    if len(values) != count:
        raise ValueError(f"{name}: {parameter} has {len(values)} entries for {count} hidden layers")
    if not all(isinstance(one, kind) for one in values):
        raise TypeError(f"{name}: {parameter} has an entry of another kind: {values!r}")
    return values
