"""The engine with threads and processes: correct results or a clear error."""

from __future__ import annotations

import os
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import numpy as np
import pytest

import handnn
from handnn import SGD, MSELoss, Trainer, functional
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, rows, run_python, trainer

SHARED = (300, 48, 24, 10)  # with batches of 64, steps are shared among threads


# ---- number of threads ---------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, np.int64(4), 1024])
def test_set_num_threads(threads):
    handnn.set_num_threads(threads)
    assert handnn.get_num_threads() == threads


@pytest.mark.parametrize("wrong", [0, -1, 1025, 2**62, 2.0, "2", None])
def test_set_num_threads_rejects_invalid_numbers(wrong):
    handnn.set_num_threads(3)
    with pytest.raises((ValueError, TypeError)):
        handnn.set_num_threads(wrong)
    assert handnn.get_num_threads() == 3


def test_the_environment_sets_the_number_of_threads():
    script = "import handnn; print(handnn.get_num_threads())"
    assert run_python("-c", script, HANDNN_NUM_THREADS="5").stdout == "5\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not known here")
def test_the_default_is_the_number_of_available_cpus():
    cpus = os.sched_getaffinity(0)
    for some in (cpus, {min(cpus)}):
        script = (
            f"import os; os.sched_setaffinity(0, {some})\n"
            "import handnn; print(handnn.get_num_threads())"
        )
        result = run_python("-c", script, HANDNN_NUM_THREADS="")
        assert result.stdout == f"{len(some)}\n", result.stderr


@pytest.mark.parametrize("wrong", ["0", "-2", "two", "1.5", "2 ", "1025", "9" * 30])
def test_an_invalid_number_in_the_environment_is_an_import_error(wrong):
    result = run_python("-c", "import handnn", HANDNN_NUM_THREADS=wrong)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and "HANDNN_NUM_THREADS" in last


# ---- threads of Python ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_on_many_threads(dtype):
    """All threads use one network, which the first of them compiles."""
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
def test_training_one_network_on_two_threads_raises(engine):
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
    other.fit(x, y, epochs=1, batch_size=8)  # the other fit has ended


def test_an_error_releases_the_network():
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
def test_concurrent_fits_have_the_bits_of_separate_ones(threads):
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


@pytest.mark.parametrize(("sizes", "batch_size"), [((2048, 1024, 4), 1), ((64, 64, 64, 8), 256)])
def test_a_fit_that_changes_between_one_thread_and_two(sizes, batch_size):
    """Long enough for several trials of the slower way (cpp/engine/sharing.hpp)."""
    x = np.random.default_rng(0).normal(size=(2 * batch_size, sizes[0])).astype(np.float32)
    fitted = []
    for threads in (1, 2):
        handnn.set_num_threads(threads)
        one = Trainer(handnn.mlp(sizes, rng=0), MSELoss(), SGD(1e-3))
        one.fit(x, x[:, : sizes[-1]], epochs=400, batch_size=batch_size, shuffle=False)
        fitted.append(one)
    for name, array in fitted[0].network.params.items():
        assert_same_bits(fitted[1].network.params[name], array, name)
    assert fitted[0].history.train_loss == fitted[1].history.train_loss


def test_set_num_threads_during_a_fit():
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


def test_concurrent_functions_predictions_and_fits():
    """A stress test for interpreters without the GIL: all results have the bits of one thread."""
    x, y, _ = rows(96, 13, 3, "float32")
    shared = trainer((13, 16, 3)).network
    w, b = shared.layers[0].params["w"], shared.layers[0].params["b"]

    def work(turn):
        """Return the bytes of all results of one iteration."""
        own = trainer((13, 16, 3), activation=["relu", "sigmoid", "tanh"][turn % 3])
        own.fit(x, y, epochs=2, batch_size=8 + turn % 3)
        out = functional.affine_forward(x, w, b)
        dx, dw, db = functional.affine_backward(out, x, w)
        loss = functional.mse_loss_forward(functional.softmax_forward(out), out)
        predicted = shared.predict(x[turn % 5 :])
        parts = [out, dx, dw, db, np.float64(loss), predicted, own.network.predict(x)]
        return digest(own.network), [part.tobytes() for part in parts]

    turns = 24
    expected = [work(turn) for turn in range(turns)]
    start = Barrier(8)

    def thread(first):
        start.wait()
        return [work(turn) for turn in [*range(first, turns), *range(first)]]

    with ThreadPoolExecutor(8) as pool:
        for first, found in enumerate(pool.map(thread, range(8))):
            assert found == expected[first:] + expected[:first]


def test_the_import_does_not_enable_the_gil():
    """An extension module that needs the GIL enables it in a free-threaded interpreter."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this interpreter has the GIL")
    script = "import sys, handnn._core; print(sys._is_gil_enabled())"
    assert run_python("-c", script, PYTHON_GIL="").stdout == "False\n"


# ---- fork ----------------------------------------------------------------------------------------

FORKS = """
import os
import sysconfig
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
def test_fork_after_use_of_the_pool():
    """200 forks with three threads; a child that hangs runs into the timeout."""
    result = run_python("-c", FORKS, HANDNN_NUM_THREADS="3")
    assert result.stdout == "done\n", result.stderr
