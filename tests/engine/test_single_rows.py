"""Batches of a single row: the update of the first affine may already multiply the next row."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Adam, DivergenceError, MSELoss, RMSProp, Trainer, mlp
from handnn.schedules import Cosine
from tests.bounds import assert_same_bits
from tests.engine.fits import rows

OPTIMIZERS = {
    "SGD": lambda **more: SGD(0.01, **more),
    "momentum": lambda **more: SGD(0.003, momentum=0.9, nesterov=True, weight_decay=0.01, **more),
    "Adam": lambda **more: Adam(0.003, weight_decay=0.01, **more),
    "RMSProp": lambda **more: RMSProp(0.001, **more),
}
# Whole vectors, a last one that is partial, and rows so short that nothing is done at once.
SIZES = [(5, 64, 3), (6, 80), (70, 16, 2), (67, 19, 3), (7, 131, 5), (2, 65, 64, 1)]


def halve_first(one):
    one.network.params["0.w"][...] *= 0.5


# Of the optimizer, the trainer and fit.
OPTIONS = {
    "weights": ({}, {}, {"sample_weight": True}),
    "in order": ({}, {}, {"shuffle": False}),
    "schedule": ({"schedule": Cosine(90, final=0.1)}, {}, {}),
    "clip_value": ({"clip_value": 0.01}, {}, {}),
    "clip_norm": ({"clip_norm": 0.5}, {}, {}),
    "validation": ({}, {}, {"validation": True}),
    "callback": ({}, {"callbacks": [halve_first]}, {}),
    "slices": ({}, {"shards": 4}, {}),
}


def fitted(engine, sizes, name, dtype, options=({}, {}, {})):
    of_optimizer, given, more = ({**some} for some in options)
    x, y, weight = rows(31, sizes[0], sizes[-1], dtype)
    x[7] = x[8]
    if "sample_weight" in more:
        more["sample_weight"] = weight
    if "validation" in more:
        more["validation"] = x[:5] + 1, y[:5]
    network = mlp(sizes, rng=0, dtype=dtype)
    one = Trainer(
        network, MSELoss(), OPTIMIZERS[name](**of_optimizer), engine=engine, rng=3, **given
    )
    one.fit(x, y, epochs=2, batch_size=1, **more)
    one.fit(x, y, epochs=1, batch_size=1, **more)
    return one


def assert_same(one, other):
    for name, array in one.network.params.items():
        assert_same_bits(other.network.params[name], array, name)
    assert one.history.train_loss == other.history.train_loss
    assert one.history.validation_loss == other.history.validation_loss


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_same_bits_for_all_optimizers(name, sizes, dtype):
    compiled, bricks = (fitted(e, sizes, name, dtype) for e in ("compiled", "bricks"))
    assert_same(compiled, bricks)


@pytest.mark.parametrize("options", OPTIONS)
def test_same_bits_with_options(options):
    compiled, bricks = (
        fitted(engine, (5, 64, 3), "momentum", "float32", OPTIONS[options])
        for engine in ("compiled", "bricks")
    )
    assert_same(compiled, bricks)


@pytest.mark.parametrize("bad", [0, 1, 17, 30])
def test_divergence_leaves_the_params_of_the_step_before(bad):
    x, y, _ = rows(31, 5, 64, "float64")
    y[bad] = 1e200
    fits, errors = [], []
    for engine in ("compiled", "bricks"):
        one = Trainer(
            mlp((5, 64), rng=0, dtype="float64"), MSELoss(), SGD(0.01), engine=engine, rng=3
        )
        with pytest.raises(DivergenceError) as error:
            one.fit(x, y, epochs=2, batch_size=1, shuffle=False)
        fits.append(one)
        errors.append(error.value.step)
        for array in one.network.params.values():
            assert np.isfinite(array).all()
    assert errors == [bad + 1, bad + 1]
    assert_same(*fits)
    for one in fits:  # they go on from there
        one.fit(x[:bad] if bad else x[1:], y[:bad] if bad else y[1:], epochs=1, batch_size=1)
    assert_same(*fits)
