"""Several Python threads may call the kernels concurrently."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np

import handnn.functional
from handnn.reference.calls import CALLS
from tests.bounds import assert_same_bits

THREADS = 4
ROUNDS = 20


def test_several_threads_give_the_bits_of_one():
    sizes = {"N": 64, "I": 33, "O": 65}
    work = [
        (call, call.arrays(dtype, sizes), call.run(call.arrays(dtype, sizes)))
        for call in CALLS
        for dtype in (np.float32, np.float64)
    ]
    start = Barrier(THREADS)

    def run(thread):
        start.wait()
        for turn in range(ROUNDS):
            for step in range(len(work)):
                call, arrays, expected = work[(step + thread + turn) % len(work)]
                for actual, value in zip(call.run(arrays), expected, strict=True):
                    assert_same_bits(actual, value, str(call))
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(run, range(THREADS)))


def test_a_shape_changed_by_another_thread_is_harmless():
    """A call computes with the shapes that it has checked."""
    x = np.ones((400, 250), np.float32)
    y = np.zeros((400, 250), np.float32)
    stop = Event()

    def reshape():
        while not stop.is_set():
            for array in (x, y):
                array.resize((250, 400), refcheck=False)  # in place: the size stays the same
                array.resize((400, 250), refcheck=False)

    with ThreadPoolExecutor(1) as pool:
        reshaping = pool.submit(reshape)
        try:
            for _ in range(2000):
                try:
                    assert handnn.functional.mse_loss_forward(x, y) == 1.0
                except ValueError as error:
                    assert "shape" in str(error)
        finally:
            stop.set()
        reshaping.result()
