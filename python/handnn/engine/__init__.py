"""The compiled engine: a network as one C++ program, with the same bits as its bricks.

obstacles: what can be compiled. program: layers and optimizer as the engine needs them. sampling:
the order of the rows. stop: ending a training early. epochs: the results. call: the calls into C++.
norms: BatchNorm of batches in slices.
"""

from __future__ import annotations

from handnn._core import get_num_threads
from handnn.engine.call import (
    ONE_SLICE,
    ShardingSpec,
    TrainingRows,
    TrainingSpan,
    check_targets,
    largest_columns,
    train,
)
from handnn.engine.epochs import PlainEpochs
from handnn.engine.norms import batch_norm_dx, merged_statistics
from handnn.engine.obstacles import compiles, obstacle, training_obstacle
from handnn.engine.program import Forward, ForwardAll, TrainingProgram
from handnn.engine.sampling import BatchSampler, row_order
from handnn.engine.stop import Stop, Stopped, asked_by, check_stop, one_of_many

__all__ = [
    "ONE_SLICE",
    "BatchSampler",
    "Forward",
    "ForwardAll",
    "PlainEpochs",
    "ShardingSpec",
    "Stop",
    "Stopped",
    "TrainingProgram",
    "TrainingRows",
    "TrainingSpan",
    "asked_by",
    "batch_norm_dx",
    "check_stop",
    "check_targets",
    "compiles",
    "get_num_threads",
    "largest_columns",
    "merged_statistics",
    "obstacle",
    "one_of_many",
    "row_order",
    "train",
    "training_obstacle",
]
