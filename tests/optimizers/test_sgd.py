"""SGD, with momentum, Nesterov's momentum and weight decay, in PyTorch's convention."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, MSELoss, Trainer, functional, mlp, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits, assert_within, of_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    param = np.array([1, 2], dtype)
    functional.sgd_update(param, np.array([4, -4], dtype), lr=0.25)
    assert param.tolist() == [0, 3]


@both_dtypes
def test_momentum_by_hand(dtype):
    """v = v/2 + 1 gives 1, 1.5, 1.75; the parameter falls by half of each."""
    param, velocity, grad = np.full(1, 4, dtype), np.zeros(1, dtype), np.ones(1, dtype)
    seen = []
    for _ in range(3):
        functional.sgd_update(param, grad, velocity, lr=0.5, momentum=0.5)
        seen.append((velocity[0], param[0]))
    assert seen == [(1, 3.5), (1.5, 2.75), (1.75, 1.875)]


@both_dtypes
def test_nesterov_by_hand(dtype):
    """The step is g + v/2 with v = 1, 1.5: 1.5 and 1.75, halved."""
    param, velocity, grad = np.full(1, 4, dtype), np.zeros(1, dtype), np.ones(1, dtype)
    seen = []
    for _ in range(2):
        functional.sgd_update(param, grad, velocity, lr=0.5, momentum=0.5, nesterov=True)
        seen.append((velocity[0], param[0]))
    assert seen == [(1, 3.25), (1.5, 2.375)]


@both_dtypes
def test_weight_decay_by_hand(dtype):
    """g = 1 + 4/4 = 2, and 4 - 2/2 = 3."""
    param = np.full(1, 4, dtype)
    functional.sgd_update(param, np.ones(1, dtype), lr=0.5, weight_decay=0.25)
    assert param[0] == 3


SETTINGS = [
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.02},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.02},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
]


@both_dtypes
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equals_pytorchs_rule_in_numpy(dtype, settings):
    """torch.optim.SGD, dampening 0: its buffer starts as the first gradient, that is, at zero."""
    rng = np.random.default_rng(16)
    start = {"0.w": rng.normal(size=(5, 3)).astype(dtype)}
    params = {name: value.copy() for name, value in start.items()}
    param = start["0.w"].astype(np.float64)
    magnitude, buffer, velocity = abs(param), None, np.zeros_like(param)
    optimizer = SGD(**settings)
    steps = 12
    for _ in range(steps):
        grads = {"0.w": rng.normal(size=(5, 3)).astype(dtype)}
        optimizer.step(params, grads)
        d_p = grads["0.w"].astype(np.float64) + settings.get("weight_decay", 0) * param
        if momentum := settings.get("momentum", 0):
            buffer = d_p.copy() if buffer is None else momentum * buffer + d_p
            d_p = d_p + momentum * buffer if settings.get("nesterov") else buffer
        param = param - settings["lr"] * d_p
        magnitude, velocity = reference.sgd_update(
            magnitude, abs(grads["0.w"]), velocity, **{**settings, "lr": -settings["lr"]}
        )
    assert_within(params["0.w"], param, of_sum(magnitude, 7 * steps, dtype))


@both_dtypes
def test_weight_decay_exempts_biases(dtype):
    grads = {"0.w": np.zeros(2, dtype), "0.b": np.zeros(2, dtype), "2.b": np.zeros(2, dtype)}
    params = {name: np.ones(2, dtype) for name in grads}
    SGD(lr=0.5, weight_decay=0.5).step(params, grads)
    assert params["0.w"].tolist() == [0.75, 0.75]
    assert params["0.b"].tolist() == params["2.b"].tolist() == [1, 1]


@both_dtypes
def test_each_array_has_its_own_velocity(dtype):
    optimizer = SGD(lr=1.0, momentum=0.5)
    params = {"0.w": np.zeros(1, dtype), "1.w": np.zeros(1, dtype)}
    optimizer.step(params, {"0.w": np.ones(1, dtype), "1.w": np.zeros(1, dtype)})
    optimizer.step(params, {"0.w": np.zeros(1, dtype), "1.w": np.ones(1, dtype)})
    assert params["0.w"][0] == -1.5 and params["1.w"][0] == -1


def test_works_on_the_params_of_a_single_layer():
    params = {"w": np.ones(1), "b": np.ones(1)}
    SGD(lr=0.5, weight_decay=1.0).step(params, {"w": np.zeros(1), "b": np.zeros(1)})
    assert params["w"][0] == 0.5 and params["b"][0] == 1


def test_updates_in_place():
    param = np.ones(3)
    params = {"w": param}
    SGD(lr=1.0).step(params, {"w": np.ones(3)})
    assert params["w"] is param and param.tolist() == [0, 0, 0]


@both_dtypes
def test_an_lr_of_zero_changes_nothing(dtype):
    param = np.array([1.5, -0.25, 3], dtype)
    before = param.copy()
    functional.sgd_update(param, np.ones(3, dtype), lr=0.0)
    assert_same_bits(param, before)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -0.1},
        {"lr": np.nan},
        {"lr": np.inf},
        {"lr": 0.1, "momentum": -0.1},
        {"lr": 0.1, "momentum": np.nan},
        {"lr": 0.1, "weight_decay": -1.0},
        {"lr": 0.1, "nesterov": True},
    ],
    ids=str,
)
def test_rejects_invalid_settings(settings):
    with pytest.raises(ValueError):
        SGD(**settings)


def test_rejects_a_missing_gradient_before_any_change():
    params = {"0.w": np.ones(2), "1.w": np.ones(2)}
    with pytest.raises((KeyError, ValueError, RuntimeError), match=r"1\.w"):
        SGD(lr=1.0).step(params, {"0.w": np.ones(2)})
    assert params["0.w"].tolist() == params["1.w"].tolist() == [1, 1]


def test_repr_shows_the_settings():
    assert "0.05" in repr(SGD(lr=0.05)) and repr(SGD(lr=0.05)).startswith("SGD(")


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_rejects_settings_made_invalid_later_before_any_change(engine, name):
    network, optimizer = mlp([2, 3, 1], rng=0), SGD(0.1)
    setattr(optimizer, name, None)
    before = {name: array.copy() for name, array in network.params.items()}
    with pytest.raises(TypeError, match=f"SGD: {name} must be a number"):
        Trainer(network, MSELoss(), optimizer, engine=engine).fit(np.ones((4, 2)), np.ones(4), 1, 2)
    assert all(np.array_equal(before[key], array) for key, array in network.params.items())


def test_rejects_a_nesterov_that_is_not_a_bool():
    with pytest.raises(TypeError, match="SGD: nesterov must be a bool"):
        SGD(0.1, momentum=0.9, nesterov=1)


def test_rejects_an_lr_too_large_for_a_float():
    with pytest.raises(ValueError, match="SGD: lr must be finite"):
        SGD(10**400)
