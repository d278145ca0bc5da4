"""Common settings of optimizers: clipping, decay, lr_scales, schedules, step counts, errors."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import SGD, MSELoss, Trainer, functional, mlp, reference
from handnn.optimizers import OPTIMIZERS
from handnn.reference.calls import DTYPES
from handnn.schedules import Constant, Cosine, ReduceOnPlateau, Step
from tests.bounds import assert_same_bits, assert_within, of_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)


def network_and_rows(dtype="float64"):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 2)).astype(dtype)
    return mlp([3, 5, 2], rng=0, dtype=dtype), x, y


def some_params(dtype=np.float64, seed=0):
    """Return params of two layers, and gradients."""
    rng = np.random.default_rng(seed)
    shapes = {"0.w": (3, 5), "0.b": (5,), "2.w": (5, 2), "2.b": (2,)}
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return params, {name: rng.normal(size=p.shape).astype(dtype) for name, p in params.items()}


def stepped(optimizer, params, grads):
    """Return the params after one step, in new arrays."""
    params = {name: param.copy() for name, param in params.items()}
    optimizer.step(params, grads)
    return params


def assert_same_params(actual, expected):
    assert list(actual) == list(expected)
    for name in expected:
        assert_same_bits(actual[name], expected[name], name)


def test_every_optimizer_is_public():
    assert {kind.__name__ for kind in OPTIMIZERS} <= set(handnn.__all__)
    assert len({kind.kind for kind in OPTIMIZERS}) == len(OPTIMIZERS) - 1, "AdamW is of Adam's kind"


# ---- clipping ------------------------------------------------------------------------------------


@both_dtypes
def test_clip_norm_scales_all_gradients_together(dtype):
    """3 and 4 have the norm 5; a limit of 1 makes them 3/5 and 4/5."""
    params = {"0.w": np.zeros(1, dtype), "1.w": np.zeros(1, dtype)}
    grads = {"0.w": np.full(1, 3, dtype), "1.w": np.full(1, -4, dtype)}
    SGD(1.0, clip_norm=1).step(params, grads)
    assert params["0.w"][0] == pytest.approx(-0.6, rel=1e-6)
    assert params["1.w"][0] == pytest.approx(0.8, rel=1e-6)
    assert grads["0.w"][0] == 3 and grads["1.w"][0] == -4, "gradients are unchanged"


@both_dtypes
@every_optimizer
def test_clip_norm_uses_the_joint_norm(kind, dtype):
    params, grads = some_params(dtype)
    total = sum(functional.sum_of_squares(grad) for grad in grads.values())
    norm = np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads.values()))
    assert total == pytest.approx(norm**2, rel=1e-14)
    scale = dtype(functional.clip_scale(0.5, total))
    scaled = {name: grad * scale for name, grad in grads.items()}
    assert np.sqrt(sum(float((g**2).sum()) for g in scaled.values())) <= 0.5 * (1 + 1e-6)
    assert_same_params(
        stepped(kind(0.1, clip_norm=0.5), params, grads), stepped(kind(0.1), params, scaled)
    )


@every_optimizer
def test_a_norm_below_clip_norm_changes_nothing(kind):
    params, grads = some_params()
    assert_same_params(
        stepped(kind(0.1, clip_norm=100, clip_value=100), params, grads),
        stepped(kind(0.1), params, grads),
    )


@both_dtypes
@every_optimizer
def test_clip_value_clips_every_entry(kind, dtype):
    params, grads = some_params(dtype)
    clipped = {name: grad.clip(-0.25, 0.25) for name, grad in grads.items()}
    assert_same_params(
        stepped(kind(0.1, clip_value=0.25), params, grads), stepped(kind(0.1), params, clipped)
    )


@every_optimizer
def test_clip_norm_comes_before_clip_value_and_decay_after_both(kind):
    params, grads = some_params()
    norm = np.sqrt(sum((grad**2).sum() for grad in grads.values()))
    scale = 0.5 / (norm + 1e-6)
    clipped = {name: (grad * scale).clip(-0.1, 0.1) for name, grad in grads.items()}
    both = stepped(kind(0.1, clip_norm=0.5, clip_value=0.1, weight_decay=0.7), params, grads)
    expected = stepped(kind(0.1, weight_decay=0.7), params, clipped)
    for name in params:
        np.testing.assert_allclose(both[name], expected[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("clip_norm", "sum_of_squares", "expected"),
    [(1, 0, 1), (1, 0.25, 1), (5, 9, 1), (3, 36, 0.5), (1e-6, 0, 1), (1, np.inf, 0)],
)
def test_clip_scale_by_hand(clip_norm, sum_of_squares, expected):
    assert functional.clip_scale(clip_norm, sum_of_squares) == pytest.approx(expected, rel=1e-6)
    assert functional.clip_scale(clip_norm, sum_of_squares) == reference.clip_scale(
        clip_norm, sum_of_squares
    )


@both_dtypes
def test_sum_of_squares_accumulates_in_float64(dtype):
    assert functional.sum_of_squares(np.array([[3, 4]], dtype)) == 25
    assert functional.sum_of_squares(np.zeros((0, 3), dtype)) == 0
    assert functional.sum_of_squares(np.full(2, 2.0**100, dtype)) == 2.0**201
    x = np.random.default_rng(0).normal(size=1001).astype(dtype)
    expected = reference.sum_of_squares(x)
    assert_within(functional.sum_of_squares(x), expected, of_sum(expected, 1001, np.float64))


# ---- weight decay and rates of single params -----------------------------------------------------


@both_dtypes
@every_optimizer
def test_weight_decay_exempts_biases_unless_decay_all(kind, dtype):
    params = {name: np.ones(2, dtype) for name in ("0.w", "0.b", "w", "b")}
    grads = {name: np.zeros(2, dtype) for name in params}
    some = stepped(kind(0.5, weight_decay=0.5), params, grads)
    every = stepped(kind(0.5, weight_decay=0.5, decay_all=True), params, grads)
    assert some["0.b"].tolist() == some["b"].tolist() == [1, 1]
    assert (some["0.w"] < 1).all() and (some["w"] < 1).all()
    assert all((param < 1).all() for param in every.values())
    assert_same_bits(every["b"], every["w"])
    assert_same_bits(some["w"], every["w"])


@every_optimizer
def test_lr_scales_by_layer_and_by_name(kind):
    """A param's name takes precedence over its layer; other params keep lr."""
    params, grads = some_params()
    scaled = stepped(kind(0.5, lr_scales={"0": 0.5, "0.b": 2, "2.w": 0}), params, grads)
    for name, scale in {"0.w": 0.5, "0.b": 2.0, "2.w": 0.0, "2.b": 1.0}.items():
        assert_same_bits(scaled[name], stepped(kind(0.5 * scale), params, grads)[name], name)
    assert_same_bits(scaled["2.w"], params["2.w"], "a rate of 0")


def test_lr_scales_with_names_of_a_single_layer():
    params = {"w": np.ones(1), "b": np.ones(1)}
    SGD(0.5, lr_scales={"b": 0}).step(params, {"w": np.ones(1), "b": np.ones(1)})
    assert params["w"][0] == 0.5 and params["b"][0] == 1


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@every_optimizer
def test_rejects_unknown_names_in_lr_scales_before_any_change(kind, engine):
    network, x, y = network_and_rows()
    before = {name: param.copy() for name, param in network.params.items()}
    optimizer = kind(0.1, lr_scales={"0": 1, "7.w": 2})
    trainer = Trainer(network, MSELoss(), optimizer, engine=engine)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: lr_scales names '7\.w', but .*0\.w"):
        trainer.fit(x, y, 1, 5)
    assert_same_params(network.params, before)
    assert optimizer.steps == 0 and not optimizer.state


# ---- schedules and steps -------------------------------------------------------------------------


@every_optimizer
def test_a_schedule_multiplies_lr_at_every_step(kind):
    """Three train_steps with a schedule equal three with lr changed by hand."""
    networks = []
    for schedule in (Step(1, 0.5), None):
        network, x, y = network_and_rows()
        optimizer = kind(0.25, schedule=schedule)
        trainer = Trainer(network, MSELoss(), optimizer)
        for step in range(3):
            if schedule is None:
                optimizer.lr = 0.25 * 0.5**step
            trainer.train_step(x, y)
            assert optimizer.steps == step + 1
        networks.append(network)
    assert_same_params(networks[0].params, networks[1].params)


@every_optimizer
def test_a_constant_schedule_changes_nothing(kind):
    params, grads = some_params()
    assert_same_params(
        stepped(kind(0.1, schedule=Constant()), params, grads), stepped(kind(0.1), params, grads)
    )


def test_a_schedule_continues_beyond_the_cached_factors(monkeypatch):
    monkeypatch.setattr("handnn.optimizers.optimizer.N_CACHED_FACTORS", 3)
    params, optimizer = {"w": np.zeros(1)}, SGD(1.0, schedule=Cosine(10))
    for _ in range(10):
        optimizer.step(params, {"w": np.ones(1)})
    total = 0.0
    for factor in Cosine(10).factors(0, 10):
        total -= factor
    assert params["w"][0] == total


def test_a_replaced_schedule_takes_effect_at_the_next_step():
    params, optimizer = {"w": np.zeros(1)}, SGD(1.0, schedule=Constant())
    optimizer.step(params, {"w": np.ones(1)})
    optimizer.schedule = Step(1, 0.5)
    optimizer.step(params, {"w": np.ones(1)})
    assert params["w"][0] == -1.5


def test_watch_takes_effect_at_the_next_step():
    params, optimizer = {"w": np.zeros(1)}, SGD(1.0, schedule=ReduceOnPlateau(0.5, patience=0))
    for _ in range(3):
        optimizer.step(params, {"w": np.ones(1)})
        optimizer.watch(1.0)
    assert params["w"][0] == -(1 + 1 + 0.5)
    SGD(1.0).watch(1.0)  # without a schedule, watch does nothing


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@every_optimizer
def test_steps_counts_batches(kind, engine):
    network, x, y = network_and_rows()
    optimizer = kind(0.01)
    trainer = Trainer(network, MSELoss(), optimizer, engine=engine)
    trainer.fit(x, y, epochs=3, batch_size=8)
    assert optimizer.steps == 9
    trainer.train_step(x, y)
    assert optimizer.steps == 10
    for state in optimizer.states:
        kept = optimizer.state[state]
        assert list(kept) == list(network.params)
        assert all(kept[name].shape == param.shape for name, param in network.params.items())


@every_optimizer
def test_a_step_before_backward_changes_nothing(kind):
    network, x, _ = network_and_rows()
    before = {name: param.copy() for name, param in network.params.items()}
    optimizer = kind(0.1)
    network.forward(x)
    with pytest.raises(RuntimeError, match=rf"{kind.__name__}\.step: no gradient for 0\.w, .*back"):
        optimizer.step(network.params, network.grads)
    assert_same_params(network.params, before)
    assert optimizer.steps == 0


# ---- settings ------------------------------------------------------------------------------------

COMMON = [
    ("lr", -0.1, ValueError),
    ("lr", np.nan, ValueError),
    ("lr", np.inf, ValueError),
    ("lr", "x", TypeError),
    ("lr", None, TypeError),
    ("weight_decay", -1, ValueError),
    ("weight_decay", np.nan, ValueError),
    ("weight_decay", "x", TypeError),
    ("decay_all", 1, TypeError),
    ("schedule", 0.1, TypeError),
    ("schedule", Cosine, TypeError),
    ("clip_value", 0, ValueError),
    ("clip_value", -1, ValueError),
    ("clip_value", np.nan, ValueError),
    ("clip_value", "x", TypeError),
    ("clip_norm", 0, ValueError),
    ("clip_norm", np.inf, ValueError),
    ("clip_norm", "x", TypeError),
    ("lr_scales", {"0": -1}, ValueError),
    ("lr_scales", {"0.w": np.nan}, ValueError),
    ("lr_scales", {"0.w": "x"}, TypeError),
]
FRACTION = [(1, ValueError), (-0.1, ValueError), (np.nan, ValueError), ("x", TypeError)]
OWN = {
    "alpha": FRACTION,
    "beta1": FRACTION,
    "beta2": FRACTION,
    "eps": [(0, ValueError), (-1e-8, ValueError), (np.nan, ValueError), ("x", TypeError)],
    "momentum": FRACTION,
    "nesterov": [(True, ValueError), ("x", TypeError)],  # True without a momentum
}
"""Invalid values of the settings that not all optimizers have."""


def invalid_settings(kind):
    own = [(name, *row) for name in kind(0.1).settings for row in OWN[name]]
    return [(kind, *row) for row in [*COMMON, *own]]


every_bad_setting = pytest.mark.parametrize(
    ("kind", "name", "value", "error"),
    [row for kind in OPTIMIZERS for row in invalid_settings(kind)],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)


@every_bad_setting
def test_rejects_invalid_settings_and_names_the_optimizer(kind, name, value, error):
    with pytest.raises(error, match=rf"^{kind.__name__}: {name}\b"):
        kind(**{"lr": 0.1, name: value})


@every_bad_setting
def test_rejects_settings_made_invalid_later_before_any_change(kind, name, value, error):
    params, grads = some_params()
    optimizer, before = kind(lr=0.1), {key: param.copy() for key, param in params.items()}
    setattr(optimizer, name, value)
    with pytest.raises(error, match=rf"^{kind.__name__}: {name}\b"):
        optimizer.step(params, grads)
    assert_same_params(params, before)
    assert optimizer.steps == 0 and not optimizer.state


@every_optimizer
def test_rejects_unknown_settings(kind):
    with pytest.raises(TypeError, match="rate"):
        kind(0.1, rate=1)


@every_optimizer
def test_repr_evaluates_to_an_equal_optimizer(kind):
    assert "schedule" not in repr(kind(0.1)) and "clip" not in repr(kind(0.1))
    one = kind(
        0.1, weight_decay=0.2, decay_all=True, schedule=Cosine(9, final=0.1),
        clip_value=3.0, clip_norm=2.0, lr_scales={"0": 0.5},
    )  # fmt: skip
    names = {kind.__name__: kind, "Cosine": Cosine}
    again = eval(repr(one), {"__builtins__": {}}, names)
    assert repr(again) == repr(one)
    for setting in ("lr", "weight_decay", "decay_all", "clip_value", "clip_norm", "lr_scales"):
        assert getattr(again, setting) == getattr(one, setting)
    assert again.schedule.settings == one.schedule.settings


@pytest.mark.parametrize("number", [np.float32(0.1), np.float16(0.1), np.float64(0.1)])
@pytest.mark.parametrize("schedule", [None, Cosine(10)])
def test_numpy_numbers_are_settings_in_float64(number, schedule):
    weights = []
    for lr, engine in [(number, "bricks"), (number, "compiled"), (float(number), "bricks")]:
        network = handnn.mlp([3, 4, 1], rng=0, dtype="float64")
        optimizer = SGD(lr, momentum=number, schedule=schedule, lr_scales={"0": number})
        trainer = handnn.Trainer(network, handnn.MSELoss(), optimizer, engine=engine, rng=1)
        trainer.fit(np.arange(30.0).reshape(10, 3) / 30, np.ones(10), epochs=2, batch_size=4)
        assert type(optimizer.lr) is float
        weights.append(np.concatenate([a.ravel() for a in network.params.values()]).tolist())
    assert weights[0] == weights[1] == weights[2]


def test_a_step_without_memory_for_its_states_changes_nothing(monkeypatch):
    from handnn.optimizers import optimizer as module

    made = []

    def in_own_lines(values, dtype):
        if len(made) == 2:
            raise MemoryError
        made.append(np.array(values, dtype))
        return made[-1]

    monkeypatch.setattr(module, "in_own_lines", in_own_lines)
    params = {name: np.ones(3) for name in "abc"}
    adam = handnn.Adam(0.1)
    with pytest.raises(MemoryError):
        adam.step(params, params)
    assert adam.steps == 0
    assert all((array == 1).all() for array in params.values())
