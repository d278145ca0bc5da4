"""Arrays that handnn creates and training writes start at a cache line and share none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import handnn
from handnn import Adam, MSELoss, Network, Trainer
from handnn.arrays import CACHE_LINE, in_own_lines
from handnn.layers import Affine, BatchNorm, Embedding, LayerNorm

LAYERS = [
    Embedding.random(3, 2, rng=0),
    Affine.random(3, 1, rng=0),
    LayerNorm.new(1),
    BatchNorm.new(1),
    Affine.random(1, 1, init="zeros"),
]


def lines(array):
    first = array.__array_interface__["data"][0]
    return first // CACHE_LINE, -(-(first + array.nbytes) // CACHE_LINE)


@pytest.mark.parametrize("shape", [(), (1,), (17,), (3, 5), (16, 16)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_own_lines_returns_an_aligned_copy(shape, dtype):
    values = np.random.default_rng(0).normal(size=shape)
    copy = in_own_lines(values, dtype)
    assert copy.__array_interface__["data"][0] % CACHE_LINE == 0
    assert copy.flags.c_contiguous and copy.flags.writeable and copy.flags.aligned
    np.testing.assert_array_equal(copy, np.asarray(values, dtype), strict=True)
    copy += 1
    assert not np.any(copy == values)


@pytest.mark.parametrize("make", [lambda network: network, lambda network: network.astype("f8")])
def test_params_and_states_share_no_cache_line(make):
    network = make(Network(LAYERS))
    trainer = Trainer(network, MSELoss(), Adam())
    trainer.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=1, batch_size=4)
    arrays = [*network.params.values()]
    arrays += [a for state in trainer.optimizer.state.values() for a in state.values()]
    assert all(array.__array_interface__["data"][0] % CACHE_LINE == 0 for array in arrays)
    spans = sorted(map(lines, arrays))
    assert all(last <= first for (_, last), (first, _) in pairwise(spans))
    assert len(spans) == 3 * len(network.params)


LONG = np.zeros((2**40, 0))
"""A list of its rows would fill the memory."""


@pytest.mark.parametrize(
    "call",
    [
        lambda: handnn.Network(LONG),
        lambda: handnn.Residual(LONG),
        lambda: handnn.Ensemble(LONG),
        lambda: handnn.train_many(LONG, [[1.0]], [[1.0]], epochs=1),
        lambda: handnn.TableModel(LONG, None, None),
        lambda: handnn.Columns(LONG),
        lambda: handnn.Columns.learn({"a": [1.0]}, gaps=LONG),
        lambda: handnn.Trainer(
            handnn.mlp([1, 1]), handnn.MSELoss(), handnn.SGD(0.1), callbacks=LONG
        ),
    ],
)
def test_an_array_is_not_a_list_of_objects(call):
    with pytest.raises(TypeError, match=r"must be a list, but is an array|must be strings"):
        call()
