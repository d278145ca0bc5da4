"""Many threads: predictions of one network, and fits of different networks, with the usual bits.

HANDNN_FAULT_RUNS multiplies the calls.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading

import numpy as np
import pytest

import handnn
from handnn import Trainer
from tests.bounds import assert_same_bits
from tests.faults import preload
from tests.faults.own_memory import growth

RUNS = int(os.environ.get("HANDNN_FAULT_RUNS", "1"))
N_THREADS, N_PREDICTIONS, N_FITS = 32, 20 * RUNS, RUNS


def in_threads(work):
    """Call work(number) in N_THREADS threads that begin together; raise what one of them raises."""
    barrier, errors = threading.Barrier(N_THREADS), []

    def run(number):
        try:
            barrier.wait(60)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_predict_with_one_network():
    rng = np.random.default_rng(0)
    network = handnn.mlp([20, 64, 64, 3], rng=0)
    x = rng.normal(size=(300, 20)).astype("float32")
    expected = network.predict(x)

    def work(number):
        rows = slice(number, number + 200)
        out = np.empty_like(expected[rows])
        for turn in range(N_PREDICTIONS):
            found = network.predict(x[rows], out=out if turn % 2 else None)
            assert_same_bits(found, expected[rows])

    in_threads(work)
    print(f"{N_THREADS} threads predicted {N_PREDICTIONS} times each: the same bits")


def trainer(seed):
    network = handnn.mlp([6, 32, 1], activation="tanh", rng=seed)
    return Trainer(network, handnn.MSELoss(), handnn.Adam(), rng=seed)


def test_threads_train_networks_of_their_own():
    x = np.random.default_rng(1).normal(size=(200, 6)).astype("float32")
    y = x[:, :1] ** 2
    expected = {}
    for seed in range(N_THREADS):
        one = trainer(seed)
        one.fit(x, y, epochs=3, batch_size=16)
        expected[seed] = one.network.params

    def work(number):
        for _ in range(N_FITS):
            one = trainer(number)
            one.fit(x, y, epochs=3, batch_size=16)
            for name, array in one.network.params.items():
                assert_same_bits(array, expected[number][name])

    in_threads(work)
    print(f"{N_THREADS} threads trained {N_FITS} networks each: the same bits")


def main(_):
    """Train and predict when no thread can start; print whether the bits are the usual ones."""
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    x = np.random.default_rng(1).normal(size=(512, 256)).astype("float32")
    answers = []
    for fails in (0, 1):
        handnn.set_num_threads(1)  # ends the threads there are
        shim.fail_threads(fails)
        handnn.set_num_threads(8)
        several = [handnn.mlp([256, 128, 4], rng=seed) for seed in range(3)]
        trainers = [Trainer(one, handnn.MSELoss(), handnn.SGD(0.01), rng=0) for one in several]
        trainers[0].fit(x, x[:, :4], epochs=2, batch_size=256)
        handnn.train_many(trainers[1:], x, x[:, :4], epochs=1, batch_size=256)
        answers.append([network.predict(x).tobytes() for network in several])
    print(answers[0] == answers[1])


def test_threads_that_cannot_start(tmp_path):
    shim = preload.build("failing_threads", tmp_path)
    assert preload.output_of("tests.faults.test_threads", "", shim) == "True\n"


@pytest.mark.parametrize("failing", [0, 1])
def test_a_thread_whose_start_fails_after_it_began_trains_once(monkeypatch, failing):
    """`Thread.start` raises if no lock can be made to wait for a thread that runs already."""
    start, run, runs = threading.Thread.start, threading.Thread.run, []

    def start_and_fail(thread):
        start(thread)
        if thread.name == f"train_many-{failing}":
            raise RuntimeError("can't allocate lock")

    monkeypatch.setattr(threading.Thread, "start", start_and_fail)
    monkeypatch.setattr(threading.Thread, "run", lambda one: (runs.append(one.name), run(one)))
    trainers, x = [trainer(seed) for seed in range(3)], np.ones((8, 6), np.float32)
    handnn.train_many(trainers, x, x[:, :1], epochs=1, batch_size=4, threads=2)
    assert sorted(runs) == [f"train_many-{number}" for number in range(failing + 1)]
    assert [one.optimizer.steps for one in trainers] == [2] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer keeps freed memory")
def test_changes_of_the_number_of_threads_need_no_more_memory():
    before = handnn.get_num_threads()
    network, x = handnn.mlp([64, 64, 1], rng=0), np.ones((256, 64), np.float32)

    def work():
        for turn in range(300):
            handnn.set_num_threads(1 + turn % 8)
            network.predict(x)

    try:
        work()
        assert growth(work, 2**20) < 2**20
    finally:
        handnn.set_num_threads(before)


if __name__ == "__main__":
    main(sys.argv[1])
