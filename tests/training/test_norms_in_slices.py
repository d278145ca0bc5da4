"""BatchNorm of a batch in slices: the statistics and the gradient are those of the whole batch."""

from __future__ import annotations

import copy
import textwrap

import numpy as np
import pytest

from handnn import SGD, Adam, Affine, BatchNorm, MSELoss, Network, Residual, Tanh, Trainer
from handnn.layers.sequence import Container
from handnn.training.distributed.ranks import Ranks
from handnn.training.distributed.sharding import Sharding
from handnn.training.distributed.step import ShardedStep
from handnn.training.loop import loss_and_gradients
from tests.engine.fits import rows
from tests.own_bricks import Halve, Scale
from tests.training.test_ranks import facts
from tests.training.test_ranks import network as ranked


def network(dtype="float64"):
    rng = np.random.default_rng(0)
    inner = [Affine.random(8, 8, rng=rng, dtype=dtype), BatchNorm.new(8, dtype), Tanh()]
    ends = [Affine.random(5, 8, rng=rng, dtype=dtype), Affine.random(8, 2, rng=rng, dtype=dtype)]
    found = Network([ends[0], BatchNorm.new(8, dtype), Tanh(), Residual(inner), ends[1]])
    for name, array in found.params.items():
        if name.endswith(("gamma", "beta")):
            array += rng.normal(size=array.shape) / 4
    return found


def sharded(one, shards, *data):
    """Return the loss and the gradients of a batch in slices."""
    step = ShardedStep(Ranks(Sharding(shards)), one)
    value, _, grads, _ = step.loss_and_gradients(one, MSELoss(), data)
    return value, {name: grad.copy() for name, grad in grads.items()}


@pytest.mark.parametrize("n_rows", [2, 7, 40])
@pytest.mark.parametrize("shards", [2, 3, 16])
@pytest.mark.parametrize("own", [[], [Halve(), Scale(2, "float64")]], ids=["", "own bricks"])
def test_the_whole_batch_counts(shards, n_rows, own):
    data = rows(n_rows, 5, 2, "float64")
    whole, cut = (Network([*network().layers, *copy.deepcopy(own)]) for _ in range(2))
    value, _ = loss_and_gradients(whole, MSELoss(), *data)
    found, grads = sharded(cut, shards, *data)
    assert found == pytest.approx(value, rel=1e-12)
    for name, grad in whole.grads.items():
        # With two rows, the gradient of all bricks before a norm is almost 0.
        np.testing.assert_allclose(grads[name], grad, rtol=1e-10, atol=1e-12, err_msg=name)
    for name, array in whole.buffers.items():
        np.testing.assert_allclose(cut.buffers[name], array, rtol=1e-13, atol=1e-15)


def test_the_gradient_is_that_of_the_loss():
    data = rows(9, 5, 2, "float64")
    one, step = network(), 1e-6
    _, grads = sharded(one, 4, *data)
    for name, array in one.params.items():
        for place in np.ndindex(array.shape):
            before, losses = array[place], []
            for shift in (-step, step):
                array[place] = before + shift
                losses.append(sharded(one, 4, *data)[0])
            array[place] = before
            slope = (losses[1] - losses[0]) / (2 * step)
            assert grads[name][place] == pytest.approx(slope, rel=1e-6, abs=1e-8), (name, place)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_of_values_far_from_zero(dtype):
    x = 1e4 + np.random.default_rng(0).normal(size=(1000, 3)).astype(dtype)
    layer = BatchNorm.new(3, dtype)
    layer.momentum = 1.0
    one = Trainer(Network([layer]), MSELoss(), SGD(0.0), rng=0, shards=16)
    one.fit(x, np.zeros_like(x), 1, 1000)
    exact = x.astype("float64")
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(layer.running_mean, exact.mean(0), rtol=16 * eps)
    # A mean near 1e4 is a multiple of 8192 eps. Merging two slices of equal size adds a quarter of
    # the squared difference of their means, which is below 1/2: off by at most 8192 eps / 4.
    np.testing.assert_allclose(layer.running_var, exact.var(0, ddof=1), rtol=2048 * eps)


def test_a_batch_needs_two_rows():
    x, y, _ = rows(1, 5, 2, "float64")
    with pytest.raises(ValueError, match="training needs at least two rows, but x has 1"):
        Trainer(network(), MSELoss(), SGD(0.1), shards=4).train_step(x, y)


class OwnNorm(BatchNorm):
    """A subclass, whose forward may do anything."""


class OwnBlock(Container):
    """A brick that contains others."""

    def __init__(self, block):
        self.block = block

    def forward(self, x):
        return self.block[0].forward(x)

    def backward(self, dout):
        return self.block[0].backward(dout)


def test_norms_that_cannot_be_cut():
    x, y, _ = rows(8, 2, 2)
    norm = OwnNorm(np.ones(2, "f4"), np.zeros(2, "f4"))
    inner = OwnBlock([BatchNorm.new(2)])
    for layer, message in [
        (norm, "layer 1 is a subclass of BatchNorm, whose statistics are not known for 2 shards"),
        (inner, "layer 1.0 is a BatchNorm in a brick of your own, whose statistics"),
    ]:
        layers = [Affine.random(2, 2, rng=0), layer]
        Trainer(Network(layers), MSELoss(), SGD(0.1)).fit(x, y, 1, 4)
        with pytest.raises(ValueError, match=message):
            Trainer(Network(layers), MSELoss(), SGD(0.1), shards=2).fit(x, y, 1, 4)


FAILING = textwrap.dedent(
    """
    from mpi4py import MPI
    from handnn import Adam, MSELoss, Trainer
    from handnn.training.distributed.step import ShardedStep
    from tests.engine.fits import rows
    from tests.training.test_ranks import facts, network

    comm, real, calls = MPI.COMM_WORLD, ShardedStep.exchange_columns, []

    def exchange_columns(step, *given):
        calls.append(given)
        if comm.rank == 1 and len(calls) == 8:  # between two norms of the second step
            raise OSError("no network")
        real(step, *given)

    ShardedStep.exchange_columns = exchange_columns
    x, y, _ = rows(90, 5, 2)
    for engine in ("auto", "bricks"):
        calls.clear()
        options = {"comm": comm, "rng": 1, "engine": engine}
        one = Trainer(network(batch_norm=True), MSELoss(), Adam(0.01), **options)
        try:
            one.fit(x, y, 1, 30, shuffle=False)
        except (OSError, RuntimeError) as error:
            text = f"{type(error).__name__} {facts(one)[0]} {facts(one)[2]}"
            for rank, line in enumerate(comm.gather(text) or ()):
                print(engine, rank, line, flush=True)
    """
)


def test_an_error_between_two_norms_leaves_the_state_after_a_complete_step(run_ranks):
    x, y, _ = rows(90, 5, 2)
    alone = Trainer(ranked(batch_norm=True), MSELoss(), Adam(0.01), rng=1, shards=16)
    alone.fit(x[:30], y[:30], 1, 30, shuffle=False)
    expected = f"{facts(alone)[0]} {facts(alone)[2]}"
    done = run_ranks(2, "-c", FAILING)
    assert done.stdout.splitlines() == [
        f"{engine} {rank} {error} {expected}"
        for engine in ("auto", "bricks")
        for rank, error in enumerate(["RankError", "OSError"])
    ], done.stderr
