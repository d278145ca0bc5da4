"""The engine returns the bits of the bricks on any machine."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

import handnn
from handnn import (
    MAE,
    SGD,
    Affine,
    DivergenceError,
    Dropout,
    Huber,
    LeakyReLU,
    MSELoss,
    Network,
    ReLU,
    Sigmoid,
    Trainer,
    mlp,
)
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, rows, run_python, trainer

DTYPES = ["float32", "float64"]
SUPPORTED = handnn.cpu_info()["supported"]
WITH_FMA = [isa for isa in SUPPORTED if isa != "v2"]

NETWORKS = {
    "one affine": lambda dtype: mlp([5, 3], rng=0, dtype=dtype),
    "relu": lambda dtype: mlp([5, 16, 3], rng=0, dtype=dtype),
    "wide relu": lambda dtype: mlp([5, 70, 64, 3], rng=0, dtype=dtype),
    "sigmoid": lambda dtype: mlp([5, 7, 33, 3], "sigmoid", rng=0, dtype=dtype),
    "two affines in a row": lambda dtype: Network(
        [Affine.random(5, 17, rng=1, dtype=dtype), Affine.random(17, 3, rng=2, dtype=dtype)]
    ),
    "an activation first and last": lambda dtype: Network(
        [
            *(Sigmoid(), ReLU(), Affine.random(5, 8, rng=1, dtype=dtype)),
            *(Sigmoid(), ReLU(), Affine.random(8, 3, rng=2, dtype=dtype), Sigmoid()),
        ]
    ),
}
SCHEDULES = {
    "plain": SGD(0.003),
    "momentum": SGD(0.002, momentum=0.9),
    "nesterov and weight decay": SGD(0.002, momentum=0.8, nesterov=True, weight_decay=0.01),
    "weight decay": SGD(0.003, weight_decay=0.1),
}


def optimizer(name):
    """Return a new trainer, whose optimizer has no velocities yet."""
    one = SCHEDULES[name]
    return SGD(one.lr, one.momentum, one.nesterov, one.weight_decay)


def assert_same_fit(build, *data, **options):
    """Check that both engines fit `build(engine)` to the same weights, velocities and losses."""
    fits = {}
    for engine in ("compiled", "bricks"):
        one = build(engine)
        before = digest(one.network)
        history = one.fit(*data, **options)
        assert digest(one.network) != before
        fits[engine] = one.network.params, one.optimizer.velocities, history
    for compiled, bricks in zip(fits["compiled"][:2], fits["bricks"][:2], strict=True):
        assert list(compiled) == list(bricks)
        for name in bricks:
            assert_same_bits(compiled[name], bricks[name], name)
    compiled, bricks = fits["compiled"][2], fits["bricks"][2]
    assert np.isfinite(bricks.train_loss).all()
    assert compiled.train_loss == bricks.train_loss
    assert compiled.validation_loss == bricks.validation_loss
    assert compiled.metrics == bricks.metrics


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 7, 32, 44, 45])
@pytest.mark.parametrize("name", NETWORKS)
def test_same_bits_for_all_networks_and_batch_sizes(name, batch_size, dtype):
    """With 45 rows, the last batch of 7 or 32 is shorter, and that of 44 is a single row."""

    def build(engine):
        network = NETWORKS[name](dtype)
        return Trainer(network, MSELoss(), optimizer("momentum"), engine=engine, rng=3)

    x, y, weight = rows(45, 5, 3, dtype)
    for more in ({}, {"sample_weight": weight, "shuffle": False}):
        assert_same_fit(build, x, y, epochs=3, batch_size=batch_size, **more)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gradient", ["exact", "article"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_same_bits_for_all_schedules_and_gradients(schedule, gradient, dtype):
    def build(engine):
        network = mlp([5, 9, 3], rng=0, dtype=dtype)
        return Trainer(network, MSELoss(gradient), optimizer(schedule), engine=engine, rng=3)

    x, y, weight = rows(45, 5, 3, dtype)
    assert_same_fit(build, x, y, epochs=4, batch_size=8)
    assert_same_fit(build, x, y, epochs=4, batch_size=8, sample_weight=weight)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_of_large_batches_in_blocks_of_rows(threads, clip_norm, dtype):
    """The arrays of 600 rows are larger than a block; the last batch has 100 rows."""

    def build(engine):
        bricks = [
            *(Affine.random(5, 900, rng=1, dtype=dtype), ReLU()),
            *(Affine.random(900, 64, rng=5, dtype=dtype), ReLU(), Dropout(0.3, rng=4)),
            *(Sigmoid(), Affine.random(64, 3, rng=2, dtype=dtype)),
        ]
        sgd = SGD(0.003, momentum=0.9, clip_norm=clip_norm)
        return Trainer(Network(bricks), MSELoss(), sgd, engine=engine, rng=3)

    x, y, weight = rows(1300, 5, 3, dtype)
    before = handnn.get_num_threads()
    handnn.set_num_threads(threads)
    try:
        assert_same_fit(build, x, y, epochs=2, batch_size=600, sample_weight=weight)
    finally:
        handnn.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", [MSELoss, MAE])
@pytest.mark.parametrize("last", [Sigmoid, ReLU])
def test_same_bits_and_outputs_of_blocks_of_a_network_that_ends_in_an_activation(
    last, loss, threads, dtype
):
    def build(engine):
        network = Network([Affine.random(5, 900, rng=1, dtype=dtype), last()])
        return Trainer(network, loss(), SGD(0.003), engine=engine, rng=3)

    x, y, _ = rows(1300, 5, 900, dtype)
    before = handnn.get_num_threads()
    handnn.set_num_threads(threads)
    try:
        assert_same_fit(build, x, y, epochs=2, batch_size=600, metrics="mae")
    finally:
        handnn.set_num_threads(before)


def change_rates(trainer):
    trainer.optimizer.lr *= 0.7
    trainer.optimizer.momentum = [0.9, 0.0, 0.5][len(trainer.history) % 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_when_callbacks_change_rates(dtype):
    x, y, _ = rows(45, 5, 3, dtype)
    assert_same_fit(
        lambda engine: trainer((5, 9, 3), dtype, engine, callbacks=[change_rates]),
        x, y, epochs=7, batch_size=8,
    )  # fmt: skip


def new_array(one):
    one.network.layers[0].w = one.network.layers[0].w * 1.5


def new_rate_of_one(one):
    one.optimizer.lr_scales["2.w"] = 1 / len(one.history)


def no_velocities(one):
    one.optimizer.state.clear()


def another_slope(one):
    one.network.layers[1].slope = 1 / len(one.history)


def another_brick(one):
    one.network.layers[1] = Sigmoid()


def another_loss(one):
    one.loss.delta = 1 / len(one.history)


@pytest.mark.parametrize(
    "change",
    [new_array, new_rate_of_one, no_velocities, another_slope, another_brick, another_loss],
)
def test_same_bits_when_callbacks_change_the_network(change):
    x, y, _ = rows(45, 5, 3)

    def new(engine):
        layers = [Affine.random(5, 9, rng=0), LeakyReLU(0.1), Affine.random(9, 3, rng=1)]
        optimizer = SGD(0.05, momentum=0.9, lr_scales={"2": 0.5})
        return Trainer(
            Network(layers), Huber(), optimizer, engine=engine, rng=1, callbacks=[change]
        )

    assert_same_fit(new, x, y, epochs=4, batch_size=8)


@pytest.mark.parametrize("validation", [0.3, "pair"])
def test_same_validation_losses(validation):
    x, y, weight = rows(45, 5, 3)
    if validation == "pair":
        validation = rows(11, 5, 3, seed=1)[:2]
    for more in ({}, {"sample_weight": weight}):
        assert_same_fit(
            lambda engine: trainer((5, 9, 3), engine=engine),
            x, y, epochs=3, batch_size=8, validation=validation, **more,
        )  # fmt: skip


def test_one_dimensional_targets_and_strided_rows():
    x, y, _ = rows(90, 10, 1)
    assert_same_fit(
        lambda engine: trainer((5, 9, 1), engine=engine),
        x[::-2, ::2], y[::2, 0].tolist(), epochs=3, batch_size=8,
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_non_finite_loss_keeps_the_weights_before_it(wrong):
    x, y, _ = rows(45, 5, 3)
    whole = trainer()
    whole.fit(x[:16], y[:16], epochs=1, batch_size=8, shuffle=False)
    x[20, 0] = wrong
    for engine in ("compiled", "bricks"):
        one = trainer(engine=engine)
        with np.errstate(all="ignore"), pytest.raises(DivergenceError) as error:
            one.fit(x, y, epochs=2, batch_size=8, shuffle=False)
        assert (error.value.epoch, error.value.step) == (1, 3)
        assert "x has NaN or inf in 1 of these 8 rows" in str(error.value)
        assert digest(one.network) == digest(whole.network)
        assert one.optimizer.steps == 2 and len(one.history) == 0


def test_consecutive_fits_continue_with_either_engine():
    """Each fit draws a new order, and either engine can continue the fit of the other."""
    x, y, _ = rows(45, 5, 3)
    digests = set()
    for engines in (["compiled"] * 3, ["bricks"] * 3, ["bricks", "compiled", "bricks"]):
        one = trainer()
        for one.engine in engines:
            one.fit(x, y, epochs=2, batch_size=8)
        digests.add(digest(one.network))
    assert len(digests) == 1


# ---- threads and instruction sets ----------------------------------------------------------------


def shared_fit(dtype, engine):
    """Train 1,000 steps that are large enough to be shared among threads."""
    network = mlp([230, 64, 24, 10], "sigmoid", rng=0, dtype=dtype)
    network.layers[1] = ReLU()
    x, y, _ = rows(240, 230, 10, dtype)
    sgd = SGD(0.02, momentum=0.9, nesterov=True, weight_decay=1e-4)
    one = Trainer(network, MSELoss(), sgd, engine=engine, rng=1)
    one.fit(x, y, epochs=200, batch_size=48)
    return network


def digests():
    """Return, for each dtype, the distinct hashes over the bricks and all numbers of threads."""
    found = {}
    for dtype in DTYPES:
        found[dtype] = {digest(shared_fit(dtype, "bricks"))}
        for threads in (1, 2, 3, 4, 7, 8):
            handnn.set_num_threads(threads)
            found[dtype].add(digest(shared_fit(dtype, "compiled")))
    return found


def test_same_hash_for_all_threads_engines_and_instruction_sets():
    """Each instruction set runs in a separate process; see the end of this file."""
    found = {}
    for isa in WITH_FMA or SUPPORTED:
        result = run_python("-m", "tests.engine.test_bits", HANDNN_ISA=isa)
        assert result.returncode == 0, result.stderr
        found[isa] = result.stdout.splitlines()
        assert len(found[isa]) == len(DTYPES), f"{isa}: {result.stdout}"
    assert len({tuple(lines) for lines in found.values()}) == 1, found


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_steps_of_that_fit_are_shared():
    """Check the assumption of the test above."""
    script = (
        "import os, handnn; from tests.engine import test_bits\n"
        "def threads(n):\n"
        "    handnn.set_num_threads(n)\n"
        "    test_bits.shared_fit('float32', 'compiled')\n"
        "    return len(os.listdir('/proc/self/task'))\n"
        "alone = threads(1)\n"
        "print([threads(n) - alone for n in (3, 5, 2)])"
    )
    result = run_python("-c", script)
    assert result.stdout == "[2, 4, 1]\n", result.stderr


# ---- predict -------------------------------------------------------------------------------------


def assert_same_predictions():
    for dtype in DTYPES:
        for sizes in ([2, 16, 1], [13, 64, 64, 1], [50, 33, 10], [7, 5], [300, 129, 3]):
            for activation in ("relu", "sigmoid"):
                network = mlp(sizes, activation, rng=0, dtype=dtype)
                x, _, _ = rows(150, sizes[0], 1, dtype)
                expected = network.forward(x)
                assert_same_bits(network.predict(x), expected, f"{sizes} at once")
                for count in (1, 2, 7, 63, 64, 65):
                    out = np.full((count, sizes[-1]), np.nan, dtype)
                    assert network.predict(x[:count], out) is out
                    assert_same_bits(out, expected[:count], f"{sizes}, {count} rows")
                one_by_one = np.concatenate([network.predict(row[None]) for row in x])
                assert_same_bits(one_by_one, expected, f"{sizes} one by one")


@pytest.mark.parametrize("isa", SUPPORTED)
def test_predict_has_the_bits_of_forward_for_any_number_of_rows(isa):
    script = "from tests.engine import test_bits; test_bits.assert_same_predictions()"
    result = run_python("-c", script, HANDNN_ISA=isa)
    assert result.returncode == 0, result.stderr


if __name__ == "__main__":
    for name, found in digests().items():
        if len(found) > 1:
            sys.exit(f"{os.environ.get('HANDNN_ISA')}: {name}: {len(found)} different hashes")
        print(name, *found)
