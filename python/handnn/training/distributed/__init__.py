"""The rows of one network over several machines: slices of a batch, summed in a fixed tree."""

from __future__ import annotations

from handnn.training.distributed.ranks import RankError, Ranks, hash_of, ranks_of
from handnn.training.distributed.sharding import Sharding
from handnn.training.distributed.step import ShardedStep

__all__ = ["RankError", "Ranks", "ShardedStep", "Sharding", "hash_of", "ranks_of"]
