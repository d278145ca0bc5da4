"""Signal handlers that raise, even many times, leave complete steps and files, and old handlers."""

from __future__ import annotations

import collections
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn import Trainer, mlp
from handnn.engine import signals
from tests.engine.fits import run_python
from tests.training.checkpoints.fits import rows
from tests.training.test_interrupts import FOREVER, options, state, trained, trainer

RUNS = int(os.environ.get("HANDNN_FAULT_SIGNALS", "24"))
"""The number of interrupted fits and saves; with 3,000, there are 500 of each kind per engine."""

RINGS = 30
"""The number of signals sent in quick succession."""

CASES = [(engine, kind) for kind in ("plain", "all") for engine in ("compiled", "bricks")]
CASES += [("bricks", "LBFGS"), ("", "save")]
"""The engine and the kind of a fit, or a save; each is interrupted by one signal and by many."""

needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")


class Ring(Exception):
    pass


class Bell:
    """A handler of SIGALRM that raises in the frames of `function`, and only there."""

    def __init__(self, function, rings):
        self.code = function.__code__
        self.rings = rings

    def __call__(self, number, frame):
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back
        if frame is None:
            return
        self.rings -= 1
        if self.rings <= 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
        raise Ring


def ring(bell, wait, function):
    """Call `function` with signals after `wait` seconds; return whether one reached the caller."""
    signal.signal(signal.SIGALRM, bell)
    signal.setitimer(signal.ITIMER_REAL, wait, 3e-4 if bell.rings > 1 else 1e-3)
    try:
        function()
    except Ring:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


def faulty_fit(engine, kind, wait, rings, folder):
    """Interrupt a fit; return a description of faults."""
    one, given = trainer(engine, kind), options(kind)
    bell = Bell(Trainer.fit, rings)
    path = folder / "checkpoint"
    if kind != "LBFGS":
        given["checkpoint"] = path
    came = ring(bell, wait, lambda: one.fit(*rows(), epochs=FOREVER, **given))
    wrong = [] if came or kind == "LBFGS" else ["no exception"]
    if signal.getsignal(signal.SIGALRM) is not bell:
        wrong.append("another handler")
    if [file.name for file in folder.iterdir() if file != path]:
        wrong.append("temporary files")
    if state(one, given["early_stopping"]) != trained(
        kind, len(one.history), getattr(one.optimizer, "steps", None)
    ):
        wrong.append("not a whole step")
    return wrong


def faulty_save(wait, rings, folder):
    """Interrupt saves of two networks to one path; return a description of faults."""
    networks = [mlp([40, 60, 1], rng=seed) for seed in range(2)]
    path = folder / "network"

    def save():
        while True:
            for network in networks:
                network.save(path)

    networks[0].save(path)
    ring(Bell(save, rings), wait, save)
    found = handnn.load(path).params["0.w"].tobytes()
    wrong = [file.name for file in folder.iterdir() if file != path]
    if found not in [network.params["0.w"].tobytes() for network in networks]:
        wrong.append("another network")
    return wrong


def main():
    rng = np.random.default_rng()  # different moments in each run
    faults = []
    for run in range(RUNS):
        (engine, kind), rings = CASES[run // 2 % len(CASES)], (1, RINGS)[run % 2]
        wait = float(1e-4 + 0.1 * rng.random())
        with tempfile.TemporaryDirectory() as folder:
            if kind == "save":
                wrong = faulty_save(wait, rings, Path(folder))
            else:
                wrong = faulty_fit(engine, kind, wait, rings, Path(folder))
            faults.append([engine, kind, rings, wrong])
    print(json.dumps(faults))


@needs_timers
def test_raising_handlers_at_random_moments():
    result = run_python("-m", "tests.faults.test_signals", timeout=120 * RUNS)
    assert result.returncode == 0, result.stderr
    faults = json.loads(result.stdout)
    counts = collections.Counter((engine or kind, rings > 1) for engine, kind, rings, _ in faults)
    shares = ", ".join(
        f"{what} {counts[what, False]} by one signal and {counts[what, True]} by {RINGS} each"
        for what in ("compiled", "bricks", "save")
    )
    print(f"interrupted: {shares}")
    assert len(faults) == RUNS
    assert [fault for fault in faults if fault[-1]] == []


@pytest.fixture
def rung():
    """Install a handler of SIGTERM that records its calls; restore the previous one."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append(signals.state.is_held))
    yield calls
    signal.signal(signal.SIGTERM, before)


def press_in_step(monkeypatch, then=lambda: None):
    usual = handnn.training.loop.loss_and_gradients

    def step(*arguments):
        signal.raise_signal(signal.SIGTERM)
        then()
        return usual(*arguments)

    monkeypatch.setattr("handnn.training.loop.loss_and_gradients", step)


def test_handlers_run_once_a_step_and_between_steps(rung, monkeypatch):
    press_in_step(monkeypatch, lambda: rung.append("step"))
    x, y = rows(24)
    trainer("bricks").fit(x, y, epochs=1, batch_size=8)
    assert rung == ["step", False] * 3


def test_a_signal_in_a_step_that_never_ends_is_not_held_forever(rung, monkeypatch):
    monkeypatch.setattr(signals, "MAX_WAIT", -1.0)
    press_in_step(monkeypatch, lambda: rung.append("step"))
    trainer("bricks").fit(*rows(8), epochs=1, batch_size=8)
    assert rung == [True, "step"]


def test_handlers_that_a_callback_sets_are_kept(rung):
    def handler(number, frame):
        raise AssertionError

    def callback(one):
        signal.signal(signal.SIGTERM, handler)

    trainer(callbacks=[callback]).fit(*rows(), epochs=1, batch_size=8)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_signals_at_the_end_are_handled(rung):
    def function():
        signal.raise_signal(signal.SIGTERM)
        assert rung == []
        return 7

    assert signals.held(function) == 7 and rung == [False]


def test_other_threads_do_not_hold_signals():
    found = []

    def run():
        found.append(signals.held(lambda: signals.state.is_held))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]


if __name__ == "__main__":
    sys.exit(main())
