"""The loss and the gradients of a batch, from slices that are summed in the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from handnn import engine
from handnn.arrays import Array
from handnn.layers import BatchNorm, Brick, Dropout, sequence
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss, Loss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.training.distributed.norms import NormedSlices, has_norm
from handnn.training.distributed.ranks import Ranks
from handnn.training.distributed.tree import (
    Node,
    Statistics,
    first_row,
    n_rows_of,
    nodes_within,
    tree_sum,
)
from handnn.training.rows import Samples


class ShardedStep:
    """Computes the slices of this rank, and sums those of all ranks.

    shares (n_nodes, P): the gradients of this rank's nodes, all params one after another.
    values (n_nodes,): their shares of the loss. total (P,): the gradient of the batch.
    column_shares (n_nodes·2·O,), column_total (2·O,): the same of two sums or statistics of each of
    the O columns of a BatchNorm, with room for the widest one.
    """

    def __init__(self, ranks: Ranks, network: Network) -> None:
        self.ranks = ranks
        sharding = ranks.sharding
        self.shards = sharding.shards
        self.stop = engine.Stop()
        self.root: Node = (0, self.shards)
        self.nodes_of = [
            nodes_within(*sharding.slices_of(rank), self.root) for rank in range(ranks.size)
        ]
        self.slices = sharding.slices_of(ranks.rank)
        self.nodes = self.nodes_of[ranks.rank]
        self.every_node = [node for nodes in self.nodes_of for node in nodes]
        n_params = sum(array.size for array in network.params.values())
        self.shares: Array = np.zeros((len(self.nodes), n_params), network.dtype)
        self.values = np.zeros(len(self.nodes))
        self.total: Array = np.zeros(n_params, network.dtype)
        norms = [a for _, a in walk(network.layers) if isinstance(a, BatchNorm)]
        n_columns = max((len(norm.gamma) for norm in norms), default=0)
        self.column_shares: Array = np.zeros(len(self.nodes) * 2 * n_columns, network.dtype)
        self.column_total: Array = np.zeros(2 * n_columns, network.dtype)

    def rows_of_rank(self, n_rows: int) -> slice:
        """Return the rows of a batch that this rank computes."""
        first, last = (first_row(number, n_rows, self.shards) for number in self.slices)
        return slice(first, last)

    def spec(self, stop: engine.Stop) -> engine.ShardingSpec:
        """Return the arguments for the compiled engine; `stop` is that of this rank."""
        self.stop = stop
        return (self.shards, *self.slices, None if self.ranks.size == 1 else self)

    def exchange(self, n_rows: int) -> tuple[float, bool]:
        """Sum the slices of all ranks into `total`; return the loss, and whether to stop.

        n_rows: that of the batch. If `stop` of any rank is set, all ranks stop.
        """
        stop, numbers = self.ranks.agree(self.stop.is_set, self._padded())
        by_node = [
            numbers[rank, place]
            for rank, nodes in enumerate(self.nodes_of)
            for place in range(len(nodes))
        ]
        value = self._sum(np.array(by_node)[:, None], n_rows)[0]
        counts = [len(nodes) for nodes in self.nodes_of]
        self.ranks.sum_over_shards(
            self.shares, self.total, counts, lambda every: self._sum(every, n_rows)
        )
        return float(value), stop

    def exchange_columns(self, n_rows: int, n_columns: int, are_statistics: bool) -> None:
        """Combine the `column_shares` of all ranks in `column_total`, for a BatchNorm.

        n_rows: that of the batch. are_statistics: whether to merge statistics, or to add.
        """
        self.ranks.agree()
        n, size = len(self.nodes), 2 * n_columns
        shares = self.column_shares[: n * size].reshape(n, size)
        every = self.ranks.gather_shares(shares, [len(nodes) for nodes in self.nodes_of])
        of_node = dict(zip(self.every_node, every.reshape(-1, 2, n_columns), strict=True))
        total = self._combined(self.root, of_node, n_rows, are_statistics)
        self.column_total[:size] = total.reshape(-1)

    def _combined(
        self, node: Node, known: Mapping[Node, Array], n_rows: int, are_statistics: bool
    ) -> Array:
        """Return the sum, or the merged statistics, of a node from arrays (2, O) of others."""
        is_empty = self._is_empty(n_rows)
        if not are_statistics:
            return tree_sum(node, known.get, is_empty)
        statistics = {
            one: Statistics(n_rows_of(one, n_rows, self.shards), columns)
            for one, columns in known.items()
        }
        return tree_sum(node, statistics.get, is_empty).columns

    def _padded(self) -> list[float]:
        """Return the values of this rank, padded to the largest number of nodes of a rank."""
        most = max(len(nodes) for nodes in self.nodes_of)
        return [*self.values.tolist(), *[0.0] * (most - len(self.values))]

    def _sum(self, every: Array, n_rows: int) -> Array:
        """Return the sum of the nodes of all ranks, (n_nodes, n) -> (n,)."""
        of_node = dict(zip(self.every_node, every, strict=True))
        return tree_sum(self.root, of_node.get, self._is_empty(n_rows))

    def _is_empty(self, n_rows: int) -> Callable[[Node], bool]:
        return lambda node: n_rows_of(node, n_rows, self.shards) == 0

    def loss_and_gradients(
        self, network: Network, loss: Loss, rows: Samples
    ) -> tuple[float, Array | None, dict[str, Array], bool]:
        """Run forward and backward on the slices of this rank, and sum those of all ranks.

        rows: the whole batch. Returns the loss, the outputs of this rank's rows (None if it has
        none), the gradients by the names of the params, and whether to stop.
        """
        n_rows = len(rows[0])
        dropouts = _dropouts(network.layers)
        steps = [dropout.step for dropout in dropouts]
        outputs: list[Array] = []
        run = self._run_together if has_norm(network.layers) else self._run_each
        try:
            run(network, loss, rows, outputs)
        finally:
            for dropout, step in zip(dropouts, steps, strict=True):
                dropout.step, dropout.first_row = step + 1, 0
        value, stop = self.exchange(n_rows)
        pre = np.concatenate(outputs) if outputs else None
        return value, pre, self.gradients(network), stop

    def _run_each(self, network: Network, loss: Loss, rows: Samples, outputs: list[Array]) -> None:
        """Fill `shares` and `values`, one slice after the other, and append their outputs."""
        n_rows = len(rows[0])
        dropouts = _dropouts(network.layers)
        steps = [dropout.step for dropout in dropouts]
        values: dict[Node, float] = {}

        def known(node: Node) -> Array | None:
            """Return the gradients of a single slice as one array."""
            if node[1] - node[0] > 1:
                return None
            for dropout, step in zip(dropouts, steps, strict=True):
                dropout.step, dropout.first_row = step, first_row(node[0], n_rows, self.shards)
            part = self._part(rows, node)
            with network.in_mode(training=True):
                pre = network.forward(part[0])
                values[node], dout = _loss(loss, pre, part, n_rows)
                network.backward(dout)
            outputs.append(pre)
            return _flat(network.params, network.grads, network.dtype)

        self._fill(n_rows, known, values)

    def _run_together(
        self, network: Network, loss: Loss, rows: Samples, outputs: list[Array]
    ) -> None:
        """Do the same brick by brick, because a BatchNorm needs all slices."""
        n_rows = len(rows[0])
        own = [(number, number + 1) for number in range(*self.slices)]
        nodes = [node for node in own if not self._is_empty(n_rows)(node)]
        parts = [self._part(rows, node) for node in nodes]
        with network.in_mode(training=True):
            slices = NormedSlices(network.layers, nodes, n_rows, self.combine)
            for node, layers in zip(nodes, slices.copies, strict=True):
                for dropout in _dropouts(layers):
                    dropout.first_row = first_row(node[0], n_rows, self.shards)
            outputs += slices.forward([part[0] for part in parts])
            pairs = [
                _loss(loss, pre, part, n_rows) for pre, part in zip(outputs, parts, strict=True)
            ]
            slices.backward([dout for _, dout in pairs])
        values = {node: value for node, (value, _) in zip(nodes, pairs, strict=True)}
        grads = {
            node: _flat(network.params, sequence.grads(layers), network.dtype)
            for node, layers in zip(nodes, slices.copies, strict=True)
        }
        self._fill(n_rows, grads.get, values)

    def _fill(
        self,
        n_rows: int,
        known: Callable[[Node], Array | None],
        values: Mapping[Node, float],
    ) -> None:
        """Fill `shares` and `values` with the sums of this rank's nodes."""
        is_empty = self._is_empty(n_rows)
        for place, node in enumerate(self.nodes):
            if not is_empty(node):
                self.shares[place] = tree_sum(node, known, is_empty)
                self.values[place] = tree_sum(node, values.get, is_empty)

    def combine(
        self,
        of_slice: Mapping[Node, Array],
        n_rows: int,
        n_columns: int,
        are_statistics: bool,
    ) -> Array:
        """Combine the arrays (2, O) of the slices of all ranks; see `exchange_columns`."""
        is_empty, size = self._is_empty(n_rows), 2 * n_columns
        for place, node in enumerate(self.nodes):
            if not is_empty(node):
                columns = self._combined(node, of_slice, n_rows, are_statistics)
                self.column_shares[place * size : (place + 1) * size] = columns.reshape(-1)
        self.exchange_columns(n_rows, n_columns, are_statistics)
        return self.column_total[:size].reshape(2, n_columns).copy()

    def _part(self, rows: Samples, node: Node) -> Samples:
        """Return the rows of a node."""
        first, last = (first_row(number, len(rows[0]), self.shards) for number in node)
        return tuple(array[first:last] for array in rows)

    def gradients(self, network: Network) -> dict[str, Array]:
        """Return `total` by the names of the params; views."""
        found, end = {}, 0
        for name, param in network.params.items():
            found[name] = self.total[end : end + param.size].reshape(param.shape)
            end += param.size
        return found


def _loss(loss: Loss, pre: Array, rows: Samples, n_rows: int) -> tuple[float, Array]:
    """Return the share of a slice in the loss of its batch of `n_rows` rows, and its gradient."""
    _, y, *weight = rows
    share = len(y) / n_rows
    value = float(loss.forward(pre, as_column(y, pre), *weight))
    if isinstance(loss, KernelLoss):
        return value * share, loss.backward(share if loss.is_exact else 1.0)  # otherwise a sum
    return value * share, np.multiply(loss.backward(), share, dtype=pre.dtype)


def _dropouts(layers: Sequence[Brick]) -> list[Dropout]:
    return [layer for _, layer in walk(layers) if isinstance(layer, Dropout)]


def _flat(
    params: Mapping[str, Array], grads: Mapping[str, Array | None], dtype: DTypeLike
) -> Array:
    """Return all gradients one after another."""
    missing = [name for name in params if grads[name] is None]
    if missing:
        raise RuntimeError(f"Trainer.fit: no gradient for {', '.join(missing)}")
    return np.concatenate([np.asarray(grads[name], dtype).reshape(-1) for name in params])
