"""The engine supports every loss: weights and reported losses have the bits of the bricks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import handnn
from handnn import SGD, Affine, DivergenceError, Network, Tanh, Trainer
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, run_python
from tests.engine.test_bits import DTYPES, assert_same_fit
from tests.losses.losses import LOSSES, OUTPUTS

every_loss = pytest.mark.parametrize("name", LOSSES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
SHARED = (300, 48, 24)  # with six columns and batches of 64, steps are shared among threads


def rows(name, count, n_in, dtype):
    _, y, weight = LOSSES[name].rows(count, dtype)
    return np.random.default_rng(1).normal(size=(count, n_in)).astype(dtype), y, weight


def trainer(name, sizes, dtype, engine):
    """Return a network of Affine and Tanh, whose outputs are small enough for exp in float32."""
    layers = []
    for index, (n_in, n_out) in enumerate(zip(sizes, [*sizes[1:], OUTPUTS], strict=True)):
        layers += [Affine.random(n_in, n_out, "xavier", rng=index, dtype=dtype), Tanh()]
    network = Network(layers[:-1])
    sgd = SGD(0.003, momentum=0.9)
    return Trainer(network, LOSSES[name].build(), sgd, engine=engine, rng=3)


@every_loss
@both_dtypes
@pytest.mark.parametrize("batch_size", [1, 7, 16, 45])
def test_a_compiled_fit_has_the_bits_of_the_bricks(name, batch_size, dtype):
    """With 45 rows, the last batch of 7 or 16 is shorter."""
    x, y, weight = rows(name, 45, 5, dtype)

    def build(engine):
        return trainer(name, (5, 9), dtype, engine)

    for more in ({}, {"sample_weight": weight}, {"validation": 0.2, "sample_weight": weight}):
        assert_same_fit(build, x, y, epochs=3, batch_size=batch_size, **more)


@every_loss
@both_dtypes
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_bits_of_the_bricks(name, threads, dtype):
    handnn.set_num_threads(threads)
    x, y, weight = rows(name, 150, 300, dtype)
    assert_same_fit(
        lambda engine: trainer(name, SHARED, dtype, engine),
        x, y, epochs=2, batch_size=64, sample_weight=weight,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_steps_of_that_fit_are_shared():
    """Check the assumption of the test above."""
    script = (
        "import os, handnn; from tests.engine.test_losses import *\n"
        "x, y, _ = rows('MAE()', 150, 300, 'float32')\n"
        "def threads(n):\n"
        "    handnn.set_num_threads(n)\n"
        "    one = trainer('MAE()', SHARED, 'float32', 'compiled')\n"
        "    one.fit(x, y, epochs=20, batch_size=64)\n"
        "    return len(os.listdir('/proc/self/task'))\n"
        "alone = threads(1)\n"
        "print([threads(n) - alone for n in (2, 3)])"
    )
    result = run_python("-c", script)
    assert result.stdout == "[1, 2]\n", result.stderr


@every_loss
@both_dtypes
def test_one_long_run_and_many_short_ones_report_the_same_losses(name, dtype):
    """With a callback the engine is called once per epoch, with the same results."""
    x, y, _ = rows(name, 45, 5, dtype)
    fits = []
    for callbacks in ([], [lambda one: None]):
        one = trainer(name, (5, 9), dtype, "compiled")
        one.callbacks = callbacks
        fits.append((one.fit(x, y, epochs=5, batch_size=16).train_loss, digest(one.network)))
    assert fits[0] == fits[1]
    assert fits[0][0][0] != fits[0][0][4]


@both_dtypes
@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_labels_of_any_shape_and_dtype(engine, dtype):
    name = "SoftmaxCrossEntropy(label_smoothing=0.0, class_weight=None)"
    x, y, _ = rows(name, 45, 5, dtype)
    labels = y[:, 0].astype(np.int64)
    digests = set()
    for form in (y, labels, labels.tolist(), labels[:, None].astype(np.int8)):
        one = trainer(name, (5, 9), dtype, engine)
        one.fit(x, form, epochs=3, batch_size=16)
        digests.add(digest(one.network))
    assert len(digests) == 1


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@pytest.mark.parametrize("name", [name for name in LOSSES if name.startswith("Softmax")])
def test_nan_ends_training(engine, name):
    """A NaN in x, which is not checked, makes the loss NaN, and no param changes."""
    x, y, _ = rows(name, 45, 5, "float32")
    x[7, 2] = np.nan
    one = trainer(name, (5, 9), "float32", engine)
    before = digest(one.network)
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match="epoch 1, step 1: x has"):
        one.fit(x, y, epochs=1, batch_size=45)
    assert digest(one.network) == before


@every_loss
def test_train_step_returns_the_loss(name):
    x, y, weight = rows(name, 12, 5, "float64")
    one = trainer(name, (5, 9), "float64", "bricks")
    expected = LOSSES[name].build().forward(one.network.predict(x), y, weight)
    assert_same_bits(one.train_step(x, y, weight), expected)
