"""The slices of a batch through a network with BatchNorm: brick by brick, all slices at a time.

Each slice has its own copies of the bricks, which share params and buffers, because a brick keeps
one x for its backward. At a BatchNorm, the statistics of the slices are combined in the tree, and
so are the two sums of its backward.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from handnn import engine, functional
from handnn.arrays import Array, as_float
from handnn.layers import BatchNorm, Brick, Residual, is_ours, sequence
from handnn.layers.layer import buffers_of, params_of
from handnn.layers.sequence import walk
from handnn.training.distributed.tree import Node

Combine = Callable[[Mapping[Node, Array], int, int, bool], Array]
"""Combines arrays (2, O) of all slices in the tree: see `ShardedStep.combine`."""


def has_norm(layers: Sequence[Brick]) -> bool:
    """Return whether there is a BatchNorm among the layers or in their blocks."""
    return any(isinstance(layer, BatchNorm) for _, layer in walk(layers))


class NormedSlices:
    """The slices of this rank in a batch of `n_rows` rows, by their nodes."""

    def __init__(
        self, layers: Sequence[Brick], nodes: Sequence[Node], n_rows: int, combine: Combine
    ) -> None:
        self._layers, self._nodes, self._n_rows = layers, nodes, n_rows
        self._combine = combine
        self.copies = [_copied(layers) for _ in nodes]

    def forward(self, xs: list[Array]) -> list[Array]:
        """Return the outputs of the slices with these inputs."""
        return self._forward(self._layers, self.copies, xs)

    def backward(self, douts: list[Array]) -> None:
        """Compute the gradients of the params of each slice, in its copies."""
        self._backward(self._layers, self.copies, douts)

    def _forward(
        self, layers: Sequence[Brick], copies: list[list[Brick]], xs: list[Array]
    ) -> list[Array]:
        for place, layer in enumerate(layers):
            bricks = [each[place] for each in copies]
            if isinstance(layer, BatchNorm):
                xs = self._normalize(layer, bricks, xs)
            elif isinstance(layer, Residual) and has_norm(layer.block):
                blocks = [list(cast(Residual, brick).block) for brick in bricks]
                xs = _cast(xs, layer)
                xs = _added(xs, self._forward(layer.block, blocks, xs))
            else:
                xs = [brick.forward(x) for brick, x in zip(bricks, xs, strict=True)]
        return xs

    def _backward(
        self, layers: Sequence[Brick], copies: list[list[Brick]], douts: list[Array]
    ) -> list[Array]:
        for place, layer in reversed([*enumerate(layers)]):
            bricks = [each[place] for each in copies]
            if isinstance(layer, BatchNorm):
                douts = self._normalize_backward(layer, bricks, douts)
            elif isinstance(layer, Residual) and has_norm(layer.block):
                blocks = [list(cast(Residual, brick).block) for brick in bricks]
                douts = _cast(douts, layer)
                douts = _added(douts, self._backward(layer.block, blocks, douts))
            else:
                douts = [brick.backward(dout) for brick, dout in zip(bricks, douts, strict=True)]
        return douts

    def _normalize(self, layer: BatchNorm, bricks: Sequence[Brick], xs: list[Array]) -> list[Array]:
        """Run the forward of a BatchNorm with the statistics of all rows of the batch."""
        if self._n_rows < layer.min_rows:
            raise ValueError(
                f"BatchNorm.forward: training needs at least two rows, but x has {self._n_rows}"
            )
        xs = [as_float(x, layer.gamma.dtype, "BatchNorm.forward: x") for x in xs]
        statistics = {
            node: np.stack(functional.batch_norm_statistics(x))
            for node, x in zip(self._nodes, xs, strict=True)
        }
        mean, var = self._combine(statistics, self._n_rows, len(layer.gamma), True)
        outs = []
        for brick, x in zip(bricks, xs, strict=True):
            own = cast(BatchNorm, brick)
            own.x, own.mean, own.var = x, mean, var
            outs.append(
                functional.batch_norm_forward(x, own.gamma, own.beta, mean, var, eps=own.eps)
            )
        functional.batch_norm_update(
            layer.running_mean,
            layer.running_var,
            mean,
            var,
            rows=self._n_rows,
            momentum=layer.momentum,
        )
        return outs

    def _normalize_backward(
        self, layer: BatchNorm, bricks: Sequence[Brick], douts: list[Array]
    ) -> list[Array]:
        """Run the backward of a BatchNorm with dgamma and dbeta of all rows of the batch."""
        sums: dict[Node, Array] = {}
        for node, brick, dout in zip(self._nodes, bricks, douts, strict=True):
            brick.backward(dout)  # its dx lacks the other slices
            own = cast(BatchNorm, brick)
            sums[node] = np.stack([cast(Array, own.dgamma), cast(Array, own.dbeta)])
        grads = self._combine(sums, self._n_rows, len(layer.gamma), False)
        found = []
        for brick, dout in zip(bricks, douts, strict=True):
            own = cast(BatchNorm, brick)
            statistics = np.stack([cast(Array, own.mean), cast(Array, own.var)])
            found.append(
                engine.batch_norm_dx(
                    dout, cast(Array, own.x), own.gamma, statistics, own.eps, grads, self._n_rows
                )
            )
        return found


def _copied(layers: Sequence[Brick]) -> list[Brick]:
    """Return copies of bricks that share the arrays of params and buffers."""
    copies: list[Brick] = []
    for layer in layers:
        if not is_ours(layer):  # it may keep its gradients in a dict
            arrays = [*params_of(layer).values(), *buffers_of(layer).values()]
            copies.append(copy.deepcopy(layer, {id(array): array for array in arrays}))
            continue
        one = copy.copy(layer)
        if one.block:
            one.block = _copied(one.block)
        copies.append(one)
    return copies


def _cast(arrays: Sequence[Array], layer: Residual) -> list[Array]:
    """Return the inputs or gradients of a Residual in the dtype of its block."""
    dtype = sequence.dtype(layer.block)
    return [as_float(array, dtype, "Residual") for array in arrays]


def _added(xs: Sequence[Array], others: Sequence[Array]) -> list[Array]:
    """Return the sums of a Residual, as it computes them."""
    with np.errstate(all="ignore"):
        return [np.add(x, np.asarray(o, x.dtype)) for x, o in zip(xs, others, strict=True)]
