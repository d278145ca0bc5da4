"""Slices of a batch: the bits depend on their number, but not on the ranks that compute them."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from handnn import (
    GELU,
    LBFGS,
    SGD,
    Adam,
    Affine,
    BatchNorm,
    Dropout,
    LayerNorm,
    MSELoss,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Trainer,
    mlp,
)
from handnn.training.distributed import tree
from handnn.training.distributed.places import here
from tests.engine.fits import digest, rows
from tests.own_bricks import Halve, Scale


def network(dtype="float32", own=False, batch_norm=False):
    """Return a network with every brick that depends on the position of a row."""
    rng = np.random.default_rng(0)

    def affine(n_in, n_out):
        return Affine.random(n_in, n_out, rng=rng, dtype=dtype)

    def norms(n_columns):
        return [BatchNorm.new(n_columns, dtype)] if batch_norm else []

    norm = LayerNorm(np.ones(8, dtype), np.zeros(8, dtype))
    block = Residual([affine(8, 8), *norms(8), GELU(), Dropout(0.1, rng=4)])
    end = [Halve(), Scale(8, dtype)] if own else []
    start = [*norms(5), affine(5, 8), *norms(8)]
    return Network([*start, norm, ReLU(), Dropout(0.2, rng=3), block, *end, affine(8, 2)])


def trained(shards=4, comm=None, dtype="float32", batch_size=30, bricks=(), **options):
    """Return a trainer after three epochs, whose last batches are shorter."""
    x, y, weight = rows(51, 5, 2, dtype)
    optimizer = Adam(0.01, clip_norm=1.0)
    options = {"rng": 1, "comm": comm, "shards": shards, **options}
    one = Trainer(network(dtype, **dict.fromkeys(bricks, True)), MSELoss(), optimizer, **options)
    one.fit(x, y, 2, batch_size, validation=0.1, sample_weight=weight)
    one.fit(x, y, 1, batch_size, metrics="mae")
    return one


def facts(trainer):
    history, network = trainer.history, trainer.network
    buffers = [array.tobytes() for array in network.buffers.values()]
    return digest(network), history.train_loss, buffers, history.metrics


@pytest.mark.parametrize("batch_norm", [False, True])
def test_one_shard_is_the_usual_training(batch_norm):
    x, y, weight = rows(51, 5, 2)
    usual = Trainer(network(batch_norm=batch_norm), MSELoss(), Adam(0.01, clip_norm=1.0), rng=1)
    usual.fit(x, y, 2, 30, validation=0.1, sample_weight=weight)
    usual.fit(x, y, 1, 30, metrics="mae")
    bricks = ["batch_norm"] if batch_norm else []
    assert facts(usual) == facts(trained(shards=1, bricks=bricks))
    assert facts(usual) != facts(trained(shards=4, bricks=bricks))


@pytest.mark.parametrize("bricks", [(), ("batch_norm",)], ids=["", "BatchNorm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shards", [2, 5, 16])
def test_both_engines_have_the_same_bits(dtype, shards, bricks):
    for batch_size in (30, 4 if bricks else 3):  # fewer rows than slices
        one, other = (
            trained(shards, dtype=dtype, batch_size=batch_size, bricks=bricks, engine=engine)
            for engine in ("auto", "bricks")
        )
        assert facts(one) == facts(other)


def test_the_gradient_is_that_of_the_whole_batch():
    x, y, weight = rows(40, 5, 2, "float64")
    for loss in (MSELoss(), MSELoss("article"), SoftmaxCrossEntropy()):
        params = []
        for shards in (1, 16):
            one = Trainer(mlp([5, 8, 2], rng=0, dtype="float64"), loss, SGD(0.1), shards=shards)
            labels = isinstance(loss, SoftmaxCrossEntropy)
            one.train_step(x, (y[:, 0] > 0).astype(int) if labels else y, weight)
            params.append(one.network.params)
        for name, array in params[0].items():
            np.testing.assert_allclose(params[1][name], array, rtol=1e-12, atol=1e-13)


def test_the_tree_is_the_same_for_any_ranks():
    values = np.random.default_rng(0).normal(size=16).astype("float32") ** 9

    def total(n_ranks):
        known = {}
        for rank in range(n_ranks):
            first, last = rank * 16 // n_ranks, (rank + 1) * 16 // n_ranks
            for node in tree.nodes_within(first, last, (0, 16)):
                known[node] = tree.tree_sum(node, single, lambda node: False)
        return tree.tree_sum((0, 16), known.get, lambda node: False)

    def single(node):
        return values[node[0]] if node[1] - node[0] == 1 else None

    assert len({total(n_ranks).tobytes() for n_ranks in range(1, 17)}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "shards must be at least 1"),
        ({"comm": 3}, "comm must be a communicator such as MPI.COMM_WORLD, but is 3"),
        ({"deadline": 0}, "deadline"),
    ],
    ids=["no shards", "no communicator", "no time"],
)
def test_bad_arguments(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Trainer(mlp([1, 1]), MSELoss(), SGD(0.1), **options)


def test_a_checkpoint_keeps_the_number_of_shards(tmp_path):
    x, y, _ = rows(100, 5, 2)
    one = Trainer(network(), MSELoss(), Adam(0.01), rng=1, shards=3)
    one.fit(x, y, 2, 30, checkpoint=tmp_path / "one")
    resumed = Trainer.resume(tmp_path / "one")
    assert resumed.shards == 3
    resumed.fit(x, y, 4)
    whole = Trainer(network(), MSELoss(), Adam(0.01), rng=1, shards=3)
    whole.fit(x, y, 4, 30)
    assert facts(resumed)[:3] == facts(whole)[:3]
    resumed = Trainer.resume(tmp_path / "one")
    resumed.shards = 4
    with pytest.raises(ValueError, match="shards is 4, but the interrupted fit had 3"):
        resumed.fit(x, y, 4)


def test_lbfgs():
    pytest.importorskip("scipy")
    x, y, _ = rows(40, 5, 2, "float64")
    losses, bits = [], []
    for shards in (1, 4):
        one = Trainer(mlp([5, 8, 2], rng=0, dtype="float64"), MSELoss(), LBFGS(), shards=shards)
        losses.append(one.fit(x, y, 5, 40).train_loss)
        bits.append(digest(one.network))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    assert len(set(bits)) == 2


BITS = textwrap.dedent(
    """
    from mpi4py import MPI
    from tests.training.test_ranks import facts, trained

    comm = MPI.COMM_WORLD
    found = [facts(trained(8, comm)), facts(trained(8, comm, engine="bricks", bricks=["own"]))]
    found.append(facts(trained(8, comm, batch_size=3)))
    for size in (30, 4):  # at the end, two rows for three ranks
        found.append(facts(trained(8, comm, batch_size=size, bricks=["batch_norm"])))
    found.append(facts(trained(8, comm, batch_size=4, bricks=["own", "batch_norm"])))
    found = comm.gather(repr(found))
    if comm.rank == 0:
        assert len(set(found)) == 1
        print(found[0])
    """
)


def test_the_bits_do_not_depend_on_the_ranks(run_ranks):
    done = run_ranks(3, "-c", BITS)
    expected = [facts(trained(8)), facts(trained(8, engine="bricks", bricks=["own"]))]
    expected.append(facts(trained(8, batch_size=3)))
    for size in (30, 4):
        expected.append(facts(trained(8, batch_size=size, bricks=["batch_norm"])))
    expected.append(facts(trained(8, batch_size=4, bricks=["own", "batch_norm"])))
    assert done.stdout.strip() == repr(expected), done.stderr


TROUBLE = textwrap.dedent(
    """
    import os, signal, sys
    import numpy as np
    from mpi4py import MPI
    from handnn import Adam, MSELoss, Trainer
    from tests.engine.fits import rows
    from tests.training.test_ranks import network

    comm = MPI.COMM_WORLD
    x, y, _ = rows(100, 5, 2)

    def fit(title, callback=None, x=x, rng=1, **options):
        def call(trainer):
            return callback(trainer) if callback and comm.rank == 1 else None
        one = Trainer(network(), MSELoss(), Adam(0.01), rng=rng, comm=comm, callbacks=[call])
        try:
            one.fit(x, y, **{"epochs": 10**6, "batch_size": 30, **options})
            result = "ended"
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        for rank, text in enumerate(comm.gather(f"{len(one.history)} {result}") or ()):
            print(f"{title} {rank} {text}", flush=True)

    def fail(trainer):
        raise OSError("no space")

    def terminate(trainer):
        if len(trainer.history) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    def cheat(trainer):
        trainer.network.params["0.w"][0, 0] += 1

    fit("data", x=x + comm.rank)
    fit("seed", rng=None)
    fit("argument", epochs=10 if comm.rank == 0 else 0)
    fit("callback", fail)
    fit("end", lambda trainer: True)
    fit("weights", cheat)
    fit("terminated", terminate, checkpoint=sys.argv[1])
    """
)


def test_trouble_of_one_rank_reaches_all(run_ranks, tmp_path):
    done = run_ranks(2, "-c", TROUBLE, str(tmp_path / "checkpoint"))
    found = {}
    for line in done.stdout.splitlines():
        title, rank, text = line.split(" ", 2)
        found[title, int(rank)] = text
    assert len(found) == 14, done.stdout + done.stderr
    for rank in range(2):
        assert "0 ValueError: Trainer.fit: x of rank 1 differs from" in found["data", rank]
        assert "the network of rank 1 differs" not in found["seed", rank]
        assert "0 ValueError: Trainer.fit: the seed (rng) of rank 1" in found["seed", rank]
        assert found["end", rank] == "1 ended"
        assert "RuntimeError: Trainer.fit: the weights of the" in found["weights", rank]
        assert found["terminated", rank].split(":")[0] == found["terminated", 0].split(":")[0]
        assert "KeyboardInterrupt" in found["terminated", rank]
    assert found["argument", 1].startswith("0 ValueError: Trainer.fit: epochs must be at least 1")
    assert "RankError: rank 1 on" in found["argument", 0] and "epochs must" in found["argument", 0]
    assert found["callback", 1] == "1 OSError: no space"
    assert "RankError: rank 1 on" in found["callback", 0]
    assert found["callback", 0].endswith("OSError: no space")
    resumed = Trainer.resume(tmp_path / "checkpoint")
    n_epochs = int(found["terminated", 0].split()[0])
    assert 3 <= len(resumed.history) <= n_epochs + 1 and resumed.shards == 16
    x, y, _ = rows(100, 5, 2)
    resumed.fit(x, y, n_epochs + 2)
    whole = Trainer(network(), MSELoss(), Adam(0.01), rng=1, shards=16)
    whole.fit(x, y, n_epochs + 2, 30)
    assert facts(resumed)[:3] == facts(whole)[:3]


LOST = textwrap.dedent(
    """
    import time
    from mpi4py import MPI
    from handnn import Adam, MSELoss, Trainer
    from tests.engine.fits import rows
    from tests.training.test_ranks import network

    comm = MPI.COMM_WORLD
    x, y, _ = rows(100, 5, 2)

    def call(trainer):
        if comm.rank == 1 and len(trainer.history) == 2:
            time.sleep(3600)

    options = {"rng": 1, "comm": comm, "deadline": 5, "callbacks": [call]}
    one = Trainer(network(), MSELoss(), Adam(0.01), **options)
    one.fit(x, y, 10**6, 30)
    """
)


def test_a_rank_that_hangs_is_named(run_ranks):
    done = run_ranks(2, "-c", LOST)
    assert done.returncode != 0
    assert f": rank 1 on {here().host} (process " in done.stderr
    assert ") did not answer within 5 s; ending all 2 ranks" in done.stderr
