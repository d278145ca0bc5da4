"""Building: the network, the loss and the optimizer that an estimator's parameters ask for."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from handnn import schedules
from handnn.arrays import Array
from handnn.layers import Affine, BatchNorm, Brick, Dropout
from handnn.losses import (
    MAE,
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)
from handnn.network import Network
from handnn.optimizers import LBFGS, SGD, Adam, AdamW, Optimizer
from handnn.schedules import Schedule
from handnn.sklearn.inputs import Inputs
from handnn.sklearn.parameters import ACTIVATIONS, Settled

REGRESSION_LOSSES: dict[str, Any] = {
    "squared_error": MSELoss,
    "absolute_error": MAE,
    "huber": Huber,
    "poisson": PoissonNLL,
    "quantile": Quantile,
    "gaussian": GaussianNLL,
}

CLASS_LOSSES: dict[str, Any] = {"log_loss": None}
"""BCEWithLogits for two classes and for questions, else SoftmaxCrossEntropy."""


class InverseScaling(Schedule):
    """scikit-learn's "invscaling": ``1 / (rows seen)**power``, anew after each epoch.

    In the first epoch the factor is 1, then 1 / (rows·epochs + 1)**power.
    """

    def __init__(self, steps: int, rows: int, power: float) -> None:
        self.steps = steps
        self.rows = rows
        self.power = power

    def at(self, steps: schedules.Steps) -> schedules.Factors:
        seen = (steps // self.steps) * self.rows
        return np.asarray(1 / np.power(seen + 1.0, self.power))


def build_loss(name: str, loss: Any, known: dict[str, Any]) -> Any:
    """Return a new loss for a name in `known`, or a copy of the object given; None for "log_loss".

    Raises ValueError for another name, TypeError for what is no loss.
    """
    if isinstance(loss, str):
        if loss not in known:
            raise ValueError(f"{name}: loss must be one of {', '.join(known)}, not {loss!r}")
        return None if known[loss] is None else known[loss]()
    if isinstance(loss, type) or not (hasattr(loss, "forward") and hasattr(loss, "backward")):
        raise TypeError(f"{name}: loss must be a name or have forward and backward, not {loss!r}")
    return copy.deepcopy(loss)


def build_network(
    settled: Settled, batch_norm: bool, inputs: Inputs, n_out: int, rng: np.random.Generator
) -> Network:
    """Return the network, with first weights drawn as scikit-learn draws them.

    Uniform on ±sqrt(6 / (n_in + n_out)), biases too, with 2 instead of 6 for "logistic" (Glorot and
    Bengio 2010).
    """
    dtype = settled.dtype
    layers: list[Brick] = inputs.first_layers(rng, dtype)
    width = inputs.n_after
    activation = settled.activations[-1] if settled.activations else "identity"
    for units, activation, dropout in zip(
        settled.hidden, settled.activations, settled.dropouts, strict=True
    ):
        layers.append(_affine(width, units, activation, rng, dtype))
        if batch_norm:
            layers.append(BatchNorm.new(units, dtype=dtype))
        if ACTIVATIONS[activation] is not None:
            layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(Dropout(float(dropout), rng))
        width = units
    layers.append(_affine(width, n_out, activation, rng, dtype))
    return Network(layers)


def plan(p: Any, settled: Settled) -> dict[str, Any]:
    """Return which of the estimator's parameters a training that goes on cannot change."""
    return {
        "hidden_layer_sizes": settled.hidden,
        "activation": settled.activations,
        "batch_norm": bool(p.batch_norm),
        "n_ensemble": int(p.n_ensemble),
        "loss": p.loss if isinstance(p.loss, str) else type(p.loss).__name__,
    }


def check_plan(p: Any, settled: Settled) -> None:
    """Raise ValueError when networks that are there are not what the parameters ask for."""
    built = dict(p._built)
    if p.networks_:
        built["n_ensemble"] = len(p.networks_)  # fewer when training was interrupted
    for name, asked in plan(p, settled).items():
        if asked != built[name]:
            raise ValueError(
                f"{type(p).__name__}: warm_start and partial_fit go on with {name}="
                f"{built[name]!r}, but asked for are {asked!r}"
            )


def _affine(n_in: int, n_out: int, activation: str, rng: np.random.Generator, dtype: str) -> Affine:
    bound = math.sqrt((2 if activation == "logistic" else 6) / (n_in + n_out))
    w = rng.uniform(-bound, bound, (n_in, n_out)).astype(dtype)
    return Affine(w, rng.uniform(-bound, bound, n_out).astype(dtype))


def gradient_factor(loss: Any, n_out: int) -> float:
    """Return by how much our gradient is larger than scikit-learn's of the same loss.

    scikit-learn takes half of the square, and divides by the rows alone where we divide by rows
    times columns.
    """
    if type(loss) is MSELoss:
        return 2 / n_out
    return 1 / n_out if type(loss) in (BCEWithLogits, PoissonNLL) else 1.0


def value_factor(loss: Any, n_out: int) -> float:
    """Return what our loss is to be multiplied by to be scikit-learn's."""
    if type(loss) is MSELoss:
        return 0.5
    return float(n_out) if type(loss) is BCEWithLogits else 1.0


def build_optimizer(
    p: Any, settled: Settled, loss: Any, n_out: int, rows: int, mean_weight: float
) -> Optimizer:
    """Return the optimizer that takes scikit-learn's steps for the parameters of p.

    Its L2 term, alpha/2·w² divided by the weights of the batch, is our weight_decay; where our
    gradient is larger by a factor, so must be what is added to it or compared with it.
    """
    factor = gradient_factor(loss, n_out)
    decay = settled.alpha * factor / (settled.batch_size * mean_weight)
    if p.solver == "lbfgs":
        return LBFGS(
            tol_gradient=p.tol * factor,
            weight_decay=decay + settled.weight_decay,
            max_evaluations=p.max_fun,
        )
    schedule = build_schedule(p, settled, rows)
    if p.solver == "sgd":
        return SGD(
            settled.lr / factor,
            p.momentum,
            bool(p.nesterovs_momentum) and p.momentum > 0,
            decay + settled.weight_decay * factor,
            schedule=schedule,
        )
    is_decoupled = settled.weight_decay > 0
    kind = AdamW if is_decoupled else Adam
    decay = settled.weight_decay if is_decoupled else decay
    return kind(settled.lr, p.beta_1, p.beta_2, p.epsilon * factor, decay, schedule=schedule)


def build_schedule(p: Any, settled: Settled, rows: int) -> Schedule | None:
    """Return the schedule of the learning rate, None for a constant one."""
    per_epoch = -(-rows // settled.batch_size)
    steps = per_epoch * settled.epochs
    if isinstance(settled.schedule, Schedule):
        return copy.deepcopy(settled.schedule)
    made: dict[str, Any] = {
        "constant": lambda: None,
        "adaptive": lambda: None,  # `Watch` divides the rate
        "invscaling": lambda: InverseScaling(per_epoch, rows, float(p.power_t)),
        "cosine": lambda: schedules.Cosine(steps),
        "one_cycle": lambda: schedules.OneCycle(steps),
        "plateau": lambda: schedules.ReduceOnPlateau(0.3, 5),
    }
    schedule: Schedule | None = made[settled.schedule]()
    return schedule


def class_loss(loss: Any, n_classes: int, is_multilabel: bool) -> Any:
    """Return `loss`, or where it is None the one for so many classes."""
    if loss is not None:
        return loss
    return BCEWithLogits() if is_multilabel or n_classes <= 2 else SoftmaxCrossEntropy()


def affines(network: Network) -> list[Affine]:
    """Return the bricks that hold scikit-learn's coefs_ and intercepts_."""
    return [layer for layer in network.layers if isinstance(layer, Affine)]


def set_arrays(arrays: list[Array], given: Any, name: str) -> None:
    """Copy what is given into the arrays; ValueError, and nothing done, when it does not fit."""
    found = [np.asarray(one) for one in given]
    shapes, asked = [array.shape for array in arrays], [one.shape for one in found]
    if shapes != asked:
        raise ValueError(f"{name} must have the shapes {shapes}, but have {asked}")
    for array, one in zip(arrays, found, strict=True):
        array[...] = one
