"""Schedules agree with PyTorch's schedulers, where they exist, to 1e-12."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.schedules import Cosine, OneCycle, ReduceOnPlateau, Step, WarmUp

torch = pytest.importorskip("torch", reason="PyTorch is not installed: no parity to measure")


def factors_of(schedule, count, **settings):
    """Return the rates of a PyTorch scheduler over `count` steps, from lr 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, schedule)(optimizer, **settings)
    rates = []
    for step in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < count - 1:
            scheduler.step()
    return rates


@pytest.mark.parametrize("every", [1, 3, 30])
@pytest.mark.parametrize("factor", [0.1, 0.5, 0.97])
def test_step_equals_pytorchs(every, factor):
    expected = factors_of("StepLR", 100, step_size=every, gamma=factor)
    np.testing.assert_allclose(Step(every, factor).factors(0, 100), expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_equals_pytorchs_up_to_its_end(steps, final):
    expected = factors_of("CosineAnnealingLR", steps + 1, T_max=steps, eta_min=final)
    np.testing.assert_allclose(Cosine(steps, final).factors(0, steps + 1), expected, atol=1e-12)


@pytest.mark.parametrize("steps", [2, 5, 100])
def test_warm_up_equals_pytorchs_linear_warm_up(steps):
    settings = {"start_factor": 1 / steps, "total_iters": steps - 1}
    expected = factors_of("LinearLR", 2 * steps, **settings)
    np.testing.assert_allclose(WarmUp(steps).factors(0, 2 * steps), expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [5, 10, 37, 1000])
@pytest.mark.parametrize("warm", [0.25, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize(("start", "final"), [(1 / 25, 1e-4), (0.5, 0.01), (1.0, 1.0)])
def test_one_cycle_equals_pytorchs(steps, warm, start, final):
    schedule = OneCycle(steps, warm, start, final)
    settings = {"pct_start": warm, "div_factor": 1 / start, "final_div_factor": start / final}
    settings |= {"max_lr": 1.0, "total_steps": steps, "cycle_momentum": False}
    expected = factors_of("OneCycleLR", steps, **settings)
    np.testing.assert_allclose(schedule.factors(0, steps), expected, rtol=0, atol=1e-12)


SETTINGS = [
    {},
    {"factor": 0.5, "patience": 0},
    {"factor": 0.5, "patience": 3, "cooldown": 4},
    {"factor": 0.7, "patience": 1, "threshold": 0.05, "cooldown": 1},
    {"factor": 0.5, "patience": 1, "threshold": 0.0, "minimum": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_reduce_on_plateau_equals_pytorchs(settings, seed):
    """The losses fall, level off, and are sometimes NaN."""
    rng = np.random.default_rng(seed)
    losses = 1 / np.minimum(np.arange(1, 201), 40) + rng.exponential(0.01, 200)
    losses[rng.integers(200, size=5)] = np.nan
    ours = ReduceOnPlateau(**settings)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    of_theirs = {**settings, "min_lr": settings.get("minimum", 0.0), "eps": 0}
    of_theirs.pop("minimum", None)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **of_theirs)
    for loss in losses:
        ours.watch(loss)
        theirs.step(loss)
        assert ours.factors(0, 1)[0] == optimizer.param_groups[0]["lr"]
        assert ours.best == theirs.best
        assert ours.bad_epochs == theirs.num_bad_epochs
        assert ours.cooling == theirs.cooldown_counter
    assert ours.factor_now < 1
