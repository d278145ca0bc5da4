"""The batches of an epoch: shuffled, in order, or drawn with replacement."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from handnn import SGD, Affine, MSELoss, Network, Trainer, mlp, schedules
from tests.bounds import assert_same_bits


class Diary:
    """Record the rows of each batch."""

    def __init__(self):
        self.batches = []

    def forward(self, x):
        self.batches.append(x[:, 0].astype(int).tolist())
        return x

    def backward(self, dout):
        return dout


def batches(count, epochs=1, batch_size=4, seed=0, **how):
    """Return the row numbers of each batch."""
    diary = Diary()
    network = Network([diary, Affine([[0.0]], [0.0])])
    x = np.arange(float(count))[:, None]
    trainer = Trainer(network, MSELoss(), SGD(0.0), rng=seed)
    trainer.fit(x, x, epochs=epochs, batch_size=batch_size, **how)
    return diary.batches


def test_shuffle_visits_each_row_once():
    assert sorted(chain(*batches(10))) == list(range(10))
    assert [len(batch) for batch in batches(10)] == [4, 4, 2]


def test_replacement_draws_uniformly():
    rows = list(chain(*batches(10, epochs=400, shuffle="replacement")))
    assert len(rows) == 4000
    counts = np.bincount(rows, minlength=10)
    assert abs(counts - 400).max() < 5 * np.sqrt(4000 * 0.1 * 0.9)
    epochs = np.reshape(rows, (400, 10))
    alike = sum(len(set(epoch)) == 10 for epoch in epochs.tolist())
    assert alike < 10, "only 10!/10^10 of all draws have each row once"
    assert len(set(map(tuple, epochs.tolist()))) == 400, "each epoch has its own draws"


def test_seed_determines_the_draws():
    draw = {"epochs": 3, "shuffle": "replacement"}
    assert batches(10, seed=1, **draw) == batches(10, seed=1, **draw)
    assert batches(10, seed=1, **draw) != batches(10, seed=2, **draw)


@pytest.mark.parametrize(
    ("how", "sizes"),
    [
        ({"steps_per_epoch": 2}, [4, 4]),
        ({"steps_per_epoch": 3}, [4, 4, 2]),
        ({"steps_per_epoch": 9}, [4, 4, 2]),
        ({"steps_per_epoch": 2, "shuffle": False}, [4, 4]),
        ({"steps_per_epoch": 5, "shuffle": "replacement"}, [4] * 5),
        ({"steps_per_epoch": 1, "shuffle": "replacement", "batch_size": 33}, [33]),
        ({"shuffle": "replacement", "batch_size": 33}, [10]),
    ],
    ids=str,
)
def test_steps_per_epoch(how, sizes):
    assert [len(batch) for batch in batches(10, epochs=2, **how)] == sizes * 2


def test_without_shuffling():
    rows = batches(10, shuffle=False, steps_per_epoch=2)
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [None, 1, 3, 7])
@pytest.mark.parametrize("shuffle", [True, False, "replacement"])
def test_both_engines_have_the_same_bits(shuffle, steps, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(37, 5)), rng.normal(size=(37, 2))
    fitted = []
    for engine in ("compiled", "bricks"):
        network = mlp([5, 9, 2], rng=0, dtype=dtype)
        sgd = SGD(0.05, schedule=schedules.Cosine(12))
        trainer = Trainer(network, MSELoss(), sgd, engine=engine, rng=1)
        history = trainer.fit(x, y, epochs=3, batch_size=8, shuffle=shuffle, steps_per_epoch=steps)
        fitted.append((network.params, history.train_loss, sgd.steps))
    (compiled, *rest), (bricks, *rest_of_bricks) = fitted
    for name in compiled:
        assert_same_bits(compiled[name], bricks[name], name)
    assert rest == rest_of_bricks


@pytest.mark.parametrize(
    ("wrong", "error", "what"),
    [
        ({"shuffle": "replace"}, ValueError, "shuffle must be a bool or 'replacement'"),
        ({"shuffle": ""}, ValueError, "shuffle must be a bool or 'replacement'"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be at least 1"),
        ({"steps_per_epoch": 1.5}, TypeError, "steps_per_epoch must be an int"),
    ],
    ids=str,
)
def test_rejects_invalid_arguments(wrong, error, what):
    with pytest.raises(error, match=f"Trainer.fit: {what}"):
        batches(10, **wrong)
