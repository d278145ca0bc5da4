"""The members of a bag: kinds of networks. Held-out rows decide which of them predict.

For each fold there is a network of every member, trained on the same rows. The first member is the
recipe itself. The second is linear: deep networks approximate a straight line with many bent pieces
and overfit the noise around it. With the bins of `tables.bins` it is an additive model, a sum of a
piecewise linear function of each column. The third is linear in the numbers as they are: see
`straight`. With `quality="best"` each of these has a second bag, which halves the variance of
random numbers, and further members differ in bins, activation or regularization.

The bag is chosen greedily: it begins with the member that has the lowest loss on held-out rows, and
the member that lowers the loss of their mean prediction most is added until none does. The more
members there are to choose from, the more the choice owes to chance. So the further members take
part only if with them the loss is lower by one standard error. (Wide and deep: Cheng et al. 2016.
Selection: Caruana et al. 2004, "Ensemble Selection from Libraries of Models", here with equal
weights and each member once.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from handnn.arrays import Array
from handnn.losses import Loss, facts_of
from handnn.losses.loss import LINKS, Link, as_column
from handnn.network import Network
from handnn.tables.bagging import Folds, mean_of
from handnn.tables.intervals import held_out_outputs
from handnn.tables.recipe import BAG_LR, Recipe

RecipeT = TypeVar("RecipeT", bound=Recipe)

WEIGHT_DECAY = 0.01
"""A linear network has few weights, which need less of it."""

N_BLOCKS = 256
"""The number of blocks of held-out rows whose losses determine a standard error."""

MIN_STANDARD_ERRORS = 1.0
"""Simpler choices within one standard error are preferred (Breiman et al. 1984, on trees)."""

MIN_PREDICTION = 1e-15
"""The smallest probability or rate, which bounds the output."""


def linear(recipe: RecipeT) -> RecipeT:
    """Return the recipe without hidden layers."""
    return replace(
        recipe,
        hidden=(),
        activations=(),
        dropouts=(),
        batch_norm=False,
        lr=recipe.lr_factor * recipe.lr,
        weight_decay=min(recipe.weight_decay, WEIGHT_DECAY),
    )


def smooth(recipe: RecipeT) -> RecipeT:
    """Return the recipe with SiLU."""
    return replace(recipe, activations=("silu",) * len(recipe.hidden))


def fine(recipe: RecipeT) -> RecipeT:
    """Return the recipe with fine bins, which classifiers overfit at their higher rate."""
    return replace(recipe, n_bins=recipe.n_fine_bins, lr=min(recipe.lr, BAG_LR))


def regularized(recipe: RecipeT) -> RecipeT:
    """Return the recipe with more Dropout and `lr_factor` times its learning rate."""
    dropouts = tuple(min(0.9, 2.5 * share) for share in recipe.dropouts)
    return replace(recipe, dropouts=dropouts, lr=recipe.lr_factor * recipe.lr)


def members_of(recipe: RecipeT) -> list[RecipeT]:
    """Return the recipe of each member: see the module."""
    if not recipe.n_linear:
        return [recipe]
    straight = [replace(linear(recipe), is_straight=True)] if recipe.n_linear > 1 else []
    usual = [recipe, linear(recipe), *straight]
    if not recipe.has_variants:
        return usual
    fine_kinds = [fine(recipe), fine(smooth(recipe))] if recipe.n_fine_bins else []
    return [*usual, *usual, smooth(recipe), *fine_kinds, regularized(recipe)]


def described(recipe: Recipe) -> str:
    """Return the hidden layers in short: "128-128 relu, dropout 0.1", or "linear"."""
    if not recipe.hidden:
        return "linear without bins" if recipe.is_straight else "linear"
    bins = f", {recipe.n_bins} bins" if 0 < recipe.n_fine_bins <= recipe.n_bins else ""
    widths, words = "-".join(map(str, recipe.hidden)), "/".join(dict.fromkeys(recipe.activations))
    dropout = max(recipe.dropouts)
    return f"{widths} {words}" + (f", dropout {dropout:g}" if dropout else "") + bins


def _names(members: Sequence[Recipe]) -> list[str]:
    """Return the descriptions of members, with a number where another one has the same."""
    names: list[str] = []
    for name in map(described, members):
        count = sum(other.split(" #")[0] == name for other in names)
        names.append(f"{name} #{count + 1}" if count else name)
    return names


@dataclass(frozen=True)
class Choice:
    """The networks of a bag, and how they were chosen.

    Attributes:
        networks: those of the chosen members.
        losses: of each member on held-out rows, by its description; {} if there was one only.
        loss: of the bag on held-out rows.
        chosen: the descriptions of the chosen members.
        lines: the networks that are linear in the numbers as they are.
    """

    networks: list[Network]
    losses: dict[str, float]
    loss: float
    chosen: list[str]
    lines: list[Network] = field(default_factory=list)

    def __str__(self) -> str:
        """Describe the choice in a line."""
        losses = "; ".join(f"{name}: {loss:.4g}" for name, loss in self.losses.items())
        return f"loss on held-out rows: {losses}; the bag: {' and '.join(self.chosen)}"


def chosen_members(
    networks: Sequence[Network], recipe: Recipe, loss: Loss, x: Array, y: Array, fold: Folds
) -> Choice:
    """Return the networks of the members that together have the lowest loss on held-out rows.

    networks: those of `members_of(recipe)`, one after another, perhaps without the last members. x,
    y: the rows as they are trained on.
    """
    n = recipe.n_networks
    members = members_of(recipe)[: -(-len(networks) // n)]
    kinds = [member for place, member in enumerate(members) if member not in members[:place]]
    bags: list[list[Sequence[Network]]] = [[] for _ in kinds]
    for place, member in enumerate(members):
        bags[kinds.index(member)].append(networks[place * n : (place + 1) * n])
    names = _names(kinds)
    if len(members) == 1:
        return Choice(list(networks), {}, float("nan"), names)
    rows, first = held_out_outputs(bags[0][0], x, fold)
    outputs = [[held_out_outputs(bag, x, fold)[1] for bag in some] for some in bags]
    target = as_column(y[rows].astype(first.dtype), first)
    losses = MeanLosses(outputs, loss, target)
    usual = [some[:1] for some in outputs[: 1 + recipe.n_linear]]  # the members of "good"
    chosen = MeanLosses(usual, loss, target).greedy()
    if len(kinds) > len(usual):
        of_all = losses.greedy()
        chosen = of_all if losses.is_lower(of_all, chosen) else chosen
    lines = [place for place in chosen if kinds[place].is_straight]
    return Choice(
        [network for place in chosen for bag in bags[place] for network in bag],
        {name: losses.of([place]) for place, name in enumerate(names)},
        losses.of(chosen),
        [names[place] for place in chosen],
        [network for place in lines for bag in bags[place] for network in bag],
    )


@dataclass(frozen=True)
class MeanLosses:
    """The losses of mean predictions of members on held-out rows.

    Attributes:
        outputs: of one or more bags of each member, (M, O) for M rows.
        loss: of outputs and the target.
        target: (M, Y) that of the rows.
    """

    outputs: Sequence[Sequence[Array]]
    loss: Loss
    target: Array

    def of(self, places: Sequence[int]) -> float:
        """Return the loss of these members."""
        return self.loss.forward(self._output(places), self.target)

    def greedy(self) -> list[int]:
        """Return the members that are chosen: see the module."""
        places = range(len(self.outputs))
        alone = {place: self.of([place]) for place in places}
        chosen = [min(places, key=alone.__getitem__)]
        lowest = alone[chosen[0]]
        while len(chosen) < len(places):
            rest = [place for place in places if place not in chosen]
            losses = {place: self.of(sorted([*chosen, place])) for place in rest}
            best = min(rest, key=losses.__getitem__)
            if not losses[best] < lowest:
                break
            chosen, lowest = sorted([*chosen, best]), losses[best]
        return chosen

    def is_lower(self, some: Sequence[int], others: Sequence[int]) -> bool:
        """Return whether the loss of some members is lower by one standard error."""
        output, other_output = self._output(some), self._output(others)
        n_blocks = min(N_BLOCKS, len(output))
        if n_blocks < 2:
            return False
        blocks = [slice(place, None, n_blocks) for place in range(n_blocks)]
        gains = [
            self.loss.forward(other_output[block], self.target[block])
            - self.loss.forward(output[block], self.target[block])
            for block in blocks
        ]
        error = np.std(gains, ddof=1) / np.sqrt(n_blocks)
        return bool(np.mean(gains) > MIN_STANDARD_ERRORS * error)

    def _output(self, places: Sequence[int]) -> Array:
        outputs = [output for place in places for output in self.outputs[place]]
        return output_of_mean(outputs, facts_of(self.loss).link)


def output_of_mean(outputs: Sequence[Array], link: Link) -> Array:
    """Return the output whose prediction is the mean prediction of several outputs (N, O).

    Examples:
        >>> from handnn.tables.members import output_of_mean
        >>> found = output_of_mean([np.array([[-1.0]]), np.array([[3.0]])], "sigmoid")
        >>> functional.sigmoid_forward(found).round(4)  # the mean of 0.2689 and 0.9526
        array([[0.6108]])
    """
    if len(outputs) == 1:
        return outputs[0]
    with np.errstate(all="ignore"):
        mean = mean_of([LINKS[link](output.astype(np.float64)) for output in outputs])
        if link == "sigmoid":
            mean = _log(mean) - _log(1 - mean)
        elif link != "identity":
            mean = _log(mean)
    return mean.astype(outputs[0].dtype)


def _log(values: Array) -> Array:
    return np.asarray(np.log(np.maximum(values, MIN_PREDICTION)))
