"""A process that is killed: the run ends, its rank is named, and the checkpoint resumes."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handnn import Adam, MSELoss, Trainer
from handnn.training.distributed import watcher
from handnn.training.distributed.places import Place, described, here
from handnn.training.distributed.watch import watch_ranks
from tests.engine.fits import rows
from tests.slow import SLOW
from tests.training.test_ranks import facts, network

N_KILLS = 50 if SLOW else 1
"""Of each rank."""

needs_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")


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
    import os, socket, sys, threading
    from mpi4py import MPI
    from tests.training.test_rank_deaths import fit

    path, n_epochs, victim, seconds, signal, *hosts = sys.argv[1:]
    comm = MPI.COMM_WORLD
    if hosts:  # as if the ranks were on several hosts
        socket.gethostname = lambda: hosts[comm.rank]

    def call(trainer):
        if len(trainer.history) == 2 and comm.rank == int(victim):
            threading.Timer(float(seconds), os.kill, [os.getpid(), int(signal)]).start()

    fit(int(n_epochs), path, comm, [call])
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


def run(run_ranks, n_ranks, path, n_epochs=10**6, victim=-1, seconds=0.0, signal=9, hosts=()):
    """Train with ranks, and kill the victim, if any; check that no watcher is left behind."""
    arguments = [path, n_epochs, victim, seconds, signal, *hosts]
    # The watchers of different hosts are not ordered by the kernel. MPICH's launcher ends the other
    # ranks at once, and on a busy machine their watchers can be faster; they end themselves later.
    options = ["-disable-auto-cleanup"] if hosts else []
    done = run_ranks(n_ranks, "-c", KILLED, *map(str, arguments), MARK=str(path), options=options)
    end = time.monotonic() + 5
    while watchers(path):
        assert time.monotonic() < end
        time.sleep(0.01)
    return done


def watchers(mark):
    """Return the processes of watchers with a variable MARK in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_watcher = watcher.__file__.encode() in (folder / "cmdline").read_bytes()
            if is_watcher and f"MARK={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def named(stderr):
    """Return the ranks that watchers report, each with its process and what happened to it."""
    return re.findall(r"^handnn: rank (\d+) on \S+ \(process (\d+)\) (.*)$", stderr, re.MULTILINE)


def assert_names(done, victim, name="SIGKILL"):
    """Check that a run ended because of the victim, which one line names; return the cause."""
    process_of = dict(re.findall(r"rank (\d+) is process (\d+)", done.stderr))
    ((rank, process, what),) = named(done.stderr)
    assert done.returncode != 0
    assert (int(rank), process) == (victim, process_of[str(victim)]), done.stderr
    assert what in (f"was killed by {name}", "has died"), done.stderr  # before Linux 6.15
    return what


@needs_epoll
@pytest.mark.parametrize("n_ranks", [2, 4] if SLOW else [2])
def test_a_killed_rank_is_named_and_the_checkpoint_resumes(tmp_path, run_ranks, n_ranks):
    rng = np.random.default_rng(None if SLOW else 0)
    others = [number for number in (1, 2, 3) if number != n_ranks]
    for victim in range(n_ranks):
        causes = []
        for number in range(N_KILLS):
            path, seconds = tmp_path / f"{victim}-{number}", rng.uniform(0, 0.3)
            start = time.monotonic()
            done = run(run_ranks, n_ranks, path, victim=victim, seconds=seconds)
            assert time.monotonic() - start < 60
            causes.append(assert_names(done, victim))
            n_epochs = len(Trainer.resume(path).history) + 3
            done = run(run_ranks, others[(victim + number) % len(others)], path, n_epochs)
            assert done.returncode == 0 and not named(done.stderr), done.stderr
            resumed, whole = fit(n_epochs, path), fit(n_epochs)
            assert facts(resumed)[:3] == facts(whole)[:3], (victim, seconds)
        counts = {cause: causes.count(cause) for cause in causes}
        print(f"rank {victim} of {n_ranks}: ended within 60 s, resumed to the same bits, {counts}")


@needs_epoll
@pytest.mark.parametrize("victim", [0, 1, 2] if SLOW else [1])
def test_a_rank_on_another_host_is_named_once(tmp_path, run_ranks, victim):
    hosts = ["localhost", "127.0.0.1", "127.0.0.2"]
    done = run(run_ranks, 3, tmp_path / "one", victim=victim, signal=11, hosts=hosts)
    assert f"handnn: on {hosts[victim]}, rank {victim} is process" in done.stderr
    assert_names(done, victim, "SIGSEGV")


@needs_epoll
def test_the_watch_ends_when_a_rank_leaves(monkeypatch, capfd):
    monkeypatch.setenv("MARK", "leaves")
    watch = watch_ranks(0, [here()], lambda text: [text])
    assert len(watchers("leaves")) == 1
    watch.leave()
    end = time.monotonic() + 5
    while watchers("leaves"):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_watched_without_epoll(monkeypatch):
    monkeypatch.delattr(select, "epoll", raising=False)
    assert watch_ranks(0, [here()], lambda text: [text]) is None


@needs_epoll
def test_a_watcher_accepts_another_with_its_token():
    hub = watcher.Watcher({}, b"token")
    listener = socket.create_server(("127.0.0.1", 0))
    hub.add(listener)
    with ThreadPoolExecutor(1) as pool:
        line = pool.submit(hub.first_event)
        assert watcher.connection_to([listener.getsockname()], b"guess") is None
        other = watcher.connection_to([("127.0.0.1", 1), listener.getsockname()], b"token")
        other.sendall(b"handnn: rank 1 has died\n")
        assert line.result(timeout=10) == b"handnn: rank 1 has died\n"
    for one in (other, *hub.sockets.values()):
        one.close()
