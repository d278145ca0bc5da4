"""Build the loss and the optimizer for an estimator's parameters, on scikit-learn's scale."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np

from handnn import schedules
from handnn.arrays import Array
from handnn.layers import Affine
from handnn.losses import (
    MAE,
    BCEWithLogits,
    GaussianNLL,
    Huber,
    Loss,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)
from handnn.network import Network
from handnn.optimizers import LBFGS, SGD, Adam, AdamW, Optimizer
from handnn.schedules import Schedule
from handnn.sklearn.estimator_recipe import EstimatorRecipe
from handnn.sklearn.parameters import Parameters
from handnn.tables.networks import build_schedule, glorot_bound

LossFactory = Callable[[], Loss]

REGRESSION_LOSSES: dict[str, LossFactory | None] = {
    "squared_error": MSELoss,
    "absolute_error": MAE,
    "huber": Huber,
    "poisson": PoissonNLL,
    "quantile": Quantile,
    "gaussian": GaussianNLL,
}

CLASS_LOSSES: dict[str, LossFactory | None] = {"log_loss": None}
"""The loss of "log_loss" depends on the number of classes: see `class_loss`."""

GRADIENT_FACTORS: dict[type, Callable[[int], float]] = {
    MSELoss: lambda n_out: 2 / n_out,
    BCEWithLogits: lambda n_out: 1 / n_out,
    PoissonNLL: lambda n_out: 1 / n_out,
}
"""The ratio of handnn's gradient to scikit-learn's, for `n_out` output columns.

scikit-learn takes half of the squared error, and divides by the number of rows where handnn divides
by rows times columns.
"""

VALUE_FACTORS: dict[type, Callable[[int], float]] = {
    MSELoss: lambda n_out: 0.5,
    BCEWithLogits: float,
}
"""The ratio of scikit-learn's loss to handnn's, for `n_out` output columns."""


class InverseScaling(Schedule):
    """scikit-learn's "invscaling": ``1 / (rows seen)**power``, updated after each epoch.

    In the first epoch the factor is 1, in a later one 1 / (rows·epochs + 1)**power.
    """

    def __init__(self, steps_per_epoch: int, n_rows: int, power: float) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.n_rows = n_rows
        self.power = power

    def at(self, steps: schedules.Steps) -> schedules.Factors:
        seen = (steps // self.steps_per_epoch) * self.n_rows
        return np.asarray(1 / np.power(seen + 1.0, self.power))


def build_loss(name: str, loss: str | Loss, known: Mapping[str, LossFactory | None]) -> Loss | None:
    """Return a new loss for a name in `known`, or a copy of the given object; None for "log_loss".

    Raises ValueError for another name, TypeError for an object without forward and backward.
    """
    if isinstance(loss, str):
        if loss not in known:
            raise ValueError(f"{name}: loss must be one of {', '.join(known)}, not {loss!r}")
        factory = known[loss]
        return None if factory is None else factory()
    if isinstance(loss, type) or not (hasattr(loss, "forward") and hasattr(loss, "backward")):
        raise TypeError(f"{name}: loss must be a name or have forward and backward, not {loss!r}")
    return copy.deepcopy(loss)


def class_loss(loss: Loss | None, n_classes: int, is_multilabel: bool) -> Loss:
    """Return `loss`, or if it is None the cross entropy for this number of classes."""
    if loss is not None:
        return loss
    return BCEWithLogits() if is_multilabel or n_classes <= 2 else SoftmaxCrossEntropy()


def gradient_factor(loss: Loss, n_out: int) -> float:
    """Return the ratio of handnn's gradient of a loss to scikit-learn's."""
    factor = GRADIENT_FACTORS.get(type(loss))
    return 1.0 if factor is None else factor(n_out)


def value_factor(loss: Loss, n_out: int) -> float:
    """Return the ratio of scikit-learn's value of a loss to handnn's."""
    factor = VALUE_FACTORS.get(type(loss))
    return 1.0 if factor is None else factor(n_out)


def build_optimizer(
    p: Parameters,
    recipe: EstimatorRecipe,
    factor: float,
    n_rows: int,
    mean_weight: float,
) -> Optimizer:
    """Return the optimizer that takes scikit-learn's steps for these parameters.

    factor: see `gradient_factor`. scikit-learn's L2 term, alpha/2·w² divided by the weights of the
    batch, is our weight_decay; it is scaled with our gradient, like everything that is added to the
    gradient or compared with it.
    """
    decay = recipe.alpha * factor / (recipe.batch_size * mean_weight)
    if p.solver == "lbfgs":
        return LBFGS(
            tol_gradient=p.tol * factor,
            weight_decay=decay + recipe.weight_decay,
            max_evaluations=p.max_fun,
        )
    steps_per_epoch = -(-n_rows // recipe.batch_size)
    if recipe.schedule == "invscaling":
        schedule: Schedule | None = InverseScaling(steps_per_epoch, n_rows, float(p.power_t))
    else:  # "adaptive" is constant here: `ProgressMonitor` divides the rate
        schedule = build_schedule(recipe.schedule, steps_per_epoch * recipe.epochs)
    if p.solver == "sgd":
        return SGD(
            recipe.lr / factor,
            p.momentum,
            bool(p.nesterovs_momentum) and p.momentum > 0,
            decay + recipe.weight_decay * factor,
            schedule=schedule,
        )
    is_decoupled = recipe.weight_decay > 0
    kind = AdamW if is_decoupled else Adam
    decay = recipe.weight_decay if is_decoupled else decay
    epsilon = p.epsilon if recipe.n_folds else p.epsilon * factor  # a bag takes `fit_table`'s steps
    return kind(recipe.lr, p.beta_1, p.beta_2, epsilon, decay, schedule=schedule)


def affines(network: Network) -> list[Affine]:
    """Return the layers that hold scikit-learn's coefs_ and intercepts_."""
    return [layer for layer in network.layers if isinstance(layer, Affine)]


def draw_like_scikit_learn(network: Network, recipe: EstimatorRecipe, seed: int) -> None:
    """Give the network the initial weights that scikit-learn draws for random_state=seed."""
    random = np.random.RandomState(seed)
    activation = recipe.activations[0] if recipe.activations else "identity"
    for affine in affines(network):
        bound = glorot_bound(len(affine.w), len(affine.b), activation)
        for array in (affine.w, affine.b):
            array[...] = random.uniform(-bound, bound, array.shape)


def set_arrays(arrays: list[Array], given: list[Array], name: str) -> None:
    """Copy the given arrays into `arrays`; ValueError, and no change, if shapes differ."""
    found = [np.asarray(one) for one in given]
    shapes, asked = [array.shape for array in arrays], [one.shape for one in found]
    if shapes != asked:
        raise ValueError(f"{name} must have the shapes {shapes}, but have {asked}")
    for array, one in zip(arrays, found, strict=True):
        array[...] = one
