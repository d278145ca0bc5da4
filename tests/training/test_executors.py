"""train_many on an executor: the same bits as in threads, even if workers die."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import textwrap
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handnn import EarlyStopping, Network, Trainer, train_many
from handnn.training.many import shared_rows
from handnn.training.many.dispatch import WorkerDiedError
from tests.bounds import assert_same_bits
from tests.engine.fits import digest, run_python
from tests.own_bricks import Halve
from tests.training.test_many import data, dropping, trainer

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads warns
FOREVER = 10**7


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        yield executor


def assert_same_training(one, other):
    assert one.history.train_loss == other.history.train_loss
    assert one.history.validation_loss == other.history.validation_loss
    arrays = {**one.network.params, **one.network.buffers}
    others = {**other.network.params, **other.network.buffers}
    for name, array in arrays.items():
        assert_same_bits(array, others[name], name)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    assert one.optimizer.steps == other.optimizer.steps
    for state, kept in one.optimizer.state.items():
        for name, array in kept.items():
            assert_same_bits(array, other.optimizer.state[state][name], f"{state} {name}")


class Watch:
    """A callback with state; calls `at` in epoch 2."""

    def __init__(self, at=None, *arguments):
        self.seen = 0
        self.at = at
        self.arguments = arguments

    def __call__(self, trainer):
        self.seen = len(trainer.history)
        if self.at is not None and self.seen == 2:
            self.at(*self.arguments)


def fail():
    raise OSError("the disk is full")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    if not Path(path).exists():
        Path(path).touch()
        die()


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_the_bits_of_threads(pool, engine):
    x, y = data()
    rows = [np.arange(30), np.arange(10, 40), np.arange(40), np.arange(0, 40, 2)]
    rows[2] = rows[2][:36]
    arguments = {"rows": rows, "validation": "rest", "epochs": 4, "batch_size": 8}
    one, other = ([dropping(seed, "float32", engine) for seed in range(4)] for _ in range(2))
    params = [dict(trainer.network.params) for trainer in other]
    schedules = [trainer.optimizer.schedule for trainer in other]
    train_many(one, x, y, **arguments)
    histories = train_many(other, x, y, executor=pool, **arguments)
    for place in range(4):
        assert_same_training(one[place], other[place])
        assert histories[place] is other[place].history
        assert other[place].optimizer.schedule is schedules[place]
        assert vars(schedules[place]) == vars(one[place].optimizer.schedule) or place % 2
        for name, array in other[place].network.params.items():
            assert array is params[place][name]
    for place in range(4):  # both continue in the same way
        one[place].fit(x, y, 1, 8)
        other[place].fit(x, y, 1, 8)
        assert_same_training(one[place], other[place])


def test_each_trainer_has_its_own_arguments(pool, tmp_path):
    x, y = data()
    each = [
        {"early_stopping": EarlyStopping(1), "validation": (x[:9], y[:9])},
        {"checkpoint": tmp_path / "one", "sample_weight": np.linspace(0, 2, 40)},
        {"metrics": ["mae"], "x": x[::-1], "y": y[::-1]},
    ]
    watches = Watch(), Watch()
    one, other = ([trainer(seed) for seed in range(3)] for _ in range(2))
    for trainers, watch in zip((one, other), watches, strict=True):
        trainers[0].callbacks = (watch,)
        own = trainers[1].network.layers
        trainers[1].network = Network([*own[:-1], Halve(), own[-1]])
        if trainers is one:
            each[1]["checkpoint"] = None
            train_many(one, x, y, epochs=3, batch_size=8, each=each)
            best, each[0]["early_stopping"] = each[0]["early_stopping"], EarlyStopping(1)
        else:
            trainers[1].network = Network(own)
            one[1] = trainer(1)
            one[1].fit(x, y, 3, 8, sample_weight=each[1]["sample_weight"])
            each[1]["checkpoint"] = tmp_path / "one"
            train_many(other, x, y, epochs=3, batch_size=8, each=each, executor=pool)
    for place in range(3):
        assert_same_training(one[place], other[place])
    assert watches[0].seen == watches[1].seen == len(one[0].history)
    assert each[0]["early_stopping"].best == best.best
    assert other[2].history.metrics == one[2].history.metrics
    resumed = Trainer.resume(tmp_path / "one")
    train_many([resumed], x, y, each=[{"sample_weight": each[1]["sample_weight"], "epochs": 5}])
    again = trainer(1)
    again.fit(x, y, 5, 8, sample_weight=each[1]["sample_weight"])
    assert_same_training(resumed, again)


def test_an_error_names_the_trainer_and_leaves_complete_steps(pool):
    x, y = data()
    trainers = [trainer(seed) for seed in range(3)]
    trainers[1].callbacks = (Watch(fail),)
    with pytest.raises(OSError, match="the disk is full") as caught:
        train_many(trainers, x, y, epochs=FOREVER, batch_size=8, executor=pool)
    assert any("in the fit of trainers[1]" in note for note in caught.value.__notes__)
    assert any("in fail" in note for note in caught.value.__notes__)
    assert len(trainers[1].history) == 2
    assert 0 < max(len(one.history) for one in trainers) < FOREVER


def test_a_job_whose_worker_died_once_has_the_same_bits(tmp_path):
    x, y = data()
    one, other = ([trainer(seed) for seed in range(4)] for _ in range(2))
    train_many(one, x, y, epochs=3, batch_size=8)
    watch = Watch(die_once, str(tmp_path / "died"))
    other[2].callbacks = (watch,)
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        train_many(other, x, y, epochs=3, batch_size=8, executor=executor)
    assert (tmp_path / "died").exists() and watch.seen == 3
    for place in range(4):
        assert_same_training(one[place], other[place])


def test_an_error_names_a_job_with_a_worker_that_always_dies():
    x, y = data()
    trainers = [trainer(seed) for seed in range(4)]
    trainers[2].callbacks = (Watch(die),)
    before = trainers[2].network.params["0.w"].copy()
    with (
        ProcessPoolExecutor(2, mp_context=SPAWN) as executor,
        pytest.raises(WorkerDiedError, match=r"worker of trainers\[2\] died, 3 times"),
    ):
        train_many(trainers, x, y, epochs=3, batch_size=8, executor=executor)
    assert_same_bits(trainers[2].network.params["0.w"], before)
    assert [len(trainers[place].history) for place in (0, 1, 3)] == [3, 3, 3]


class Broken(Executor):
    """An executor of an unknown type that has lost its workers."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_an_executor_that_cannot_be_replaced():
    x, y = data()
    with pytest.raises(WorkerDiedError, match=r"trainers\[0\], trainers\[1\] died, and the exec"):
        train_many([trainer(0), trainer(1)], x, y, epochs=1, batch_size=8, executor=Broken())


class Recording(Executor):
    """Runs each job immediately, as on another machine, and records the sizes of the messages."""

    def __init__(self):
        self.sizes = []

    def submit(self, fn, /, *args, **kwargs):
        sent = pickle.dumps((fn, args, kwargs))
        self.sizes.append(len(sent))
        future = Future()
        fn, args, kwargs = pickle.loads(sent)
        future.set_result(pickle.loads(pickle.dumps(fn(*args, **kwargs))))
        return future


def test_jobs_carry_no_rows():
    x, y = data(20_000)
    executor = Recording()
    trainers = [trainer(seed) for seed in range(3)]
    train_many(trainers, x, y, epochs=1, batch_size=2000, executor=executor)
    assert max(executor.sizes) < 20_000 < x.nbytes


def test_a_worker_that_cannot_open_the_folder_gets_the_rows_once(monkeypatch):
    monkeypatch.setattr(shared_rows.OpenedRows, "is_mapped", False)
    x, y = data(2000)
    executor = Recording()
    one, other = ([trainer(seed) for seed in range(3)] for _ in range(2))
    train_many(one, x, y, epochs=2, batch_size=200)
    train_many(other, x, y, epochs=2, batch_size=200, executor=executor)
    for place in range(3):
        assert_same_training(one[place], other[place])
    assert [size > x.nbytes for size in sorted(executor.sizes)] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"executor": 4}, TypeError, "executor must be a concurrent.futures.Executor, but is 4"),
        ({"executor": Recording(), "threads": 2}, ValueError, "threads and executor exclude"),
        ({"executor": Recording(), "epochs": 0}, ValueError, r"trainers\[0\]: .*epochs must be"),
    ],
    ids=["no executor", "threads", "bad argument"],
)
def test_bad_arguments(arguments, error, message):
    x, y = data()
    with pytest.raises(error, match=message):
        train_many([trainer()], x, y, **{"epochs": 1, "batch_size": 8, **arguments})


def test_a_callback_that_does_not_pickle(pool):
    x, y = data()
    one = trainer(callbacks=[lambda trainer: None])
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda") as caught:
        train_many([one], x, y, epochs=1, batch_size=8, executor=pool)
    assert "trainers[0]" in caught.value.__notes__[-1]


SCRIPT = textwrap.dedent(
    """
    import multiprocessing, os, signal, sys, threading, time
    from concurrent.futures import ProcessPoolExecutor
    from handnn import train_many
    from handnn.training.many.executors import open_executor
    from tests.training.test_many import data, trainer

    if __name__ == "__main__":
        # A shell may have started the tests in the background, where SIGINT is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        x, y = data()
        trainers = [trainer(seed) for seed in range(3)]
        each = [{"epochs": 2}, {"epochs": 10**8}, {"epochs": 3}]
        def press():
            while not len(trainers[0].history):  # until its results are back
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=press).start()
        multiprocessing.set_start_method("spawn")
        try:
            with open_executor("processes:2") as executor:
                train_many(trainers, x, y, batch_size=8, each=each, executor=executor)
        except KeyboardInterrupt:
            print("interrupted", *(len(one.history) for one in trainers))
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process here")
def test_ctrl_c_returns_complete_trainings():
    done = run_python("-c", SCRIPT)
    if "interrupted" not in done.stdout:
        raise AssertionError(done.stdout + done.stderr)
    n_first, n_running, _ = map(int, done.stdout.split()[1:])
    assert n_first == 2 and 0 < n_running < 10**8


def test_dask():
    distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
    x, y = data()
    one, other = ([trainer(seed) for seed in range(3)] for _ in range(2))
    train_many(one, x, y, epochs=3, batch_size=8)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        train_many(other, x, y, epochs=3, batch_size=8, executor=client.get_executor())
    for place in range(3):
        assert_same_training(one[place], other[place])


MPI_SCRIPT = textwrap.dedent(
    """
    from handnn import train_many
    from handnn.training.many.executors import open_executor
    from tests.engine.fits import digest
    from tests.training.test_many import data, trainer

    with open_executor("mpi") as executor:
        if executor is not None:
            x, y = data()
            trainers = [trainer(seed) for seed in range(4)]
            train_many(trainers, x, y, epochs=3, batch_size=8, executor=executor)
            print(digest(*(one.network for one in trainers)))
    """
)


def test_mpi(run_ranks):
    x, y = data()
    trainers = [trainer(seed) for seed in range(4)]
    train_many(trainers, x, y, epochs=3, batch_size=8)
    done = run_ranks(3, "-c", MPI_SCRIPT)
    assert done.stdout.split() == [digest(*(one.network for one in trainers))], done.stderr
