"""Adam and AdamW: the mean of the gradients over the root of the mean of their squares."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Adam, AdamW, functional
from handnn.reference.calls import DTYPES

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_the_first_step_by_hand(dtype):
    """Mean 4/2, square 16/4; corrected they are 4 and 16: 4/(√16 + 4), halved."""
    param, mean, square = np.ones(1, dtype), np.zeros(1, dtype), np.zeros(1, dtype)
    grad = np.full(1, 4, dtype)
    functional.adam_update(param, grad, mean, square, step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=4)
    assert (mean[0], square[0], param[0]) == (2, 4, 0.75)


@both_dtypes
def test_equal_gradients_give_equal_steps(dtype):
    """The corrected means of equal gradients are constant, so each step equals the first."""
    optimizer = Adam(lr=0.5, beta1=0.5, beta2=0.75, eps=4)
    params = {"w": np.ones(1, dtype)}
    for step in range(1, 9):
        optimizer.step(params, {"w": np.full(1, 4, dtype)})
        assert optimizer.steps == step
        assert params["w"][0] == pytest.approx(1 - 0.25 * step, abs=40 * float(np.finfo(dtype).eps))


@both_dtypes
def test_with_betas_of_zero_only_the_last_gradient_counts(dtype):
    param, mean, square = np.ones(2, dtype), np.ones(2, dtype), np.ones(2, dtype)
    functional.adam_update(
        param, np.array([3, -1], dtype), mean, square, step=5, lr=0.5, beta1=0, beta2=0, eps=1
    )
    assert mean.tolist() == [3, -1] and square.tolist() == [9, 1]
    assert param.tolist() == [0.625, 1.25]


@both_dtypes
def test_coupled_weight_decay_by_hand(dtype):
    """g = 2 + 4/2 = 4, and then as in the first step."""
    param, mean, square = np.full(1, 4, dtype), np.zeros(1, dtype), np.zeros(1, dtype)
    functional.adam_update(
        param, np.full(1, 2, dtype), mean, square,
        step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=4, weight_decay=0.5,
    )  # fmt: skip
    assert (mean[0], square[0], param[0]) == (2, 4, 3.75)


@both_dtypes
def test_decoupled_weight_decay_by_hand(dtype):
    """4·(1 - 0.5·0.5) = 3, and a step of a quarter; the decay does not enter the means."""
    optimizer = AdamW(lr=0.5, beta1=0.5, beta2=0.75, eps=4, weight_decay=0.5)
    params = {"w": np.full(1, 4, dtype)}
    optimizer.step(params, {"w": np.full(1, 4, dtype)})
    assert optimizer.state["mean"]["w"][0] == 2 and optimizer.state["square"]["w"][0] == 4
    assert params["w"][0] == 2.75


@both_dtypes
def test_with_a_zero_gradient_adamw_shrinks_and_adam_steps(dtype):
    """A coupled decay is normalized by the root of its own square, so its size has no effect."""
    params = {name: np.full(1, 4, dtype) for name in ("w", "v")}
    grads = {name: np.zeros(1, dtype) for name in params}
    AdamW(lr=0.5, weight_decay=0.25).step(params, grads)
    assert params["w"][0] == params["v"][0] == 3.5
    Adam(lr=0.5, weight_decay=0.25).step(params, grads)
    assert params["w"][0] == pytest.approx(3, abs=1e-6)


@both_dtypes
def test_adamw_without_decay_is_adam(dtype):
    rng = np.random.default_rng(0)
    params = [{"w": np.ones(37, dtype)} for _ in range(2)]
    optimizers = Adam(), AdamW(weight_decay=0)
    for _ in range(5):
        grad = rng.normal(size=37).astype(dtype)
        for optimizer, own in zip(optimizers, params, strict=True):
            optimizer.step(own, {"w": grad})
    assert params[0]["w"].tobytes() == params[1]["w"].tobytes()


@pytest.mark.parametrize(("step", "error"), [(0, ValueError), (-1, ValueError), (0.5, TypeError)])
def test_steps_are_counted_from_one(step, error):
    with pytest.raises(error, match="adam_update: step must be"):
        functional.adam_update(*[np.ones(2) for _ in range(4)], step=step, lr=0.1)


def test_states_and_reprs():
    assert Adam().states == AdamW().states == ("mean", "square")
    numbers = "lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay="
    assert repr(Adam()) == f"Adam({numbers}0.0)"
    assert repr(AdamW()) == f"AdamW({numbers}0.01)"
