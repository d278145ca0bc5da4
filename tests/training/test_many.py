"""train_many: each network gets the bits that `fit` would give it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import handnn
from handnn import (
    LBFGS,
    SGD,
    Adam,
    Affine,
    BatchNorm,
    Dropout,
    EarlyStopping,
    MSELoss,
    Network,
    ReLU,
    Trainer,
    mlp,
    schedules,
    train_many,
)
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve


def data(count=40, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(dtype)
    return x, np.sin(x.sum(axis=1, keepdims=True)).astype(dtype)


WEIGHT = np.linspace(0, 2, 40)


def trainer(seed=0, dtype="float32", optimizer=None, **options):
    optimizer = optimizer or SGD(0.05, momentum=0.9)
    return Trainer(mlp([3, 8, 1], rng=seed, dtype=dtype), MSELoss(), optimizer, rng=seed, **options)


def dropping(seed, dtype, engine):
    """Return a trainer with all kinds of state: Dropout, BatchNorm, Adam, watching schedules."""
    layers = [
        Affine.random(3, 8, rng=seed, dtype=dtype),
        BatchNorm(np.ones(8, dtype), np.zeros(8, dtype)),
        ReLU(),
        Dropout(0.3, rng=seed),
        Affine.random(8, 1, rng=seed, dtype=dtype),
    ]
    schedule = [
        schedules.Cosine(20),
        schedules.WarmUp(4, schedules.ReduceOnPlateau(patience=0, factor=0.5)),
    ][seed % 2]
    return Trainer(
        Network(layers), MSELoss(), Adam(0.01, schedule=schedule), engine=engine, rng=seed
    )


def assert_same(ours, theirs):
    """Assert the same bits in networks, optimizers and histories, and equal generators."""
    for one, other in zip(ours, theirs, strict=True):
        for arrays, others in (
            (one.network.params, other.network.params),
            (one.network.buffers, other.network.buffers),
            *zip(one.optimizer.state.values(), other.optimizer.state.values(), strict=True),
        ):
            assert list(arrays) == list(others)
            for name, array in arrays.items():
                assert_same_bits(array, others[name], name)
        assert one.optimizer.steps == other.optimizer.steps
        assert one.history.train_loss == other.history.train_loss
        assert one.history.validation_loss == other.history.validation_loss
        assert one.rng.bit_generator.state == other.rng.bit_generator.state


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
@pytest.mark.parametrize("engine", ["compiled", "bricks"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_as_fit(dtype, engine, threads):
    x, y = data(dtype=dtype)
    arguments = {"epochs": 5, "batch_size": 8, "validation": 0.2, "sample_weight": WEIGHT}
    many = [dropping(seed, dtype, engine) for seed in range(7)]
    alone = [dropping(seed, dtype, engine) for seed in range(7)]
    for _ in range(2):  # the second time continues from the first
        histories = train_many(many, x, y, threads=threads, **arguments)
        for one in alone:
            one.fit(x, y, **arguments)
        assert_same(many, alone)
        assert all(h is one.history and len(h) == 5 for h, one in zip(histories, many, strict=True))


def test_mixed_networks():
    """Both dtypes and engines, user bricks, and L-BFGS, which needs all rows in one batch."""
    pytest.importorskip("scipy")

    def some():
        own = Network([Affine.random(3, 1, rng=3), Halve()])
        return [
            trainer(0),
            trainer(1, "float64", engine="bricks"),
            trainer(2, "float64", Adam(0.01)),
            Trainer(own, MSELoss(), SGD(0.1), rng=3),
            Trainer(mlp([3, 4, 1], rng=4), MSELoss(), LBFGS(), rng=4),
        ]

    x, y = data(dtype="float64")
    each = [{"batch_size": 7}] * 4 + [{"batch_size": 40}]
    many, alone = some(), some()
    train_many(many, x, y, epochs=3, each=each, threads=3)
    for one, own in zip(alone, each, strict=True):
        one.fit(x, y, epochs=3, **own)
    assert_same([*many[:4]], [*alone[:4]])
    for name, array in many[4].network.params.items():
        assert_same_bits(array, alone[4].network.params[name])


def test_large_networks_train_on_one_thread_each():
    """The steps are large enough for `fit` to split them among the threads of the pool."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 300)).astype("float32")

    def some():
        return [
            Trainer(mlp([300, 48, 24, 10], rng=s), MSELoss(), SGD(0.05), rng=s) for s in range(3)
        ]

    many, alone = some(), some()
    y = x[:, :10]
    train_many(many, x, y, epochs=2, batch_size=64, threads=2)
    for one in alone:
        one.fit(x, y, epochs=2, batch_size=64)
    assert_same(many, alone)


# ---- the data of each network --------------------------------------------------------------------


def test_arguments_of_each_trainer():
    x, y = data()
    many, alone = [trainer(s) for s in range(3)], [trainer(s) for s in range(3)]
    each = [{"x": x[:20], "y": y[:20]}, {"epochs": 4}, {"batch_size": 5, "validation": (x, y)}]
    histories = train_many(many, x, y, epochs=2, batch_size=8, each=each)
    for one, own in zip(alone, each, strict=True):
        one.fit(**{"x": x, "y": y, "epochs": 2, "batch_size": 8, **own})
    assert_same(many, alone)
    assert [len(history) for history in histories] == [2, 4, 2]


def test_rows_and_validation_on_the_rest():
    x, y = data()
    weight = np.linspace(0.5, 1.5, 40)
    folds = np.array_split(np.random.default_rng(1).permutation(40), 3)
    inside = [np.setdiff1d(np.arange(40), fold) for fold in folds]
    masks = [np.isin(np.arange(40), rows) for rows in inside]
    for rows in (inside, masks):
        many, alone = [trainer(s) for s in range(3)], [trainer(s) for s in range(3)]
        train_many(
            many, x, y, epochs=3, batch_size=8, rows=rows, validation="rest", sample_weight=weight
        )
        for one, train, held in zip(alone, inside, folds, strict=True):
            held = np.sort(held)
            one.fit(
                x[train],
                y[train],
                epochs=3,
                batch_size=8,
                validation=(x[held], y[held], weight[held]),
                sample_weight=weight[train],
            )
        assert_same(many, alone)


def test_bootstrap_samples():
    x, y = data()
    drawn = [np.random.default_rng(s).integers(40, size=40) for s in range(2)]
    many, alone = [trainer(s) for s in range(2)], [trainer(s) for s in range(2)]
    histories = train_many(many, x, y, epochs=2, batch_size=8, rows=drawn, validation="rest")
    for one, rows in zip(alone, drawn, strict=True):
        left = ~np.isin(np.arange(40), rows)
        one.fit(x[rows], y[rows], epochs=2, batch_size=8, validation=(x[left], y[left]))
    assert_same(many, alone)
    assert len(histories[0].validation_loss) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"rows": [[0, 1]]}, ValueError, "rows has 1 entries for 2 trainers"),
        ({"rows": 3}, TypeError, "rows must be a list"),
        ({"rows": [[0, 1], [0, 40]]}, ValueError, r"rows\[1\] must be from 0 to 39"),
        ({"rows": [[0, -1], [0, 1]]}, ValueError, r"rows\[0\] must be from 0 to 39"),
        ({"rows": [[0, 1], [0.5]]}, TypeError, r"rows\[1\] must be row numbers"),
        ({"rows": [[0, 1], []]}, TypeError, r"rows\[1\] must be row numbers"),
        ({"rows": [[0, 1], [True] * 3]}, TypeError, r"rows\[1\] must be row numbers"),
        (
            {"rows": [range(5), range(40)], "validation": "rest"},
            ValueError,
            r"rows\[1\] leaves no row",
        ),
        ({"rows": [range(5)] * 2, "validation": "all"}, ValueError, "'rest', but is 'all'"),
        ({"validation": "rest"}, ValueError, "'rest', which needs rows"),
        ({"each": [{}]}, ValueError, "each has 1 entries for 2 trainers"),
        ({"each": [{}, 3]}, TypeError, r"each\[1\] must be a dict"),
        ({"each": [{}, {"x": None}]}, TypeError, r"trainers\[1\] has no x"),
        ({"each": [{}, {"epochs": 0}]}, ValueError, r"trainers\[1\]: Trainer.fit: epochs"),
        ({"each": [{}, {"epoch": 1}]}, TypeError, r"trainers\[1\]: .*'epoch'"),
        ({"each": [{}, {"x": np.ones((9, 3))}]}, ValueError, r"trainers\[1\]: .*9 rows"),
        (
            {"each": [{}, {"x": np.full((40, 3), "a")}]},
            TypeError,
            r"trainers\[1\]: Trainer.fit: x must hold real numbers",
        ),
        ({"each": [{}, {"x": np.ones((40, 2))}]}, ValueError, r"trainers\[1\]: .*\(40, 3\)"),
        ({"each": [{}, {"x": np.ones((9, 3))}], "rows": [[0, 1]] * 2}, ValueError, "9 rows but y"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"threads": 1.5}, TypeError, "threads must be an int"),
        ({"x": ["a"]}, TypeError, "train_many: x must hold real numbers"),
    ],
)
def test_rejects_invalid_arguments_before_training(arguments, error, words):
    x, y = data()
    many, alone = [trainer(s) for s in range(2)], [trainer(s) for s in range(2)]
    histories = [one.history for one in many]
    with pytest.raises(error, match=words):
        train_many(many, **{"x": x, "y": y, "epochs": 2, "batch_size": 8, **arguments})
    assert_same(many, alone)
    assert [one.history for one in many] == histories


def test_rejects_invalid_optimizers():
    x, y = data()
    bad = trainer(1, optimizer=SGD(0.1, lr_scales={"7.w": 2}))
    with pytest.raises(ValueError, match=r"trainers\[1\]: SGD: lr_scales"):
        train_many([trainer(0), bad], x, y, epochs=2, batch_size=8)
    bad.optimizer = SGD(1)
    bad.optimizer.lr = -1
    with pytest.raises(ValueError, match=r"trainers\[1\]: SGD: lr must be"):
        train_many([trainer(0), bad], x, y, epochs=2, batch_size=8)


def test_rejects_arguments_other_than_a_list_of_trainers():
    x, y = data()
    with pytest.raises(TypeError, match="trainers must be a list"):
        train_many(trainer(), x, y, epochs=1, batch_size=8)
    with pytest.raises(TypeError, match=r"trainers\[1\] must be a Trainer, but is a Network"):
        train_many([trainer(), trainer().network], x, y, epochs=1, batch_size=8)
    assert train_many([], x, y, epochs=1, batch_size=8) == []


def test_most_expensive_networks_begin():
    begun = []

    def note(one):
        if len(one.history) == 1:
            begun.append(one.network.params["0.w"].shape[1])

    x, y = data()
    widths = [4, 32, 8, 16]
    many = [
        Trainer(mlp([3, width, 1], rng=0), MSELoss(), SGD(0.1), rng=0, callbacks=[note])
        for width in widths
    ]
    train_many(many, x, y, epochs=2, batch_size=8, threads=1)
    assert begun == [32, 16, 8, 4]
    begun.clear()
    each = [{"epochs": 40}, {"steps_per_epoch": 1}, {}, {}]
    train_many(many, x, y, epochs=2, batch_size=8, threads=1, each=each)
    assert begun == [4, 16, 8, 32]


@pytest.mark.parametrize("threads", [1, 3])
def test_number_of_threads(threads):
    names = set()
    barrier = threading.Barrier(threads)

    def meet(one):
        names.add(threading.current_thread().name)
        barrier.wait(timeout=30)  # all threads wait for each other

    many = [trainer(s, callbacks=[meet]) for s in range(2 * threads)]
    train_many(many, *data(), epochs=1, batch_size=8, threads=threads)
    assert len(names) == threads
    assert not [t for t in threading.enumerate() if t.name.startswith("train_many")]


def test_at_most_one_thread_per_network():
    def count(one):
        names.extend(t.name for t in threading.enumerate() if t.name.startswith("train_many"))

    names = []
    train_many([trainer(callbacks=[count])], *data(), epochs=1, batch_size=8, threads=50)
    assert len(names) == 1


def test_thread_pool_is_unchanged():
    before = handnn.get_num_threads()
    train_many([trainer(s) for s in range(3)], *data(), epochs=1, batch_size=8, threads=2)
    assert handnn.get_num_threads() == before


def test_progress_counts_networks(capsys):
    train_many([trainer(s) for s in range(3)], *data(), epochs=2, batch_size=8, progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown and "network" in shown
    train_many([trainer(s) for s in range(3)], *data(), epochs=2, batch_size=8)
    assert capsys.readouterr() == ("", "")


def test_each_trainer_stops_early_on_its_own():
    """A common EarlyStopping is copied for each trainer."""
    x, y = data()
    alone = [trainer(seed) for seed in range(3)]
    for one in alone:
        one.fit(x, y, 60, 8, validation=0.3, early_stopping=EarlyStopping(2))
    together = [trainer(seed) for seed in range(3)]
    given = EarlyStopping(2)
    arguments = {"epochs": 60, "batch_size": 8, "validation": 0.3, "early_stopping": given}
    histories = train_many(together, x, y, **arguments)
    assert [len(history) for history in histories] == [len(one.history) for one in alone]
    assert len({len(history) for history in histories}) > 1
    for one, other in zip(alone, together, strict=True):
        assert_same_bits(one.network.params["0.w"], other.network.params["0.w"])


def test_one_checkpoint_per_trainer(tmp_path):
    x, y = data()
    arguments = {"epochs": 3, "batch_size": 8}
    pair = [trainer(0), trainer(1)]
    with pytest.raises(ValueError, match="each trainer needs its own checkpoint file"):
        train_many(pair, x, y, checkpoint=tmp_path / "one", **arguments)
    with pytest.raises(ValueError, match=r"trainers\[0\] and trainers\[1\] would both write"):
        train_many(pair, x, y, each=[{"checkpoint": tmp_path / "one"}] * 2, **arguments)
    train_many(pair, x, y, each=[{"checkpoint": tmp_path / name} for name in "ab"], **arguments)
    resumed = [Trainer.resume(tmp_path / name) for name in "ab"]
    train_many(resumed, x, y, epochs=5)
    alone = [trainer(0), trainer(1)]
    for one, other in zip(alone, resumed, strict=True):
        one.fit(x, y, 5, 8)
        assert_same_bits(one.network.params["2.w"], other.network.params["2.w"])
    twice = [Trainer.resume(tmp_path / "a") for _ in range(2)]
    with pytest.raises(ValueError, match="would both write"):
        train_many(twice, x, y, epochs=7)
    train_many(twice, x, y, epochs=7, each=[{}, {"checkpoint": tmp_path / "c"}])


def test_rejects_a_shared_early_stopping():
    x, y = data()
    pair = [trainer(0), trainer(1)]
    each = [{"early_stopping": EarlyStopping(2)}] * 2
    with pytest.raises(ValueError, match=r"each\[0\] and each\[1\] share an early_stopping"):
        train_many(pair, x, y, epochs=3, batch_size=8, validation=0.3, each=each)


def test_metrics_from_an_iterator():
    x, y = data()
    pair = [trainer(0), trainer(1)]
    histories = train_many(pair, x, y, epochs=2, batch_size=8, metrics=iter(["mae", "r2"]))
    assert [set(history.metrics) for history in histories] == [{"mae", "r2"}] * 2
