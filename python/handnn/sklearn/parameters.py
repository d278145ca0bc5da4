"""The parameters of the estimators: their types, names and validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import float_dtype, fraction, non_negative_number, positive_number, whole_number
from handnn.layers import ACTIVATIONS as LAYER_ACTIVATIONS
from handnn.losses import Loss
from handnn.schedules import Schedule
from handnn.sklearn.sample_weights import ClassWeight, check_class_weight
from handnn.tables.recipe import QUALITIES

Auto: TypeAlias = Literal["auto"]
RandomState: TypeAlias = int | np.random.RandomState | None

ACTIVATIONS: dict[str, str] = {
    "identity": "identity",
    "logistic": "sigmoid",
    **{name: name for name in LAYER_ACTIVATIONS if name != "sigmoid"},
}
"""handnn's names of the activations of hidden layers, by scikit-learn's names."""

SOLVERS = ("adam", "sgd", "lbfgs")
RATES = ("auto", "constant", "invscaling", "adaptive")
SCHEDULES = ("constant", "cosine", "one_cycle", "cycles", "plateau")
ENCODINGS = ("embedding", "one-hot")

FLAGS = (
    "shuffle",
    "warm_start",
    "nesterovs_momentum",
    "restore_best",
    "batch_norm",
)

LR = 0.001
"""scikit-learn's learning_rate_init."""

ALPHA = 0.0001
"""scikit-learn's alpha."""

BATCH_SIZE = 200
"""scikit-learn's batch_size "auto", for tables of at least this number of rows."""

MAX_ITER = 200
"""scikit-learn's max_iter."""

AS_SCIKIT_LEARN: dict[str, object] = {
    "hidden_layer_sizes": (100,),
    "alpha": ALPHA,
    "batch_size": BATCH_SIZE,
    "learning_rate": "constant",
    "learning_rate_init": LR,
    "max_iter": MAX_ITER,
    "early_stopping": False,
    "scale": False,
}
"""Parameters that train an estimator as scikit-learn's defaults do.

``MLPRegressor(**AS_SCIKIT_LEARN)`` takes the steps of ``sklearn.neural_network.MLPRegressor()``.
"""


class Parameters(Protocol):
    """The parameters that both estimators have; `check` validates them."""

    loss: str | Loss
    hidden_layer_sizes: int | Sequence[int]
    activation: str | Sequence[str]
    solver: str
    alpha: float | Auto
    batch_size: int | Auto
    learning_rate: str
    learning_rate_init: float | Auto
    power_t: float
    max_iter: int | Auto
    shuffle: bool
    random_state: RandomState
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool | Auto
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    scale: bool | str
    weight_decay: float | Auto
    dropout: float | Sequence[float] | Auto
    batch_norm: bool
    schedule: str | Schedule | None
    restore_best: bool
    n_ensemble: int | Auto
    n_jobs: int | None
    categories: str
    dtype: DTypeLike
    quality: str


def check(p: Parameters) -> None:
    """Raise TypeError or ValueError for the first invalid parameter of an estimator."""
    name = type(p).__name__
    _, _, dropouts = hidden_layers(p)
    _check_words(p, name)
    _check_numbers(p, name)
    _check_random_state(name, p.random_state)
    for flag in FLAGS:
        if not isinstance(getattr(p, flag), bool | np.bool_):
            raise TypeError(f"{name}: {flag} must be a bool, but is {getattr(p, flag)!r}")
    if not (is_auto(p.early_stopping) or isinstance(p.early_stopping, bool | np.bool_)):
        raise TypeError(
            f"{name}: early_stopping must be a bool or 'auto', but is {p.early_stopping!r}"
        )
    if not isinstance(p.verbose, Integral | bool | np.bool_):
        raise TypeError(f"{name}: verbose must be a bool or an int, but is {p.verbose!r}")
    if p.dtype is None:  # NumPy would read it as float64
        raise TypeError(f"{name}: dtype must be float32, float64 or 'auto', but is None")
    if not is_auto(p.dtype):
        float_dtype(p.dtype, f"{name}: dtype")
    n_jobs: object = p.n_jobs
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise ValueError(f"{name}: n_jobs must be None or an int other than 0, not {n_jobs!r}")
    class_weight: ClassWeight = getattr(p, "class_weight", None)
    check_class_weight(class_weight, name)
    if p.solver == "lbfgs" and (any(dropouts) or p.batch_norm):
        raise ValueError(f"{name}: solver='lbfgs' needs dropout=0 and batch_norm=False")


def _check_words(p: Parameters, name: str) -> None:
    """Check the parameters that are one of several strings."""
    _one_of(name, "solver", p.solver, SOLVERS)
    _one_of(name, "learning_rate", p.learning_rate, RATES)
    _one_of(name, "categories", p.categories, ENCODINGS)
    _one_of(name, "quality", p.quality, QUALITIES)
    if not (p.schedule is None or isinstance(p.schedule, Schedule)):
        _one_of(name, "schedule", p.schedule, SCHEDULES)
    scale: object = p.scale
    is_word = isinstance(scale, str) and scale in ("auto", "quantile")
    if not (is_word or isinstance(scale, bool | np.bool_)):
        raise ValueError(f"{name}: scale must be True, False, 'quantile' or 'auto', not {scale!r}")


def _check_numbers(p: Parameters, name: str) -> None:
    """Check the parameters that are numbers, some of which may also be "auto"."""
    for parameter in ("alpha", "weight_decay"):
        if not is_auto(getattr(p, parameter)):
            non_negative_number(getattr(p, parameter), f"{name}: {parameter}")
    if not is_auto(p.learning_rate_init):
        positive_number(p.learning_rate_init, f"{name}: learning_rate_init")
    for parameter in ("batch_size", "max_iter", "n_ensemble"):
        if not is_auto(getattr(p, parameter)):
            whole_number(getattr(p, parameter), f"{name}: {parameter}")
    if not is_auto(p.alpha) and not is_auto(p.weight_decay) and p.alpha and p.weight_decay:
        raise ValueError(
            f"{name}: alpha and weight_decay both shrink the weights; one of them must be 0"
        )
    whole_number(p.max_fun, f"{name}: max_fun")
    n_wait: Any = p.n_iter_no_change
    if n_wait != math.inf:
        whole_number(n_wait, f"{name}: n_iter_no_change")
    for parameter in ("tol", "power_t", "momentum"):
        non_negative_number(getattr(p, parameter), f"{name}: {parameter}")
    fraction(p.momentum, f"{name}: momentum")
    for parameter in ("beta_1", "beta_2", "validation_fraction"):
        fraction(getattr(p, parameter), f"{name}: {parameter}", is_below_one=True)
    positive_number(p.epsilon, f"{name}: epsilon")


def _check_random_state(name: str, value: object) -> None:
    is_int = isinstance(value, Integral) and 0 <= int(value) < 2**32
    if not (
        value is None or value is np.random or is_int or isinstance(value, np.random.RandomState)
    ):
        raise ValueError(
            f"{name}: random_state must be None, an int from 0 to 2**32 - 1, or a "
            f"numpy.random.RandomState, not {value!r}"
        )


def hidden_layers(p: Parameters) -> tuple[tuple[int, ...], tuple[str, ...], tuple[float, ...]]:
    """Return units, activations and dropouts of the hidden layers, validated."""
    name = type(p).__name__
    given: object = p.hidden_layer_sizes
    sizes: list[Any] = (
        list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    )
    if any(isinstance(size, Integral) and size <= 0 for size in sizes):
        raise ValueError(f"{name}: hidden_layer_sizes must be > 0, but is {sizes}")
    hidden = tuple(whole_number(size, f"{name}: hidden_layer_sizes") for size in sizes)
    if isinstance(p.activation, str):  # also without hidden layers
        _one_of(name, "activation", p.activation, ACTIVATIONS)
    activations = _one_per_layer(name, "activation", p.activation, str, len(hidden))
    for activation in activations:
        _one_of(name, "activation", activation, ACTIVATIONS)
    given_dropout: object = 0.0 if is_auto(p.dropout) else p.dropout
    dropouts = _one_per_layer(name, "dropout", given_dropout, Real, len(hidden))
    shares = tuple(fraction(s, f"{name}: dropout", is_below_one=True) for s in dropouts)
    return hidden, tuple(map(str, activations)), shares


def holds_out_once(p: Parameters) -> bool:
    """Return whether one set of rows is held out for all networks, as scikit-learn does."""
    return not is_auto(p.early_stopping) and bool(p.early_stopping) and p.solver != "lbfgs"


def bags(p: Parameters) -> bool:
    """Return whether `fit` trains a bag, where each network holds out a different fold."""
    return is_auto(p.early_stopping) and p.solver == "adam" and not p.warm_start


def is_auto(value: object) -> bool:
    """Return whether a parameter is "auto"."""
    return isinstance(value, str) and value == "auto"


def _one_of(name: str, parameter: str, value: object, words: Iterable[str]) -> None:
    words = tuple(words)
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{name}: {parameter} must be one of {', '.join(words)}, not {value!r}")


def _one_per_layer(
    name: str, parameter: str, value: object, kind: type, n_layers: int
) -> tuple[object, ...]:
    """Return one value for each of `n_layers` layers."""
    if isinstance(value, kind) and not isinstance(value, bool):
        return (value,) * n_layers
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name}: {parameter} must be one value or a list of them, not {value!r}")
    values = tuple(value)
    if len(values) != n_layers:
        raise ValueError(
            f"{name}: {parameter} has {len(values)} entries for {n_layers} hidden layers"
        )
    if not all(isinstance(one, kind) for one in values):
        raise TypeError(f"{name}: {parameter} has an entry of another type: {values!r}")
    return values
