"""The order in which the slices of a batch are summed: one fixed binary tree.

A batch of N rows is cut by position into S slices, and slice s has the rows from s·N // S to
(s + 1)·N // S. A node of the tree is a range of slices, [first, last). A node of several slices is
the sum of its two halves. So the sum depends on S alone, and not on the ranks that compute the
nodes. If a batch has fewer rows than slices, empty slices are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from handnn import engine
from handnn.arrays import Array

Node = tuple[int, int]
"""The slices first ... last - 1."""


class Addable(Protocol):
    """What a node has a sum of."""

    def __add__(self, other: Any, /) -> Any:
        """Return the sum of two nodes."""
        ...


Sum = TypeVar("Sum", bound=Addable)


@dataclass(frozen=True)
class Statistics:
    """The means and variances (2, O) of the columns of some rows; a sum is those of all rows."""

    n_rows: int
    columns: Array

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both."""
        merged = engine.merged_statistics(self.columns, other.columns, self.n_rows, other.n_rows)
        return Statistics(self.n_rows + other.n_rows, merged)


def first_row(slice_number: int, n_rows: int, shards: int) -> int:
    """Return the first row of a slice of a batch with `n_rows` rows."""
    return slice_number * n_rows // shards


def n_rows_of(node: Node, n_rows: int, shards: int) -> int:
    """Return the number of rows of a node."""
    return first_row(node[1], n_rows, shards) - first_row(node[0], n_rows, shards)


def halves(node: Node) -> tuple[Node, Node]:
    """Return the two halves of a node of several slices."""
    middle = (node[0] + node[1]) // 2
    return (node[0], middle), (middle, node[1])


def nodes_within(first: int, last: int, node: Node) -> list[Node]:
    """Return the largest nodes below `node` that consist of the slices first ... last - 1.

    Examples:
        >>> from handnn.training.distributed.tree import nodes_within
        >>> nodes_within(5, 10, (0, 16))
        [(5, 6), (6, 8), (8, 10)]
    """
    if last <= node[0] or node[1] <= first:
        return []
    if first <= node[0] and node[1] <= last:
        return [node]
    return [part for half in halves(node) for part in nodes_within(first, last, half)]


def tree_sum(
    node: Node, known: Callable[[Node], Sum | None], is_empty: Callable[[Node], bool]
) -> Sum:
    """Return the sum of a node that has rows.

    known: returns the sum of a node, or None if it must be computed from the halves; the sum of
        every single slice must be known.
    """
    found = known(node)
    if found is not None:
        return found
    one, other = halves(node)
    if is_empty(one) or is_empty(other):
        return tree_sum(other if is_empty(one) else one, known, is_empty)
    total: Sum = tree_sum(one, known, is_empty) + tree_sum(other, known, is_empty)
    return total
