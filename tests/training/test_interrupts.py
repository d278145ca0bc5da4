"""Ctrl-C at any moment of a fit: history, network, optimizer and early stopping are consistent.

Forty interrupts; a hundred with HANDNN_SLOW_TESTS=1. A timer of CPU time sends SIGPROF, whose
handler raises SIGINT, in a separate process: see the end of this file. Times are CPU times, so that
other processes do not count.
"""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from time import process_time

import numpy as np
import pytest

import handnn.training.loop
from handnn import (
    LBFGS,
    Adam,
    Affine,
    BatchNorm,
    BCEWithLogits,
    Dropout,
    EarlyStopping,
    Network,
    ReLU,
    Tanh,
    Trainer,
    train_many,
)
from tests.engine.fits import run_python
from tests.slow import SLOW
from tests.training.checkpoints.fits import digest, rows, schedule

INTERRUPTS = 100 if SLOW else 40
MAX_WAIT = 0.03  # seconds: dozens of epochs in one engine, several in the other
FOREVER = 10**8

needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
both_engines = pytest.mark.parametrize("engine", ["compiled", "bricks"])

KINDS = {
    "plain": {},
    "training metrics": {"metrics": ["auc", "log_loss"]},
    "all": {"validation": 0.25, "metrics": ["auc", "log_loss"]},
    "LBFGS": {"validation": 0.25, "metrics": "auc", "batch_size": 90},
}


def trainer(engine="auto", kind="all", callbacks=()):
    rng = np.random.default_rng(5)
    first, last = Affine.random(5, 12, rng=rng), Affine.random(12, 1, rng=rng)
    if kind == "LBFGS":
        network, optimizer = Network([first, Tanh(), last]), LBFGS(tol_loss=0, tol_gradient=0)
    else:
        network = Network([first, BatchNorm.new(12), ReLU(), Dropout(0.3, rng=1), last])
        optimizer = Adam(1e-3, schedule=schedule("plateau"), clip_norm=1.0)
    return Trainer(network, BCEWithLogits(), optimizer, engine=engine, rng=rng, callbacks=callbacks)


def options(kind="all"):
    stopping = EarlyStopping(FOREVER, monitor="auc") if kind == "all" else None
    return {"batch_size": 8, "early_stopping": stopping, **KINDS[kind]}


def state(one, stopping):
    """Return everything that a fit has changed."""
    network, optimizer = one.network, one.optimizer
    arrays = {**network.params, **network.buffers}
    for kept, of_params in getattr(optimizer, "state", {}).items():
        arrays |= {f"{kept} {name}": array for name, array in of_params.items()}
    if stopping is not None:
        arrays |= {f"best {name}": array for name, array in stopping.best_arrays.items()}
    return [
        {name: array.tobytes() for name, array in arrays.items()},
        [layer.step for layer in network.layers if isinstance(layer, Dropout)],
        [getattr(optimizer, "steps", None), repr(getattr(optimizer, "schedule", None))],
        stopping and [stopping.best, stopping.best_epoch, stopping.waited],
        one.history.to_dict() | {"epoch_seconds": len(one.history.epoch_seconds)},
    ]


class EnoughSteps(BaseException):
    pass


def trained(kind, epochs, steps):
    """Return the state after `epochs` epochs and `steps` steps in total."""
    one, given = trainer("bricks", kind), options(kind)
    usual, done = handnn.training.loop.loss_and_gradients, []

    def step(*arguments):
        if len(done) == steps:
            raise EnoughSteps
        done.append(1)
        return usual(*arguments)

    handnn.training.loop.loss_and_gradients = usual if kind == "LBFGS" else step
    try:
        if epochs or kind != "LBFGS":
            one.fit(*rows(), epochs=epochs + (kind != "LBFGS"), **given)
    except EnoughSteps:
        pass
    finally:
        handnn.training.loop.loss_and_gradients = usual
    return state(one, given["early_stopping"])


def interrupted(engine, kind, wait):
    """Interrupt a fit; return its delay, and whether it left complete steps."""
    one, given = trainer(engine, kind, [lambda trainer: None] * (kind != "plain")), {}
    given = options(kind)
    due = process_time() + wait
    signal.setitimer(signal.ITIMER_PROF, wait)
    try:
        one.fit(*rows(), epochs=FOREVER, **given)
    except KeyboardInterrupt:
        late = process_time() - due
    else:  # the line search of LBFGS has converged
        signal.setitimer(signal.ITIMER_PROF, 0)
        return 0.0, kind == "LBFGS"
    expected = trained(kind, len(one.history), getattr(one.optimizer, "steps", None))
    return late, state(one, given["early_stopping"]) == expected


@needs_timers
def test_interrupts_at_random_moments_leave_complete_steps():
    result = run_python("-m", "tests.training.test_interrupts", timeout=60 * INTERRUPTS)
    assert result.returncode == 0, result.stderr
    fits = json.loads(result.stdout)
    assert len(fits) == INTERRUPTS
    assert [fit for fit in fits if not fit[-1]] == []
    assert np.median([late for *_, late, _ in fits]) <= 0.3


@contextmanager
def pythons_own_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def press_soon(times):
    """Press Ctrl-C after 0.1 s, and append the time to `times`."""

    def ring():
        times.append(process_time())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Timer(0.1, ring).start()


def assert_written_after(path, epochs):
    """Assert that the checkpoint has `epochs` epochs and leads to the same bits."""
    one, whole = Trainer.resume(path), trainer()
    assert len(one.history) == epochs
    one.fit(*rows(), epochs=4, early_stopping=EarlyStopping(FOREVER, monitor="auc"))
    whole.fit(*rows(), epochs=4, **options())
    assert digest(one) == digest(whole)


def fits_within(engine, path):
    """Return trainings for a callback that would run for a very long time."""

    def steps(one):
        while True:
            one.train_step(*rows())

    def searches(one):
        while True:  # each one converges
            trainer("bricks", "LBFGS").fit(*rows(), epochs=FOREVER, **options("LBFGS"))

    x, y = rows()
    return {
        "fit": lambda one: one.fit(x, y, epochs=FOREVER, **options()),
        "fit in one call": lambda one: one.fit(x, y, epochs=FOREVER, batch_size=8),
        "fit with a checkpoint": lambda one: one.fit(
            x, y, epochs=FOREVER, batch_size=8, checkpoint=path, checkpoint_every=FOREVER
        ),
        "train_step": steps,
        "LBFGS": searches,
        "train_many": lambda one: train_many([one], x, y, epochs=FOREVER, batch_size=8),
    }


@needs_timers
@both_engines
@pytest.mark.parametrize("within", fits_within(None, None))
def test_training_in_a_callback_stops_and_the_checkpoint_is_written(engine, within, tmp_path):
    """The documented delay is 0.1 s on an idle machine; here 1 s of CPU time."""
    times, called = [], []
    trainer("bricks", "LBFGS").fit(*rows(), epochs=1, **options("LBFGS"))  # imports SciPy

    def callback(outer):
        called.append(len(outer.history))
        if len(outer.history) == 2:
            press_soon(times)
            fits_within(engine, tmp_path / "inner")[within](trainer(engine))

    one = trainer(engine, callbacks=[callback, lambda outer: called.append("after")])
    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        one.fit(*rows(), epochs=4, checkpoint=tmp_path / "outer", **options())
    assert process_time() - times[0] < 1
    assert called == [1, "after", 2, "after"]
    assert_written_after(tmp_path / "outer", 2)
    if within == "fit with a checkpoint":
        assert len(Trainer.resume(tmp_path / "inner").history) > 0


def test_no_fit_begins_after_ctrl_c_in_a_callback(tmp_path):
    def callback(outer):
        press()
        trainer().fit(*rows(), epochs=FOREVER, batch_size=8)

    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        trainer(callbacks=[callback]).fit(
            *rows(), epochs=4, checkpoint=tmp_path / "outer", **options()
        )
    assert_written_after(tmp_path / "outer", 1)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    called = []

    def callback(outer):
        press()
        called.append("patient")
        press()
        called.append("never")

    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        trainer(callbacks=[callback]).fit(
            *rows(), epochs=4, checkpoint=tmp_path / "outer", **options()
        )
    assert called == ["patient"] and not (tmp_path / "outer").exists()


@pytest.mark.parametrize("kind", ["all", "LBFGS"])
def test_callback_is_interrupted_immediately_without_a_checkpoint(kind):
    called = []

    def callback(one):
        if len(one.history) == 2:
            press()
            called.append("never")

    one, given = trainer("bricks", kind, [callback]), options(kind)
    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        one.fit(*rows(), epochs=9, **given)
    assert not called
    expected = trained(kind, 2, getattr(one.optimizer, "steps", None))
    assert state(one, given["early_stopping"]) == expected


def test_callback_may_catch_ctrl_c_of_its_own_fit():
    """Without a checkpoint, the outer fit continues, like any Python code."""
    ended = []

    def callback(one):
        inner = trainer("bricks", callbacks=[lambda one: press()])
        try:
            inner.fit(*rows(), epochs=FOREVER, **options())
        except KeyboardInterrupt:
            ended.append(len(inner.history))

    one = trainer(callbacks=[callback])
    with pythons_own_handler():
        one.fit(*rows(), epochs=3, **options())
    assert ended == [1, 1, 1] and len(one.history) == 3


def test_user_handlers_are_kept():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        one = trainer(callbacks=[lambda one: press()])
        assert len(one.fit(*rows(), epochs=3, **options())) == len(pressed) == 3
    finally:
        signal.signal(signal.SIGINT, before)


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPROF, lambda *_: press())
    rng = np.random.default_rng(0)
    fits = []
    for turn in range(INTERRUPTS):
        kind = list(KINDS)[turn % len(KINDS)]
        engine = "bricks" if kind == "LBFGS" or turn // len(KINDS) % 2 else "compiled"
        fits.append([engine, kind, *interrupted(engine, kind, rng.uniform(0, MAX_WAIT))])
    print(json.dumps(fits))


if __name__ == "__main__":
    main()
