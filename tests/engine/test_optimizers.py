"""The engine supports every optimizer and common setting, with the bits of the Python loop."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

import handnn
from handnn import SGD, AdaGrad, Adam, MSELoss, RMSProp, Trainer, mlp
from handnn.optimizers import OPTIMIZERS
from handnn.schedules import Cosine, OneCycle, ReduceOnPlateau, Step, WarmUp
from tests.bounds import assert_same_bits
from tests.engine.fits import rows
from tests.engine.test_bits import DTYPES

MAKERS = {
    **{optimizer.__name__: partial(optimizer, 0.01) for optimizer in OPTIMIZERS},
    "SGD": lambda **common: SGD(0.05, **common),
    "SGD with momentum": lambda **common: SGD(0.02, momentum=0.9, **common),
    "nesterov": lambda **common: SGD(0.02, momentum=0.8, nesterov=True, **common),
    "AdaGrad": lambda **common: AdaGrad(0.05, **common),
    "RMSProp with momentum": lambda **common: RMSProp(0.003, momentum=0.9, **common),
}
OPTIONS = {
    "plain": dict,
    "clip_norm": lambda: {"clip_norm": 0.05},
    "clip_value": lambda: {"clip_value": 0.01},
    "both clips": lambda: {"clip_norm": 0.5, "clip_value": 0.05},
    "weight decay": lambda: {"weight_decay": 0.1},
    "weight decay of all": lambda: {"weight_decay": 0.1, "decay_all": True},
    "lr_scales": lambda: {"lr_scales": {"0": 0.5, "2.b": 3, "2.w": 0}},
    "cosine": lambda: {"schedule": Cosine(20, final=0.1)},
    "warm-up": lambda: {"schedule": WarmUp(9, then=Step(5, 0.5))},
    "one cycle": lambda: {"schedule": OneCycle(24)},
    "plateau": lambda: {"schedule": ReduceOnPlateau(0.3, patience=0, threshold=0.5)},
    "everything": lambda: {
        "schedule": WarmUp(5, then=ReduceOnPlateau(0.3, patience=0, threshold=0.5)),
        "clip_norm": 0.5,
        "clip_value": 0.05,
        "weight_decay": 0.1,
        "decay_all": True,
        "lr_scales": {"0": 0.5, "0.b": 2},
    },
}
every_optimizer = pytest.mark.parametrize("name", MAKERS)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
both_engines = pytest.mark.parametrize("engine", ["compiled", "bricks"])


def new_trainer(name, dtype="float32", engine="auto", sizes=(5, 9, 3), **common):
    network = mlp(sizes, rng=0, dtype=dtype)
    return Trainer(network, MSELoss(), MAKERS[name](**common), engine=engine, rng=3)


def fit(one, epochs=4, **options):
    """Fit 45 rows in batches of 8, 6 steps per epoch."""
    x, y, _ = rows(45, 5, 3, one.network.dtype)
    one.fit(x, y, epochs=epochs, **{"batch_size": 8, **options})
    return one


def state_of(one):
    """Return all results of a fit, arrays by name."""
    arrays = dict(one.network.params)
    for state, kept in one.optimizer.state.items():
        arrays.update({f"{state} of {name}": array for name, array in kept.items()})
    return arrays


def assert_same_fit(actual, expected):
    assert actual.optimizer.steps == expected.optimizer.steps > 0
    assert list(actual.optimizer.state) == list(expected.optimizer.state)
    assert list(actual.optimizer.state) == list(expected.optimizer.states)
    arrays, others = state_of(actual), state_of(expected)
    assert list(arrays) == list(others)
    for name, array in others.items():
        assert np.isfinite(array).all(), name
        assert_same_bits(arrays[name], array, name)
    assert actual.history.train_loss == expected.history.train_loss
    assert actual.history.validation_loss == expected.history.validation_loss


def test_all_optimizers_are_listed():
    assert {type(make()) for make in MAKERS.values()} == set(OPTIMIZERS)


@every_optimizer
@pytest.mark.parametrize("option", OPTIONS)
@both_dtypes
def test_a_compiled_fit_has_the_bits_of_the_bricks(name, option, dtype):
    fits = []
    for engine in ("compiled", "bricks"):
        one = new_trainer(name, dtype, engine, **OPTIONS[option]())
        fits.append(fit(one, validation=0.25, batch_size=6))
    assert_same_fit(*fits)
    assert fits[0].optimizer.steps == 4 * 6  # 34 rows
    if "ReduceOnPlateau" in repr(fits[0].optimizer):
        ours, theirs = (one.optimizer.schedule for one in fits)
        assert ours.factors(99, 1) == theirs.factors(99, 1) < 1


@every_optimizer
@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "plain"])
def test_every_option_has_an_effect(name, option):
    """Check the assumption of the test above."""
    plain = fit(new_trainer(name))
    other = fit(new_trainer(name, **OPTIONS[option]()))
    same = [
        np.array_equal(plain.network.params[key], array)
        for key, array in other.network.params.items()
    ]
    assert not any(same)


@every_optimizer
@both_dtypes
@pytest.mark.parametrize("batch_size", [1, 45])
def test_batches_of_one_and_of_all_rows(name, batch_size, dtype):
    """With all rows in a batch an epoch is one step."""
    common = {"clip_norm": 0.5, "weight_decay": 0.01}
    fits = [
        fit(new_trainer(name, dtype, engine, **common), batch_size=batch_size)
        for engine in ("compiled", "bricks")
    ]
    assert_same_fit(*fits)


@every_optimizer
@both_dtypes
@pytest.mark.parametrize("option", ["plain", "everything"])
def test_same_bits_for_all_numbers_of_threads(name, option, dtype):
    """Uses the network of `test_bits.shared_fit`, whose steps are shared among threads."""
    x, y, weight = rows(240, 300, 10, dtype)

    def shared(engine):
        one = new_trainer(name, dtype, engine, (300, 48, 24, 10), **OPTIONS[option]())
        one.fit(x, y, epochs=6, batch_size=48, sample_weight=weight)
        return one

    expected = shared("bricks")
    for threads in (1, 2, 3):
        handnn.set_num_threads(threads)
        assert_same_fit(shared("compiled"), expected)


def change_rates(one):
    """Settings that may change between epochs; each optimizer has some of them."""
    one.optimizer.lr *= 0.7
    one.optimizer.clip_norm = [0.3, None][len(one.history) % 2]
    one.optimizer.lr_scales = [{"2": 0.5}, {}][len(one.history) % 2]
    one.optimizer.weight_decay = 0.01 * len(one.history)
    changes = {"momentum": [0.9, 0.5], "beta1": [0.8, 0.0], "eps": [1e-3, 1e-6]}
    for setting, values in changes.items():
        if hasattr(one.optimizer, setting):
            setattr(one.optimizer, setting, values[len(one.history) % 2])


@every_optimizer
@both_dtypes
def test_same_bits_when_callbacks_change_settings(name, dtype):
    fits = []
    for engine in ("compiled", "bricks"):
        one = new_trainer(name, dtype, engine)
        one.callbacks = [change_rates]
        fits.append(fit(one, epochs=5))
    assert_same_fit(*fits)


@both_dtypes
def test_same_bits_after_the_last_bias_correction(dtype, monkeypatch):
    """The corrections of these means are 1 from step 14 of 24 on."""
    monkeypatch.setitem(MAKERS, "Adam", partial(Adam, 0.01, beta1=0.02, beta2=0.05))
    assert_same_fit(*(fit(new_trainer("Adam", dtype, engine)) for engine in ("compiled", "bricks")))


# ---- continuing ----------------------------------------------------------------------------------


@every_optimizer
@pytest.mark.parametrize(
    "engines", list(itertools.product(["compiled", "bricks"], repeat=2)), ids="-".join
)
@both_dtypes
def test_two_fits_of_two_epochs_equal_one_of_four(name, engines, dtype):
    """The schedule and Adam's corrections depend on the steps taken by both engines."""
    common = {"clip_norm": 0.5, "schedule": WarmUp(5, then=Cosine(20))}
    parts = new_trainer(name, dtype, **common)
    for parts.engine in engines:
        fit(parts, epochs=2, shuffle=False)
    whole = fit(new_trainer(name, dtype, **common), epochs=4, shuffle=False)
    assert parts.history.train_loss == whole.history.train_loss[2:]
    parts.history = whole.history
    assert_same_fit(parts, whole)


@pytest.mark.parametrize("most", [1, 6, 13, 1000])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
@both_engines
def test_a_schedule_longer_than_one_call(name, most, engine, monkeypatch):
    """6 steps per epoch, in calls of 1, 1, 2 and 7 epochs."""
    whole = fit(new_trainer(name, schedule=OneCycle(40)), epochs=7)
    monkeypatch.setattr("handnn.training.run.MAX_STEPS_PER_CALL", most)
    monkeypatch.setattr("handnn.optimizers.optimizer.N_CACHED_FACTORS", most)
    assert_same_fit(fit(new_trainer(name, engine=engine, schedule=OneCycle(40)), epochs=7), whole)


@both_engines
def test_a_plateau_watches_the_validation_loss(engine):
    class Told(ReduceOnPlateau):
        def __init__(self):
            super().__init__()
            self.losses = []

        def watch(self, loss):
            self.losses.append(loss)
            super().watch(loss)

    schedule = Told()
    one = fit(new_trainer("Adam", engine=engine, schedule=schedule), validation=0.25)
    assert schedule.losses == one.history.validation_loss
    schedule = Told()
    one = fit(new_trainer("Adam", engine=engine, schedule=schedule))
    assert schedule.losses == one.history.train_loss
