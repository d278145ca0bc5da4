"""A process that is killed: the run ends, its rank is named, and the checkpoint resumes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time

import numpy as np

from handnn import Adam, MSELoss, Trainer
from handnn.training.distributed.places import Place, described, here
from tests.engine.fits import rows
from tests.slow import SLOW
from tests.training.test_ranks import facts, network

N_KILLS = 50 if SLOW else 1
N_EPOCHS = 40


def test_a_place_is_dead_only_if_that_is_certain():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    there = here()._replace(process=process.pid)
    assert not there.is_dead() and not here().is_dead()
    process.kill()
    while not there.is_dead():
        time.sleep(0.01)  # a zombie
    process.wait()
    process.stdin.close()
    assert there.is_dead()
    assert not there._replace(host="elsewhere").is_dead()
    assert not there._replace(namespace="another").is_dead()


def test_places_in_words():
    places = [Place("a", 7, ""), Place("b", 7, ""), Place("a", 9, "")]
    assert described(places).splitlines() == [
        "handnn: on a, rank 0 is process 7, rank 2 is process 9",
        "handnn: on b, rank 1 is process 7",
    ]


KILLED = textwrap.dedent(
    """
    import os, signal, sys, threading
    from mpi4py import MPI
    from tests.training.test_rank_deaths import N_EPOCHS, fit

    comm, victim, seconds, path = MPI.COMM_WORLD, int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]

    def call(trainer):
        if len(trainer.history) == 2 and comm.rank == victim:
            threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()

    fit(N_EPOCHS if victim < 0 else 10**6, path, comm, [call])
    """
)


def fit(epochs, path=None, comm=None, callbacks=()):
    """Train from the start, or from a checkpoint if there is one; return the trainer."""
    x, y, _ = rows(100, 5, 2)
    if path is not None and os.path.exists(path):
        one = Trainer.resume(path, comm=comm)
        one.fit(x, y, epochs)
    else:
        options = {"rng": 1, "shards": 16, "comm": comm, "callbacks": callbacks}
        one = Trainer(network(), MSELoss(), Adam(0.01), **options)
        one.fit(x, y, epochs, 30, checkpoint=path)
    return one


def test_the_launcher_names_a_killed_rank_and_the_checkpoint_resumes(tmp_path, run_ranks):
    rng = np.random.default_rng(None if SLOW else 0)
    n_first = 0
    for number in range(N_KILLS):
        n_ranks, path = 3, tmp_path / str(number)
        victim, seconds = int(rng.integers(n_ranks)), rng.uniform(0, 0.3)
        start = time.monotonic()
        done = run_ranks(n_ranks, "-c", KILLED, str(victim), str(seconds), str(path))
        assert done.returncode != 0 and time.monotonic() - start < 60
        process_of = dict(re.findall(r"rank (\d+) is process (\d+)", done.stderr))
        assert len(process_of) == n_ranks, done.stderr
        text = done.stdout + done.stderr
        named = re.findall(r"PID (\d+) RUNNING AT|\(process (\d+)\) has died", text)
        assert {"".join(pair) for pair in named} & {*process_of.values()}, text
        n_first += f"PID {process_of[str(victim)]} R" in text or "has died" in text
        n_epochs = len(Trainer.resume(path).history) + 3
        if number % 5 == 4:  # two ranks go on
            run_ranks(
                2, "-c", KILLED.replace("N_EPOCHS if", f"{n_epochs} if"), "-1", "0", str(path)
            )
        resumed = fit(n_epochs, path)
        assert facts(resumed)[:3] == facts(fit(n_epochs))[:3], (victim, seconds)
    print(f"{n_first} of {N_KILLS} messages name the rank that was killed first")
