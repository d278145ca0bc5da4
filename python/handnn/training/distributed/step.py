"""The loss and the gradients of a batch, from slices that are summed in the tree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.layers import Dropout
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss, Loss
from handnn.losses.loss import as_column
from handnn.network import Network
from handnn.training.distributed.ranks import Ranks
from handnn.training.distributed.tree import Node, first_row, n_rows_of, nodes_within, tree_sum
from handnn.training.rows import Samples


class ShardedStep:
    """Computes the slices of this rank, and sums those of all ranks.

    shares (n_nodes, P): the gradients of this rank's nodes, all params one after another.
    values (n_nodes,): their shares of the loss. total (P,): the gradient of the batch.
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
        n_rows, outputs = len(rows[0]), []
        dropouts = [layer for _, layer in walk(network.layers) if isinstance(layer, Dropout)]
        steps = [dropout.step for dropout in dropouts]
        is_empty = self._is_empty(n_rows)

        def known(node: Node) -> Array | None:
            """Return the loss and the gradients of a single slice, as one array in float64."""
            if node[1] - node[0] > 1:
                return None
            first, last = (first_row(number, n_rows, self.shards) for number in node)
            for dropout, step in zip(dropouts, steps, strict=True):
                dropout.step, dropout.first_row = step, first
            part = tuple(array[first:last] for array in rows)
            value, pre = _forward_and_backward(network, loss, part, (last - first) / n_rows)
            outputs.append(pre)
            values[node] = value
            return _flat(network)

        values: dict[Node, float] = {}
        try:
            for place, node in enumerate(self.nodes):
                if not is_empty(node):
                    self.shares[place] = tree_sum(node, known, is_empty)
                    self.values[place] = tree_sum(node, values.get, is_empty)
        finally:
            for dropout, step in zip(dropouts, steps, strict=True):
                dropout.step, dropout.first_row = step + 1, 0
        value, stop = self.exchange(n_rows)
        pre = np.concatenate(outputs) if outputs else None
        return value, pre, self.gradients(network), stop

    def gradients(self, network: Network) -> dict[str, Array]:
        """Return `total` by the names of the params; views."""
        found, end = {}, 0
        for name, param in network.params.items():
            found[name] = self.total[end : end + param.size].reshape(param.shape)
            end += param.size
        return found


def _forward_and_backward(
    network: Network, loss: Loss, rows: Samples, share: float
) -> tuple[float, Array]:
    """Return the share of a slice in the loss of its batch, and its outputs."""
    x, y, *weight = rows
    with network.in_mode(training=True):
        pre = network.forward(x)
        value = float(loss.forward(pre, as_column(y, pre), *weight))
        if isinstance(loss, KernelLoss):
            dout = loss.backward(share if loss.is_exact else 1.0)  # otherwise a sum
        else:
            dout = np.multiply(loss.backward(), share, dtype=pre.dtype)
        network.backward(dout)
    return value * share, pre


def _flat(network: Network) -> Array:
    """Return all gradients one after another."""
    params, grads = network.params, network.grads
    missing = [name for name in params if grads[name] is None]
    if missing:
        raise RuntimeError(f"Trainer.fit: no gradient for {', '.join(missing)}")
    dtype = network.dtype
    return np.concatenate([np.asarray(grads[name], dtype).reshape(-1) for name in params])
