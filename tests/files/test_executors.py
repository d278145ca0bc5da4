"""Models of files and estimators whose networks are trained by an executor."""

from __future__ import annotations

import warnings
from importlib.resources import files

import numpy as np
import pytest

from handnn import train_file
from handnn.cli import main
from tests.training.test_executors import Recording

PATH = str(files("handnn") / "data" / "concrete.csv")
TARGET = "Concrete compressive strength"
SHORT = {"epochs": 2, "networks": 2}


def test_train_file_has_the_same_bits(tmp_path):
    executor = Recording()
    one, other = tmp_path / "one", tmp_path / "other"
    train_file(PATH, TARGET, **SHORT).save(one)
    train_file(PATH, TARGET, executor=executor, **SHORT).save(other)
    assert one.read_bytes() == other.read_bytes()
    assert len(executor.sizes) == 4  # a linear network is beside each


def test_the_command_trains_over_mpi(tmp_path, run_ranks):
    one, other = tmp_path / "one", tmp_path / "other"
    train_file(PATH, TARGET, **SHORT).save(one)
    options = ["--target", TARGET, "--epochs", "2", "--networks", "2", "--out", str(other)]
    done = run_ranks(2, "-m", "handnn", "train", PATH, *options, "--executor", "mpi")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("least squares") == 2  # a row of the table, and the verdict: once
    assert one.read_bytes() == other.read_bytes()


def test_ranks_share_the_rows_of_each_network(tmp_path, run_ranks):
    one, other = tmp_path / "one", tmp_path / "other"
    train_file(PATH, TARGET, shards=16, **SHORT).save(one)
    options = ["--target", TARGET, "--epochs", "2", "--networks", "2", "--out", str(other)]
    for stream in ("--no-stream", "--stream"):
        done = run_ranks(2, "-m", "handnn", "train", PATH, *options, stream)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("least squares") == 2  # a row of the table, and the verdict: once
        assert one.read_bytes() == other.read_bytes()


def test_ranks_train_a_bag_if_the_settings_need_folds(tmp_path, run_ranks):
    one, other = tmp_path / "one", tmp_path / "other"
    options = {"split_by": "Age", "shards": 16, **SHORT}
    model = train_file(PATH, TARGET, **options)
    assert len(model.networks) == 2 and model.notes.story["split"].startswith("groups")
    model.save(one)
    words = ["--target", TARGET, "--epochs", "2", "--networks", "2", "--out", str(other)]
    done = run_ranks(2, "-m", "handnn", "train", PATH, *words, "--split-by", "Age")
    assert one.read_bytes() == other.read_bytes(), done.stderr


def test_shards_train_one_network(tmp_path):
    logged = []
    model = train_file(PATH, TARGET, shards=2, epochs=1, log=logged.append)
    assert len(model.networks) == 1 and "1,030 rows, in 2 stripes" in logged[0]


def test_an_executor_and_ranks_exclude_each_other():
    with pytest.raises(ValueError, match="executor and comm exclude each other"):
        train_file(PATH, TARGET, executor=Recording(), comm=object(), **SHORT)


def test_an_executor_and_shards_exclude_each_other():
    with pytest.raises(ValueError, match="networks of a bag, and shards divide the rows of one"):
        train_file(PATH, TARGET, shards=2, executor=Recording(), **SHORT)


def test_streaming_rejects_an_executor():
    with pytest.raises(ValueError, match="an executor trains networks in memory; write stream=F"):
        train_file(PATH, TARGET, stream=True, executor=Recording(), **SHORT)


@pytest.mark.parametrize("name", ["nonsense", "processes:", "processes:x", "mpi:4"])
def test_unknown_executors(tmp_path, capsys, name):
    out = str(tmp_path / "model")
    assert main(["train", PATH, "--target", TARGET, "--executor", name, "--out", out]) == 1
    assert "is not an executor: mpi, dask:ADDRESS or processes:N" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [{}, {"n_ensemble": 2, "early_stopping": True}], ids=["bag", "two networks"]
)
def test_estimators(options):
    sklearn = pytest.importorskip("handnn.sklearn")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    executor = Recording()
    one, other = (sklearn.MLPRegressor(max_iter=2, random_state=0, **options) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs do not converge
        one.fit(x, x[:, 0])
        other.fit(x, x[:, 0], executor=executor)
    assert np.array_equal(one.predict(x), other.predict(x))
    assert len(one.networks_) == len(other.networks_)
    n_kept = len(one.networks_)  # of a bag one linear kind, out of three that train for two cycles
    n_jobs = n_kept if options else 6 * n_kept
    assert len(executor.sizes) == n_jobs


LATE = """
import sys, time
from mpi4py import MPI
from handnn.cli import main

if MPI.COMM_WORLD.rank == 1:
    time.sleep(3600)
main(sys.argv[1:])
"""


def test_the_command_ends_if_a_rank_does_not_respond(tmp_path, run_ranks):
    options = ["--target", TARGET, "--out", str(tmp_path / "model"), "--deadline", "0.5s"]
    done = run_ranks(2, "-c", LATE, "train", PATH, *options)
    assert done.returncode != 0 and not (tmp_path / "model").exists()
    assert ": rank 1 did not answer within 0.5 s; ending all 2 ranks" in done.stderr


def test_a_deadline_that_is_not_a_time():
    with pytest.raises(ValueError, match="train_file: deadline must be above 0"):
        train_file(PATH, TARGET, deadline=0)
