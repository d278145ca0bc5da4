"""Steps of small networks are taken in few calls, with the bits of the Python loop."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest

from handnn import SGD, Adam, DivergenceError, MSELoss, SoftmaxCrossEntropy, Trainer, mlp
from handnn.schedules import Cosine
from tests.bounds import assert_same_bits
from tests.engine.fits import rows
from tests.engine.test_bits import DTYPES
from tests.engine.test_optimizers import MAKERS, assert_same_fit

MAKERS = {**MAKERS, "Adam, soon without corrections": partial(Adam, 0.01, beta1=0.02, beta2=0.05)}
SHAPES = [
    (2, 3, 1),
    (1, 1, 1),
    (31, 8, 5),
    (3, 4, 16),
    (5, 2, 7),
    (4, 9, 3),
    (32, 2, 4),
    (3, 1, 17),
]
"""Inputs, outputs and rows of a batch; the last three are too large for some or all CPUs."""


def new_trainer(name, shape, dtype, engine, gradient="exact"):
    n_in, n_out, _ = shape
    network = mlp((n_in, n_out), rng=0, dtype=dtype)
    return Trainer(network, MSELoss(gradient), MAKERS[name](), engine=engine, rng=3)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_of_the_bricks(name, shape, dtype):
    n_in, n_out, batch_size = shape
    x, y, _ = rows(45, n_in, n_out, dtype)
    gradient = "article" if batch_size < 5 and name == "SGD" else "exact"
    fits = [new_trainer(name, shape, dtype, e, gradient) for e in ("compiled", "bricks")]
    for one in fits:
        one.fit(x, y, epochs=3, batch_size=batch_size, shuffle=name != "SGD", validation=0.25)
    assert_same_fit(*fits)


DEEP = [
    ((1, 1, 1), "relu", 1, "SGD"),
    ((2, 2, 2, 2), "relu", 3, "SGD"),
    ((2, 4, 1), "relu", 2, "SGD"),
    ((2, 4, 1), "tanh", 2, "SGD"),
    ((1, 1, 5), "gelu", 1, "SGD"),
    ((1, 2, 2), "sigmoid", 3, "SGD"),
    ((3, 1, 1, 4), "gelu", 4, "SGD"),
    ((1, 1, 1, 1, 2), "sigmoid", 2, "SGD"),
    ((6, 3, 5), "gelu", 2, "SGD"),
    ((1, 12, 2, 9), "sigmoid", 1, "Adam"),
    ((4, 3, 2), "elu", 4, "SGD"),
    ((2, 3, 2), "sigmoid", 1, "Adam, soon without corrections"),
    ((2, 16, 1), "sigmoid", 32, "SGD"),
    ((5, 2, 7, 16, 3), "gelu", 7, "RMSProp"),
    ((1, 1), "relu", 17, "Adam, soon without corrections"),
    ((1, 1, 1), "gelu", 33, "SGD"),
    ((1, 1, 1), "sigmoid", 4, "SGD"),
    ((1, 1, 1, 1), "gelu", 2, "Adam"),
    ((1, 1, 1, 1), "sigmoid", 5, "nesterov"),
    ((1, 1, 1, 1, 1), "relu", 53, "SGD"),
    ((9, 1, 16), "tanh", 2, "nesterov"),
    ((3, 4, 17), "relu", 1, "Adam"),
    ((3, 4, 2), "relu", 65, "SGD"),
]
"""Widths, activation, rows of a batch and optimizer; the last two networks are too large."""


@pytest.mark.parametrize(("sizes", "activation", "batch_size", "name"), DEEP, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [MSELoss, SoftmaxCrossEntropy])
def test_bits_of_the_bricks_of_several_affines(sizes, activation, batch_size, name, dtype, loss):
    x, y, _ = rows(67, sizes[0], sizes[-1], dtype)
    if loss is SoftmaxCrossEntropy:
        y = y.argmax(axis=1)
    fits = []
    for engine in ("compiled", "bricks"):
        network = mlp(sizes, activation, rng=0, dtype=dtype)
        one = Trainer(network, loss(), MAKERS[name](), engine=engine, rng=3)
        one.fit(x, y, epochs=2, batch_size=batch_size, shuffle=loss is MSELoss, validation=0.2)
        fits.append(one)
    assert_same_fit(*fits)


@pytest.mark.parametrize("bad", [0, 7, 43])
@pytest.mark.parametrize("is_nan", [False, True])
@pytest.mark.parametrize("name", ["SGD", "Adam, soon without corrections"])
@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [
        *(((n_in, n_out), n) for n_in, n_out, n in SHAPES[:4]),
        ((5, 1), 2),
        ((2, 4, 2), 2),
        ((2, 5, 3), 2),
        ((3, 16, 1), 11),
        ((1, 1, 1), 35),
    ],
    ids=str,
)
def test_the_step_that_diverges_is_not_taken(sizes, batch_size, name, is_nan, bad):
    x, y, _ = rows(45, sizes[0], sizes[-1])
    if is_nan:
        x[bad] = np.nan
    else:
        y[bad] = np.inf
    fits, steps = [], []
    for engine in ("compiled", "bricks"):
        network, optimizer = mlp(sizes, rng=0), MAKERS[name]()
        one = Trainer(network, MSELoss(), optimizer, engine=engine, rng=3)
        with pytest.raises(DivergenceError) as error:
            one.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False)
        fits.append(one)
        steps.append(error.value.step)
    assert steps[0] == steps[1] == bad // batch_size + 1
    assert fits[0].optimizer.steps == fits[1].optimizer.steps
    for name, array in fits[1].network.params.items():
        assert_same_bits(fits[0].network.params[name], array, name)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize(
    ("sizes", "name", "shards"),
    [
        ((1, 1, 1), "SGD", 1),
        ((3, 1), "SGD", 1),
        ((3, 3), "SGD", 1),
        ((1, 1, 1), "Adam", 1),
        ((2, 9, 1), "SGD", 1),
        ((2, 9, 9, 1), "Adam", 1),
        ((2, 300, 1), "SGD", 1),
        ((2, 300, 1), "SGD", 2),
    ],
)
def test_step_that_lifts_the_sum_of_losses_beyond_float64_is_not_taken(
    sizes, name, shards, batch_size
):
    """Each loss, times its rows, is finite: about 1.4e308 divided by the outputs."""
    x, y, _ = rows(28, sizes[0], sizes[-1], dtype=np.float64)
    y[:] = 1.2e154 / (batch_size * sizes[-1]) ** 0.5
    fits, errors = [], []
    for engine in ("compiled", "bricks"):
        network = mlp(sizes, rng=0, dtype=np.float64)
        one = Trainer(network, MSELoss(), MAKERS[name](), engine=engine, shards=shards)
        one.optimizer.lr = 1e-160
        with pytest.raises(DivergenceError, match="the loss is inf in epoch 1") as error:
            one.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False)
        fits.append(one)
        errors.append((str(error.value), error.value.step))
    assert errors[0] == errors[1]
    assert fits[0].optimizer.steps == fits[1].optimizer.steps == errors[0][1] - 1 == sizes[-1]
    for array, other in zip(*(one.network.params.values() for one in fits), strict=True):
        assert_same_bits(array, other)


@pytest.mark.parametrize("value", [0.0, -0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["SGD", "Adam, soon without corrections"])
def test_units_of_one_special_value(name, value):
    """Infinite and NaN biases stop the training; a negative infinite one at the second step."""
    fits = []
    x, y, _ = rows(9, 2, 2)
    for engine in ("compiled", "bricks"):
        network = mlp((2, 2, 2), rng=0)
        network.params["0.w"][...], network.params["0.b"][...] = 0, value
        one = Trainer(network, MSELoss(), MAKERS[name](), engine=engine, rng=3)
        with nullcontext() if value == 0 else pytest.raises(DivergenceError):
            one.fit(x, y, epochs=2, batch_size=1, shuffle=False)
        fits.append(one)
    assert fits[0].optimizer.steps == fits[1].optimizer.steps == (18 if value == 0 else value < 0)
    for array, other in zip(*(one.network.params.values() for one in fits), strict=True):
        assert_same_bits(array, other)


@pytest.mark.parametrize("sizes", [(2, 2), (1, 2, 1), (5, 3), (1, 1)], ids=str)
def test_momentum_that_becomes_0(sizes):
    """The velocities that exist are still updated."""
    fits = []
    x, y, _ = rows(20, sizes[0], sizes[-1])
    for engine in ("compiled", "bricks"):
        one = Trainer(mlp(sizes, rng=0), MSELoss(), SGD(0.05, momentum=0.9), engine=engine, rng=3)
        one.fit(x, y, epochs=2, batch_size=3)
        one.optimizer.momentum = 0
        one.fit(x, y, epochs=2, batch_size=3)
        fits.append(one)
    assert_same_fit(*fits)


OPTIONS = {
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.01},
    "weight decay": {"weight_decay": 0.1},
    "weight decay of all": {"weight_decay": 0.1, "decay_all": True},
    "lr_scales": {"lr_scales": {"0.b": 0.5}},
    "cosine": {"schedule": Cosine(20, final=0.1)},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["SGD", "Adam, soon without corrections"])
@pytest.mark.parametrize("sizes", [(2, 3), (5, 1), (2, 2, 1), (2, 5, 3), (1, 1, 1)], ids=str)
def test_options_of_the_optimizer(sizes, name, options):
    fits = []
    x, y, _ = rows(20, sizes[0], sizes[-1])
    for engine in ("compiled", "bricks"):
        optimizer = MAKERS[name](**OPTIONS[options])
        one = Trainer(mlp(sizes, rng=0), MSELoss(), optimizer, engine=engine, rng=3)
        one.fit(x, y, epochs=3, batch_size=6 if sizes == (1, 1, 1) else 3)
        fits.append(one)
    assert_same_fit(*fits)
