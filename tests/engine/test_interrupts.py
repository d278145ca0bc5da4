"""Ctrl-C at any moment is prompt, and leaves the weights of a complete step.

Eighteen interrupts; two hundred with HANDNN_SLOW_TESTS=1. A timer of CPU time sends them as SIGPROF
with the handler of SIGINT, in a separate process: see the end of this file. Times are CPU times, so
that other processes do not count.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from _thread import interrupt_main
from threading import Thread
from time import process_time, sleep

import numpy as np
import pytest

import handnn
from handnn import SGD, MSELoss, Trainer, engine, mlp
from tests.engine.fits import ROOT, digest, rows, run_python, trainer
from tests.slow import SLOW

INTERRUPTS = 200 if SLOW else 18
LONGEST_WAIT = 0.12  # seconds until the interrupt: more than two of the engine's checks for signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")

KINDS = [
    # small steps, 8 per epoch; epochs with Python in between; steps shared by threads
    {"sizes": (5, 9, 3), "count": 60, "batch_size": 8},
    {"sizes": (5, 9, 3), "count": 60, "batch_size": 8, "callbacks": [lambda trainer: None]},
    {"sizes": (300, 48, 24, 10), "count": 256, "batch_size": 64, "activation": "sigmoid"},
]


def arrays(one):
    return [*one.network.params.values(), *one.optimizer.velocities.values()]


def same(ours, theirs):
    """Compare bits; missing velocities count as 0."""
    ours, theirs = (
        [*mine, *map(np.zeros_like, others[len(mine) :])]
        for mine, others in ((ours, theirs), (theirs, ours))
    )
    return all(one.tobytes() == other.tobytes() for one, other in zip(ours, theirs, strict=True))


def interrupted_fit(sizes, count, batch_size, wait, **options):
    """Interrupt a fit after `wait` seconds; return the delay and a description of faults."""
    x, y, _ = rows(count, sizes[0], sizes[-1])
    one, other = (trainer(sizes, engine="compiled", **options) for _ in range(2))
    one.optimizer.lr = other.optimizer.lr = 1e-3
    due = process_time() + wait
    try:
        signal.setitimer(signal.ITIMER_PROF, wait)
        one.fit(x, y, epochs=10**7, batch_size=batch_size)
    except KeyboardInterrupt:
        late = process_time() - due
    else:
        return 0, "nothing came"

    # Repeat the complete epochs, then single steps until the weights are the same.
    epochs = len(one.history)
    if epochs:
        history = other.fit(x, y, epochs=epochs, batch_size=batch_size)
        if history.train_loss != one.history.train_loss:
            return late, "another history"
    if same(arrays(one), arrays(other)):
        return late, None
    seed = int(np.random.default_rng(1).integers(2**63))
    order = engine.row_order(count, seed, epochs)
    for first in range(0, count, batch_size):
        batch = order[first : first + batch_size]
        other.train_step(x[batch], y[batch])
        if same(arrays(one), arrays(other)):
            return late, None
    return late, f"after {epochs} epochs and some steps: the step is incomplete"


def test_interrupts_at_random_moments():
    """The exception follows the signal within 1 s of CPU time, typically after 50 ms."""
    result = run_python("-m", "tests.engine.test_interrupts", timeout=60 * INTERRUPTS)
    assert result.returncode == 0, result.stderr
    fits = json.loads(result.stdout)
    assert len(fits) == INTERRUPTS
    assert [wrong for _, wrong in fits if wrong] == []
    late = [seconds for seconds, _ in fits]
    assert np.median(late) <= 0.3 and max(late) <= 1, sorted(late)


def test_ctrl_c_ends_a_training_script():
    script = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
        "from tests.engine.fits import rows, trainer\n"
        "x, y, _ = rows(60, 5, 3)\n"
        "print('training', flush=True)\n"
        "trainer(engine='compiled').fit(x, y, epochs=10**8, batch_size=8)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "training\n"
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert error.strip().splitlines()[-1] == "KeyboardInterrupt"


def test_propagates_the_exception_of_a_signal_handler():
    class Alarm(Exception):
        pass

    def ring(number, frame):
        raise Alarm

    x, y, _ = rows(60, 5, 3)
    one = trainer(engine="compiled")
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Alarm):
            one.fit(x, y, epochs=10**7, batch_size=8)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    after = digest(one.network)
    assert np.isfinite(one.history.train_loss).all()
    one.fit(x, y, epochs=1, batch_size=8)
    assert digest(one.network) != after


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_another_thread_reads_the_params_of_small_networks(momentum):
    """Their steps are taken in copies of the params, which are copied back about every 50 ms."""
    x, y, _ = rows(60, 2, 1)
    one = Trainer(mlp((2, 2, 1), rng=0), MSELoss(), SGD(1e-6, momentum=momentum), rng=1)
    digests, due = set(), process_time() + 10

    def watch():
        while len(digests) < 4 and process_time() < due:
            digests.add(digest(one.network))
            sleep(0.01)
        interrupt_main()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in jobs
    watcher = Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            one.fit(x, y, epochs=10**8, batch_size=2)
    finally:
        signal.signal(signal.SIGINT, before)
    watcher.join()
    assert len(digests) == 4


def test_a_returning_signal_handler_does_not_stop_training():
    x, y, _ = rows(60, 5, 3)
    alone = trainer(engine="compiled")
    start = process_time()
    alone.fit(x, y, epochs=1000, batch_size=8)
    epochs = int(1000 * max(1, 0.2 / (process_time() - start)))  # 0.2 s: several checks for signals
    alone, one = (trainer(engine="compiled") for _ in range(2))
    alone.fit(x, y, epochs=epochs, batch_size=8)
    rung = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        one.fit(x, y, epochs=epochs, batch_size=8)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung and len(one.history) == epochs
    assert digest(one.network) == digest(alone.network)


def main():
    handnn.set_num_threads(2)
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    rng = np.random.default_rng()  # different moments in each run
    waits = 1e-4 + rng.random(INTERRUPTS) * LONGEST_WAIT  # a wait of 0 would turn the timer off
    fits = [
        interrupted_fit(**KINDS[turn % len(KINDS)], wait=float(wait))
        for turn, wait in enumerate(waits)
    ]
    print(json.dumps(fits))


if __name__ == "__main__":
    main()
