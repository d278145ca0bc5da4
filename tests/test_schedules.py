"""Schedules: values by hand, and factors that do not depend on where a run begins."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from handnn import schedules
from handnn.schedules import (
    Constant,
    Cosine,
    DoublingCycles,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    Step,
    WarmUp,
)
from tests.bounds import assert_same_bits, assert_within

EPS = np.finfo(np.float64).eps

SCHEDULES = [
    Constant(),
    Step(4),
    Step(1, 0.97),
    Step(3, 0.0),
    Step(2, 1.0),
    Cosine(1),
    Cosine(7),
    Cosine(100, final=0.3),
    WarmUp(5),
    WarmUp(1, Cosine(9, 0.1)),
    WarmUp(6, OneCycle(20)),
    WarmUp(3, WarmUp(4, Step(2, 0.5))),
    WarmUp(4, ReduceOnPlateau()),
    OneCycle(1),
    OneCycle(2),
    OneCycle(40),
    OneCycle(37, warm=0.0),
    OneCycle(37, warm=1.0),
    OneCycle(23, 0.45, start=0.0, final=0.0),
    DoublingCycles(45),
    DoublingCycles(7, cycles=1, warm=0.0),
    DoublingCycles(40, cycles=3, warm=1.0),
    ReduceOnPlateau(),
]
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


# Values by hand


def test_constant_by_hand():
    assert Constant().factors(5, 3).tolist() == [1, 1, 1]


def test_step_by_hand():
    assert Step(2, 0.5).factors(0, 7).tolist() == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert Step(10).factors(8, 4).tolist() == [1, 1, 0.1, 0.1]


def test_step_at_the_edges_of_its_factor():
    assert Step(2, 0).factors(0, 5).tolist() == [1, 1, 0, 0, 0]
    assert Step(2, 1).factors(0, 5).tolist() == [1, 1, 1, 1, 1]


def test_step_is_within_one_rounding_per_product_of_the_exact_power():
    """A product of k factors has k - 1 roundings of eps/2 each."""
    factors = Step(1, 0.97).factors(0, 500)
    expected = [float(Fraction(0.97) ** k) for k in range(500)]
    assert_within(factors, expected, EPS * np.arange(500) * np.array(expected))


def test_cosine_by_hand():
    """Cos of 0, 60, 90, 120 and 180 degrees is 1, 1/2, 0, -1/2 and -1."""
    assert Cosine(2).factors(0, 4).tolist() == [1, 0.5, 0, 0]
    assert_within(Cosine(3).factors(0, 5), [1, 0.75, 0.25, 0, 0], 2 * EPS)
    assert_within(Cosine(2, final=0.2).factors(0, 4), [1, 0.6, 0.2, 0.2], EPS)


def test_cosine_of_45_degrees():
    assert_within(Cosine(4).factors(1, 1), [(1 + math.sqrt(0.5)) / 2], 2 * EPS)


def test_warm_up_by_hand():
    assert WarmUp(4).factors(0, 6).tolist() == [0.25, 0.5, 0.75, 1, 1, 1]
    assert WarmUp(2, Step(1, 0.5)).factors(0, 5).tolist() == [0.5, 1, 1, 0.5, 0.25]
    assert WarmUp(2, Cosine(2)).factors(0, 6).tolist() == [0.5, 1, 1, 0.5, 0, 0]


def test_warm_up_rises_to_the_first_factor_of_the_next_schedule():
    assert WarmUp(2, OneCycle(6, 0.5, start=0.5)).factors(0, 3).tolist() == [0.25, 0.5, 0.5]


def test_nested_warm_ups():
    """The inner schedule starts with 1/2: 1/4, 1/2, followed by 1/2, 1, 1."""
    assert WarmUp(2, WarmUp(2)).factors(0, 5).tolist() == [0.25, 0.5, 0.5, 1, 1]


def test_doubling_cycles_by_hand():
    """Two cycles of 2 and 4 steps, each half up and half down."""
    factors = DoublingCycles(6, cycles=2, warm=0.5).factors(0, 8)
    np.testing.assert_allclose(factors, [0, 1, 0, 0.5, 1, 0.5, 0, 0], rtol=0, atol=1e-15)
    assert DoublingCycles(15).factors(0, 16)[[0, 1, 3, 7, 15]].tolist() == [0] * 5
    with pytest.raises(ValueError, match="cycles must be at most 16"):
        DoublingCycles(9, cycles=17)


def test_one_cycle_by_hand():
    """Peak at 0.5·6 - 1 = 2, last step 5: two steps up, three down, 60 degrees each."""
    factors = OneCycle(6, warm=0.5, start=0.5, final=0).factors(0, 8)
    assert_within(factors, [0.5, 0.75, 1, 0.75, 0.25, 0, 0, 0], 2 * EPS)
    assert factors[[0, 1, 2, 5, 6, 7]].tolist() == [0.5, 0.75, 1, 0, 0, 0]


def test_one_cycle_without_a_rise_begins_at_the_peak():
    assert OneCycle(3, warm=0, final=0).factors(0, 4).tolist() == [1, 0.5, 0, 0]
    assert OneCycle(3, warm=1 / 3, final=0).factors(0, 4).tolist() == [1, 0.5, 0, 0]
    assert OneCycle(1, final=0.25).factors(0, 3).tolist() == [1, 0.25, 0.25]


def test_one_cycle_without_a_fall_drops_after_its_end():
    factors = OneCycle(3, warm=1, start=0.5, final=0.25).factors(0, 5)
    assert factors.tolist() == [0.5, 0.75, 1, 0.25, 0.25]


def test_reduce_on_plateau_by_hand():
    """With a patience of 2, the third and the sixth bad epoch in a row halve the factor."""
    schedule = ReduceOnPlateau(0.5, patience=2)
    assert seen_by(schedule, [4, 3, 3, 3, 3, 3, 3, 3, 2]) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert (schedule.best, schedule.bad_epochs, schedule.cooling) == (2, 0, 0)


def test_a_good_epoch_resets_the_count():
    assert seen_by(ReduceOnPlateau(0.5, patience=1), [4, 5, 3, 4, 2, 3, 3]) == [1] * 6 + [0.5]


def test_the_threshold_is_relative_to_the_best():
    """Below 8·(1 - 1/4) = 6 is good; 6 itself is not."""
    schedule = ReduceOnPlateau(0.5, patience=0, threshold=0.25)
    assert seen_by(schedule, [8, 6, 5.5]) == [1, 0.5, 0.5] and schedule.best == 5.5


def test_cooldown_by_hand():
    """Two epochs after each halving do not count."""
    schedule = ReduceOnPlateau(0.5, patience=0, cooldown=2)
    assert seen_by(schedule, [1] * 8) == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert schedule.cooling == 2


def test_the_factor_stays_at_the_minimum():
    assert seen_by(ReduceOnPlateau(0.5, 0, minimum=0.3), [1] * 5) == [1, 0.5, 0.3, 0.3, 0.3]


def test_nan_and_infinity_count_as_bad_epochs():
    assert seen_by(ReduceOnPlateau(0.5, 1), [math.nan, math.inf, 1.0]) == [1, 0.5, 0.5]


def test_a_warm_up_passes_losses_on():
    schedule = WarmUp(2, ReduceOnPlateau(0.5, patience=0))
    schedule.watch(1.0)
    assert schedule.factors(0, 4).tolist() == [0.5, 1, 1, 1]
    schedule.watch(1.0)
    assert schedule.factors(0, 4).tolist() == [0.25, 0.5, 0.5, 0.5]


def seen_by(schedule, losses):
    """Return the factor after each loss."""
    factors = []
    for loss in losses:
        schedule.watch(loss)
        factors += schedule.factors(0, 1).tolist()
    return factors


# Every schedule


def test_the_list_has_every_schedule():
    of_ours = {
        value
        for value in vars(schedules).values()
        if type(value) is type(Schedule) and issubclass(value, Schedule) and value is not Schedule
    }
    assert of_ours == {type(listed) for listed in SCHEDULES}


@every
@pytest.mark.parametrize("count", [0, 1, 7, 64, 1000])
def test_factors_are_float64_from_0_to_1(schedule, count):
    factors = schedule.factors(0, count)
    assert factors.shape == (count,) and factors.dtype == np.float64
    assert ((factors >= 0) & (factors <= 1)).all()


@every
def test_factors_do_not_depend_on_where_a_call_begins(schedule):
    """A call for part of the factors returns that part, at every offset within a vector."""
    assert_same_bits(schedule.factors(0, 10)[3:], schedule.factors(3, 7))
    whole = schedule.factors(0, 48)
    for first in range(48):
        for count in range(49 - first):
            assert_same_bits(schedule.factors(first, count), whole[first : first + count])


@every
def test_factors_returns_new_arrays_and_keeps_no_state(schedule):
    first = schedule.factors(0, 20)
    first[:] = 7
    assert_same_bits(schedule.factors(0, 20), copy.deepcopy(schedule).factors(0, 20))


@every
def test_factors_long_after_the_end(schedule):
    last = schedule
    while isinstance(last, WarmUp):
        last = last.then
    expected = getattr(last, "final", float(not isinstance(last, DoublingCycles)))
    if isinstance(last, Step):
        expected = float(last.factor == 1)
    assert schedule.factors(10**15, 3).tolist() == [expected] * 3
    assert schedule.factors(2**53, 1).tolist() == [expected]


@pytest.mark.parametrize("final", [0.0, 1e-4, 0.1, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000, 99_991])
def test_a_cosine_is_exact_at_both_ends_and_never_rises(steps, final):
    factors = Cosine(steps, final).factors(0, steps + 3)
    assert factors[0] == 1 and (factors[steps:] == final).all()
    assert (np.diff(factors) <= EPS).all()


def test_the_half_cosine_is_within_two_roundings_of_libm():
    factors = Cosine(5000).factors(0, 5001)
    expected = [(1 + math.cos(math.pi * step / 5000)) / 2 for step in range(5001)]
    assert_within(factors, expected, 2 * EPS)


@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_one_cycle_is_exact_at_start_peak_and_end(steps):
    schedule = OneCycle(steps, warm=0.3, start=0.1, final=0.01)
    factors = schedule.factors(0, steps + 2)
    assert factors[0] == 0.1 and (factors[steps - 1 :] == 0.01).all()
    assert factors.argmax() == 0.3 * steps - 1 and factors.max() == 1


@every
def test_repr_and_settings_rebuild_the_schedule(schedule):
    again = eval(repr(schedule), dict(vars(schedules)))
    assert type(again) is type(schedule) and repr(again) == repr(schedule)
    assert_same_bits(again.factors(0, 50), schedule.factors(0, 50))
    third = type(schedule)(**schedule.settings)
    assert_same_bits(third.factors(0, 50), schedule.factors(0, 50))


def test_settings_are_plain_numbers():
    schedule = OneCycle(np.int32(10), np.float32(0.5), Fraction(1, 4), np.float64(0))
    assert repr(schedule) == "OneCycle(steps=10, warm=0.5, start=0.25, final=0.0)"
    assert [type(value) for value in schedule.settings.values()] == [int, float, float, float]
    assert WarmUp(3).settings["steps"] == 3 and repr(WarmUp(3).then) == "Constant()"


def test_only_schedules_that_depend_on_the_loss_are_watching():
    assert {type(s) for s in SCHEDULES if s.is_watching} == {WarmUp, ReduceOnPlateau}
    assert not WarmUp(3, Cosine(4)).is_watching and WarmUp(3, ReduceOnPlateau()).is_watching
    Cosine(4).watch(1.0)


@pytest.mark.parametrize("stop", range(12))
def test_a_plateau_resumes_from_its_state(stop):
    losses = [5, 4, 4, 4, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9]
    settings = {"factor": 0.5, "patience": 1, "cooldown": 1, "minimum": 0.2}
    whole = seen_by(ReduceOnPlateau(**settings), losses)
    first = ReduceOnPlateau(**settings)
    seen = seen_by(first, losses[:stop])
    second = ReduceOnPlateau(**settings)
    for name in ("factor_now", "best", "bad_epochs", "cooling"):
        setattr(second, name, getattr(first, name))
    assert seen + seen_by(second, losses[stop:]) == whole
    assert pickle.loads(pickle.dumps(first)).__dict__ == first.__dict__


def test_a_user_defined_schedule_needs_one_method():
    class InverseRoot(Schedule):
        def __init__(self, scale):
            self.scale = scale

        def at(self, steps):
            return 1 / np.sqrt(1 + steps / self.scale)

    assert InverseRoot(1).factors(3, 1).tolist() == [0.5]
    assert repr(InverseRoot(2)) == "InverseRoot(scale=2)"
    assert WarmUp(2, InverseRoot(1)).factors(0, 6).tolist()[:3] == [0.5, 1, 1]
    with pytest.raises(TypeError):
        Schedule()


# Errors


NO_INTS = [None, math.inf, math.nan, 1.0, "3", True, np.True_, [1], np.ones(2, int)]
STEPS = [
    (Step, "every"),
    (Cosine, "steps"),
    (WarmUp, "steps"),
    (OneCycle, "steps"),
    (DoublingCycles, "steps"),
]


@pytest.mark.parametrize("value", NO_INTS, ids=repr)
@pytest.mark.parametrize(("kind", "name"), STEPS)
def test_rejects_lengths_that_are_not_ints(kind, name, value):
    with pytest.raises(TypeError, match=rf"^{kind.__name__}: {name} must be an int, but is "):
        kind(**{name: value})


@pytest.mark.parametrize(("kind", "name"), STEPS)
def test_rejects_lengths_out_of_range(kind, name):
    for value in (0, -3):
        message = f"^{kind.__name__}: {name} must be at least 1, but is {value}$"
        with pytest.raises(ValueError, match=message):
            kind(**{name: value})
    with pytest.raises(ValueError, match=rf"{name} must be at most 2\*\*53"):
        kind(**{name: 10**400})
    assert kind(2**53).factors(0, 1).shape == (1,)


FRACTIONS = [
    (Step, "factor"),
    (Cosine, "final"),
    (OneCycle, "warm"),
    (DoublingCycles, "warm"),
    (OneCycle, "start"),
    (OneCycle, "final"),
    (ReduceOnPlateau, "factor"),
    (ReduceOnPlateau, "threshold"),
    (ReduceOnPlateau, "minimum"),
]


@pytest.mark.parametrize(("kind", "name"), FRACTIONS)
def test_rejects_numbers_that_are_not_fractions(kind, name):
    steps = {} if kind is ReduceOnPlateau else {"every" if kind is Step else "steps": 10}
    for value in (-0.1, 1.1, math.nan, math.inf, 10**400):
        with pytest.raises(ValueError, match=f"^{kind.__name__}: {name} must be .*but is {value}$"):
            kind(**steps, **{name: value})
    for value in (None, "0.5", True, np.True_, 1j, [0.5]):
        with pytest.raises(TypeError, match=f"^{kind.__name__}: {name} must be a number, but is "):
            kind(**steps, **{name: value})


@pytest.mark.parametrize("name", ["factor", "threshold"])
def test_rejects_a_plateau_without_effect(name):
    message = f"ReduceOnPlateau: {name} must be at least 0 and below 1, but is 1"
    with pytest.raises(ValueError, match=message):
        ReduceOnPlateau(**{name: 1})


@pytest.mark.parametrize("name", ["patience", "cooldown"])
def test_rejects_invalid_patience_and_cooldown(name):
    with pytest.raises(ValueError, match=f"ReduceOnPlateau: {name} must be at least 0, but is -1"):
        ReduceOnPlateau(**{name: -1})
    with pytest.raises(TypeError, match=f"ReduceOnPlateau: {name} must be an int, but is True"):
        ReduceOnPlateau(**{name: True})


@pytest.mark.parametrize("loss", [None, "1", [1.0], 1j], ids=repr)
def test_watch_rejects_losses_that_are_not_numbers(loss):
    schedule = ReduceOnPlateau()
    with pytest.raises(TypeError, match=r"ReduceOnPlateau.watch: loss must be a number"):
        schedule.watch(loss)
    assert schedule.bad_epochs == 0


@pytest.mark.parametrize("then", [3, Cosine, "Cosine", 0.5], ids=repr)
def test_warm_up_rejects_arguments_other_than_schedules(then):
    with pytest.raises(TypeError, match="WarmUp: then must be a Schedule or None, but is"):
        WarmUp(3, then)


@every
def test_factors_rejects_invalid_steps(schedule):
    kind = type(schedule).__name__
    with pytest.raises(ValueError, match=f"^{kind}: first must be at least 0, but is -1$"):
        schedule.factors(-1, 3)
    with pytest.raises(ValueError, match=f"^{kind}: count must be at least 0, but is -1$"):
        schedule.factors(0, -1)
    for first, count in [(None, 1), (0, 1.0), (True, 1)]:
        with pytest.raises(TypeError, match=f"^{kind}: (first|count) must be an int, but is "):
            schedule.factors(first, count)
    assert_same_bits(schedule.factors(np.int64(2), np.uint8(3)), schedule.factors(2, 3))
