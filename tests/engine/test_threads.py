"""The engine among threads and processes: safe, or a clear error."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import numpy as np
import pytest

import handnn
from handnn import SGD, MSELoss, Trainer
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, rows, run_python, trainer

SHARED = (300, 48, 24, 10)  # with batches of 64, a step that is worth sharing among threads


# ---- how many ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, np.int64(4), 1024])
def test_the_number_of_threads_is_what_was_set(threads):
    handnn.set_num_threads(threads)
    assert handnn.get_num_threads() == threads


@pytest.mark.parametrize("wrong", [0, -1, 1025, 2**62, 2.0, "2", None])
def test_a_number_that_is_none_is_an_error_and_changes_nothing(wrong):
    handnn.set_num_threads(3)
    with pytest.raises((ValueError, TypeError)):
        handnn.set_num_threads(wrong)
    assert handnn.get_num_threads() == 3


def test_the_environment_sets_it():
    script = "import handnn; print(handnn.get_num_threads())"
    assert run_python("-c", script, HANDNN_NUM_THREADS="5").stdout == "5\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not known here")
def test_without_it_there_are_as_many_as_cpus_to_run_on():
    cpus = os.sched_getaffinity(0)
    for some in (cpus, {min(cpus)}):
        script = (
            f"import os; os.sched_setaffinity(0, {some})\n"
            "import handnn; print(handnn.get_num_threads())"
        )
        result = run_python("-c", script, HANDNN_NUM_THREADS="")
        assert result.stdout == f"{len(some)}\n", result.stderr


@pytest.mark.parametrize("wrong", ["0", "-2", "two", "1.5", "2 ", "1025", "9" * 30])
def test_a_bad_number_in_the_environment_is_an_error_that_names_it(wrong):
    result = run_python("-c", "import handnn", HANDNN_NUM_THREADS=wrong)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and "HANDNN_NUM_THREADS" in last


# ---- threads of Python ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_from_many_threads_at_once(dtype):
    """Of one network, whose forward is compiled by whoever comes first."""
    network = trainer((13, 64, 64, 1), dtype).network
    x, _, _ = rows(300, 13, 1, dtype)
    expected = network.forward(x)
    start = Barrier(8)

    def predict(thread):
        start.wait()
        for turn in range(60):
            first = 7 * thread + turn
            count = [1, 5, 64, 200][(thread + turn) % 4]
            predicted = network.predict(x[first : first + count])
            assert_same_bits(predicted, expected[first : first + count], f"thread {thread}")
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(predict, range(8)))


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_training_one_network_from_two_threads_is_an_error_and_harms_nobody(engine):
    x, y, _ = rows(200, 5, 3)
    alone = trainer(engine=engine)
    alone.fit(x, y, epochs=3, batch_size=4)

    started, refused = Event(), Event()

    def wait_once(one):
        started.set()
        assert refused.wait(60)

    one = trainer(engine=engine, callbacks=[wait_once])
    other = Trainer(one.network, MSELoss(), SGD(1.0), engine=engine)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(one.fit, x, y, epochs=3, batch_size=4)
        assert started.wait(60)
        try:
            with pytest.raises(RuntimeError, match="another thread is training"):
                other.fit(x, y, epochs=1, batch_size=8)
            with pytest.raises(RuntimeError, match="another thread is training"):
                other.train_step(x[:8], y[:8])
        finally:
            refused.set()
        running.result()
    assert digest(one.network) == digest(alone.network)
    other.fit(x, y, epochs=1, batch_size=8)  # now it may


def test_an_error_leaves_the_network_free_for_other_threads():
    x, y, _ = rows(20, 5, 3)

    def fail(one):
        raise ZeroDivisionError

    one = trainer(callbacks=[fail])
    with pytest.raises(ZeroDivisionError):
        one.fit(x, y, epochs=1, batch_size=8)
    with ThreadPoolExecutor(1) as pool:
        other = Trainer(one.network, MSELoss(), SGD(0.1))
        assert len(pool.submit(other.fit, x, y, epochs=2, batch_size=8).result()) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_two_networks_trained_at_once_get_the_bits_of_alone(threads):
    handnn.set_num_threads(threads)
    x, y, _ = rows(256, 300, 10)
    start = Barrier(2)

    def fit(activation, together):
        one = trainer(SHARED, activation=activation)
        if together:
            start.wait()
        one.fit(x, y, epochs=40, batch_size=64)
        return digest(one.network)

    expected = [fit("relu", False), fit("sigmoid", False)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fit, ["relu", "sigmoid"], [True, True])) == expected


def test_the_number_of_threads_may_change_while_a_network_trains():
    x, y, _ = rows(256, 300, 10)
    alone = trainer(SHARED)
    alone.fit(x, y, epochs=60, batch_size=64)
    stop = Event()

    def change():
        turn = 0
        while not stop.wait(0.002):
            turn += 1
            handnn.set_num_threads(1 + turn % 4)

    changing = Thread(target=change)
    changing.start()
    try:
        one = trainer(SHARED)
        one.fit(x, y, epochs=60, batch_size=64)
    finally:
        stop.set()
        changing.join()
    assert digest(one.network) == digest(alone.network)


# ---- fork ----------------------------------------------------------------------------------------

FORKS = """
import os
import handnn
from tests.engine.fits import digest, rows, trainer

x, y, _ = rows(128, 300, 10)

def fit():
    one = trainer((300, 48, 24, 10))
    one.fit(x, y, epochs=2, batch_size=64)
    return digest(one.network)

expected = fit()
for turn in range(200):
    child = os.fork()
    if child == 0:
        os._exit(0 if fit() == expected else 9)
    if turn % 10 == 0:
        assert fit() == expected  # while the child trains, too
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"fork {turn} ended with status {status}"
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_two_hundred_forks_after_use_of_the_pool():
    """With three threads; a child that hangs runs into the timeout."""
    result = run_python("-c", FORKS, HANDNN_NUM_THREADS="3")
    assert result.stdout == "done\n", result.stderr
