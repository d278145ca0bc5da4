"""prepare: each check is done once, and nothing changes before the first step."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, MSELoss, Trainer, mlp, train_many
from handnn.training import trainer as trainer_module
from handnn.training.rows import Selection, select_rows
from handnn.training.run import Run

N_NETWORKS = 6


class CountedArray:
    """Rows that count how often NumPy converts them."""

    def __init__(self, values):
        self.values = values
        self.n_conversions = 0

    def __array__(self, dtype=None, copy=None):
        self.n_conversions += 1
        return self.values


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return CountedArray(x), CountedArray(x.sum(axis=1)), CountedArray(np.ones(40))


@pytest.fixture
def counts(monkeypatch):
    """Count prepared fits, trained fits and copies of rows, and the copies alive at once."""
    found = {"prepare": 0, "train": 0, "copies": 0}

    def count(owner, name, key, counts_if=lambda *_: True):
        usual = getattr(owner, name)

        def counted(*arguments):
            found[key] += bool(counts_if(*arguments))
            return usual(*arguments)

        monkeypatch.setattr(owner, name, counted)

    count(trainer_module, "prepare", "prepare")
    count(Run, "train", "train")
    count(Selection, "gather", "copies", lambda selection: selection.chosen is not None)
    return found


def trainers(dtype="float32"):
    return [
        Trainer(mlp([3, 4, 1], rng=seed, dtype=dtype), MSELoss(), SGD(0.01), rng=seed)
        for seed in range(N_NETWORKS)
    ]


def test_a_fit_is_prepared_and_trained_once(data, counts):
    x, y, _ = data
    trainers()[0].fit(x, y, epochs=2, batch_size=8)
    assert counts == {"prepare": 1, "train": 1, "copies": 0}
    assert x.n_conversions == y.n_conversions == 1


def test_train_many_prepares_and_trains_each_network_once(data, counts):
    x, y, weight = data
    train_many(trainers(), x, y, sample_weight=weight, epochs=2, batch_size=8, threads=2)
    assert counts == {"prepare": N_NETWORKS, "train": N_NETWORKS, "copies": 0}
    assert x.n_conversions == y.n_conversions == weight.n_conversions == 1


def test_train_many_copies_the_rows_of_each_network_once(data, counts):
    x, y, weight = data
    rows = [np.arange(seed, 40) for seed in range(1, N_NETWORKS + 1)]
    given = {"sample_weight": weight, "epochs": 2, "batch_size": 8}
    train_many(trainers(), x, y, rows=rows, validation="rest", **given)
    assert counts == {"prepare": N_NETWORKS, "train": N_NETWORKS, "copies": 2 * N_NETWORKS}
    assert x.n_conversions == y.n_conversions == weight.n_conversions == 1


def test_train_many_copies_rows_once_when_a_fraction_of_them_is_held_out(data, counts):
    x, y, _ = data
    rows = [np.arange(20)] * N_NETWORKS
    train_many(trainers(), x, y, rows=rows, validation=0.25, epochs=1, batch_size=8)
    assert counts["copies"] == 2 * N_NETWORKS, "the rows to train on, and those to validate on"


def test_train_many_casts_shared_data_once_per_dtype(data):
    x, y, _ = data
    mixed = [*trainers("float32"), *trainers("float64")]
    train_many(mixed, x, y, epochs=1, batch_size=8)
    assert x.n_conversions == y.n_conversions == 2


def test_train_many_casts_an_array_of_several_networks_once(monkeypatch):
    """The same float64 array given to each network separately: one float32 copy serves all."""
    x, y = np.ones((40, 3)), np.ones(40)
    seen = set()
    usual = Run.train

    def train(run, bar):
        seen.add(run.rows.arrays[0].ctypes.data)
        usual(run, bar)

    monkeypatch.setattr(Run, "train", train)
    train_many(trainers(), each=[{"x": x, "y": y}] * N_NETWORKS, epochs=1, batch_size=8)
    assert len(seen) == 1 and x.ctypes.data not in seen


def test_train_many_keeps_no_more_copies_than_threads(monkeypatch):
    """A run frees its rows when it ends, and copies them when it begins."""
    import gc
    import weakref

    alive, most = weakref.WeakSet(), []
    usual = Run.gather

    class Rows(np.ndarray):
        pass

    def gather(run):
        usual(run)
        rows = run._loop.rows[0].view(Rows)
        run._loop.rows = (rows, *run._loop.rows[1:])
        alive.add(rows)
        gc.collect()
        most.append(len(alive))

    monkeypatch.setattr(Rows, "__hash__", object.__hash__)
    monkeypatch.setattr(Run, "gather", gather)
    x = np.ones((40, 3), "f4")
    rows = [np.arange(30)] * N_NETWORKS
    train_many(trainers(), x, x[:, 0], rows=rows, epochs=1, batch_size=8, threads=1)
    assert len(most) == N_NETWORKS and max(most) == 1


def test_selected_rows_are_not_copied_before_they_are_needed(data):
    network, x = mlp([3, 1], rng=0), np.ones((40, 3), "f4")
    selected = select_rows("test", network, MSELoss(), {"x": x, "y": x[:, 0]}, np.arange(5))
    assert selected.arrays[0] is x and selected.n_rows == 5
    assert selected.take(np.array([4, 0])).gather()[0].shape == (2, 3)


def test_only_the_selected_rows_have_to_be_valid():
    """Weights of rows that are not selected are not validated."""
    network, x = mlp([3, 1], rng=0), np.ones((40, 3), "f4")
    weight = np.ones(40)
    weight[7] = -1
    given = {"x": x, "y": x[:, 0], "sample_weight": weight}
    assert select_rows("test", network, MSELoss(), given, np.arange(5)).n_rows == 5
    with pytest.raises(ValueError, match="test: sample_weight must be"):
        select_rows("test", network, MSELoss(), given, np.arange(10))


def test_an_error_in_a_later_trainer_leaves_the_earlier_ones_unchanged(data):
    x, y, _ = data
    many = trainers()
    states = [one.rng.bit_generator.state for one in many]
    each = [*[{}] * (N_NETWORKS - 1), {"epochs": 0}]
    with pytest.raises(ValueError, match=rf"trainers\[{N_NETWORKS - 1}\]: Trainer.fit: epochs"):
        train_many(many, x, y, epochs=2, batch_size=8, validation=0.2, each=each)
    assert [one.rng.bit_generator.state for one in many] == states


def test_trainers_that_do_not_begin_are_unchanged(data):
    x, y, _ = data

    def fail(one):
        raise OSError

    many = trainers()
    many[0].callbacks = (fail,)
    states = [one.rng.bit_generator.state for one in many]
    with pytest.raises(OSError):
        train_many(many, x, y, epochs=2, batch_size=8, validation=0.2, threads=1)
    assert [one.rng.bit_generator.state for one in many[1:]] == states[1:]
    assert all(len(one.history) == 0 for one in many[1:])
