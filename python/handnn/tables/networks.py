"""Build the network, the schedule and the optimizer of a recipe."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from handnn import schedules
from handnn.layers import ACTIVATIONS, Affine, BatchNorm, Brick, Dropout
from handnn.network import Network
from handnn.optimizers import AdamW
from handnn.schedules import Schedule
from handnn.tables.bins import BinnedColumn
from handnn.tables.recipe import Recipe


class NetworkInput(Protocol):
    """An encoder of rows, such as `Columns`."""

    @property
    def n_after(self) -> int:
        """The number of columns after `first_layers`."""
        ...

    @property
    def binned(self) -> Sequence[BinnedColumn]:
        """The columns that have bins."""
        ...

    def first_layers(self, rng: np.random.Generator, dtype: str) -> list[Brick]:
        """Return the layers that the network begins with."""
        ...


def build_network(
    recipe: Recipe, inputs: NetworkInput, n_out: int, rng: np.random.Generator
) -> Network:
    """Return a network: per hidden layer Affine, BatchNorm, activation and Dropout, then Affine.

    Weights are initialized by `recipe.init`, except that those of bins are 0; `n_out` is the width
    of the last Affine.
    """
    layers: list[Brick] = inputs.first_layers(rng, recipe.dtype)
    widths = [inputs.n_after, *recipe.hidden, n_out]
    affines = _affines(recipe, widths, rng)
    if recipe.init == "he":
        affines = iter(list(affines))  # all weights are drawn before the seeds of Dropout
    for units, activation, dropout in zip(
        recipe.hidden, recipe.activations, recipe.dropouts, strict=True
    ):
        layers.append(next(affines))
        if recipe.batch_norm:
            layers.append(BatchNorm.new(units, dtype=recipe.dtype))
        if activation != "identity":
            layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(Dropout(float(dropout), rng))
    layers.append(next(affines))
    _clear_bins(layers, inputs.binned)
    return Network(layers)


def _clear_bins(layers: Iterable[Brick], binned: Sequence[BinnedColumn]) -> None:
    """Set the weights of bins in the first Affine to 0, so that training begins without bends.

    The other weights become larger, as if the layer had been drawn without bins.
    """
    first = next(layer for layer in layers if isinstance(layer, Affine))
    n_in = len(first.w)
    n_bins = sum(len(column.edges) - 1 for column in binned)
    for column in binned:
        first.w[column.bin_places] = 0
    first.w *= math.sqrt(n_in / (n_in - n_bins))


def _affines(recipe: Recipe, widths: list[int], rng: np.random.Generator) -> Iterator[Affine]:
    """Yield the Affine layers with new weights, drawn one after another."""
    activations = recipe.activations or ("identity",)
    for place, (n_in, n_out) in enumerate(pairwise(widths)):
        activation = activations[min(place, len(activations) - 1)]  # the last Affine has none
        if recipe.init == "glorot_uniform":
            yield _glorot_affine(n_in, n_out, activation, rng, recipe.dtype)
        else:
            init = "he" if activation == "identity" else ACTIVATIONS[activation].init
            yield Affine.random(n_in, n_out, init, rng, recipe.dtype)


def _glorot_affine(
    n_in: int, n_out: int, activation: str, rng: np.random.Generator, dtype: str
) -> Affine:
    """Return an Affine with weights and biases drawn as scikit-learn draws them.

    Uniform up to ± `glorot_bound`.
    """
    bound = glorot_bound(n_in, n_out, activation)
    w = rng.uniform(-bound, bound, (n_in, n_out)).astype(dtype)
    return Affine(w, rng.uniform(-bound, bound, n_out).astype(dtype))


def glorot_bound(n_in: int, n_out: int, activation: str) -> float:
    """Return sqrt(6 / (n_in + n_out)), with 2 in place of 6 for "sigmoid".

    (Glorot and Bengio 2010.)
    """
    return math.sqrt((2 if activation == "sigmoid" else 6) / (n_in + n_out))


def build_schedule(schedule: str | Schedule, n_steps: int) -> Schedule | None:
    """Return a new schedule of `n_steps` steps, None for "constant".

    schedule: "constant", "cosine", "one_cycle", "cycles" (DoublingCycles), "plateau", or a
        Schedule, which is copied.
    """
    if isinstance(schedule, Schedule):
        return copy.deepcopy(schedule)
    if schedule == "cosine":
        return schedules.Cosine(n_steps)
    if schedule == "one_cycle":
        return schedules.OneCycle(n_steps)
    if schedule == "cycles":
        return schedules.DoublingCycles(n_steps)
    return schedules.ReduceOnPlateau(0.3, 5) if schedule == "plateau" else None


def build_optimizer(recipe: Recipe, n_steps: int) -> AdamW:
    """Return the AdamW of a recipe, for a training of `n_steps` steps."""
    schedule = build_schedule(recipe.schedule, n_steps)
    return AdamW(recipe.lr, weight_decay=recipe.weight_decay, schedule=schedule)
