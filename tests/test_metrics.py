"""Metrics: worked examples, logits, sample weights, and metrics measured by `Trainer.fit`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handnn import (
    MAE,
    SGD,
    Affine,
    BCEWithLogits,
    Dropout,
    GaussianNLL,
    MSELoss,
    Network,
    PoissonNLL,
    Quantile,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    metrics,
    mlp,
)
from handnn.metrics import METRICS, roc_area
from handnn.training.measures import measures
from tests.own_bricks import Halve

EPS = np.finfo(float).eps


def near(value):
    return pytest.approx(value, rel=20 * EPS, abs=4 * EPS)


BY_HAND = [
    # 3 of 4 are correct; with weights 1, 1, 1, 5: 3 of 8
    ("accuracy", [0, 1, 2, 2], [0, 1, 2, 1], None, 3 / 4),
    ("accuracy", [0, 1, 2, 2], [0, 1, 2, 1], [1, 1, 1, 5], 3 / 8),
    ("accuracy", [[0], [1]], [0, 0], None, 1 / 2),
    ("accuracy", [[0, 1], [1, 1]], [[0, 0], [1, 1]], None, 3 / 4),
    # two thirds of class 0 are correct, all of class 1
    ("balanced_accuracy", [0, 0, 0, 1], [0, 0, 1, 1], None, (2 / 3 + 1) / 2),
    ("balanced_accuracy", [0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 2, 7], (2 / 4 + 1) / 2),
    ("balanced_accuracy", [0, 0, 1, 2], [0, 5, 1, 2], [1, 1, 1, 0], (1 / 2 + 1) / 2),
    ("balanced_accuracy", [[0, 1], [1, 1]], [[0, 1], [0, 0]], None, (1 / 2 + 1 / 2) / 2),
    # pairs of a positive and a negative score: 0.8 > 0.4, 0.8 > 0.1, 0.4 = 0.4, 0.4 > 0.1
    ("auc", [1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1], None, 3.5 / 4),
    ("auc", [1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1], [1, 3, 2, 1], (3 + 9 - 3) / 12),
    ("auc", [1, 0], [0.0, 1.0], None, 0),
    ("auc", [1, 0, 1], [2.0, 2.0, 2.0], None, 1 / 2),
    # 1 for class 0 against the rest, 1/2 for class 1
    ("auc", [0, 1], [[0.9, 0.1], [0.2, 0.1]], None, (1 + 1 / 2) / 2),
    ("auc", [[1, 0], [0, 1]], [[0.9, 0.5], [0.2, 0.1]], None, (1 + 0) / 2),
    ("log_loss", [1, 0], [0.5, 0.75], None, (math.log(2) + math.log(4)) / 2),
    ("log_loss", [1, 0], [0.5, 0.75], [3, 1], (3 * math.log(2) + math.log(4)) / 4),
    ("log_loss", [0.5], [0.25], None, (math.log(4) + math.log(4 / 3)) / 2),
    ("log_loss", [2, 0], [[0.25, 0.25, 0.5], [0.125, 0.5, 0.375]], None, 2 * math.log(2)),
    ("log_loss", [[0.5, 0.5]], [[0.25, 0.75]], None, (math.log(4) + math.log(4 / 3)) / 2),
    ("log_loss", [0], [1.0], None, -math.log(EPS)),
    # the mean is 2: 1 - (1 + 0 + 1) / (1 + 0 + 1)
    ("r2", [1, 2, 3], [2, 2, 2], None, 0),
    ("r2", [1, 2, 3], [1, 2, 4], None, 1 / 2),
    ("r2", [1, 3], [1, 2], [3, 1], 1 - 1 / 3),
    ("r2", [5, 5], [5, 5], None, 1),
    ("r2", [5, 5], [5, 6], None, 0),
    ("r2", [[1, 5], [3, 5]], [[1, 5], [3, 6]], None, 1 / 2),
    ("mae", [1, 2], [2, 4], None, 3 / 2),
    ("mae", [1, 2], [2, 4], [3, 1], 5 / 4),
    ("mae", [[1, 2], [3, 4]], [[1, 2], [3, 8]], None, 1),
    ("rmse", [1, 2], [4, 6], None, math.sqrt(25 / 2)),
    ("rmse", [1, 2], [4, 6], [1, 0], 3),
    ("rmse", [[0, 0], [0, 0]], [[3, 1], [3, 1]], None, 2),
]


@pytest.mark.parametrize(("name", "true", "pred", "weight", "expected"), BY_HAND)
def test_by_hand(name, true, pred, weight, expected):
    assert METRICS[name].function(true, pred, weight) == near(expected)
    assert getattr(metrics, name) is METRICS[name].function


@pytest.mark.parametrize("true", [[1, 1], [0, 0]])
def test_auc_of_a_single_class_or_of_nan_is_nan(true):
    assert math.isnan(metrics.auc(true, [0.1, 0.2]))
    assert math.isnan(metrics.auc([0, 1], [0.1, np.nan]))


@pytest.mark.parametrize("n_searched", [1, 3, 100])
def test_roc_area_counts_pairs(monkeypatch, n_searched):
    monkeypatch.setattr(metrics, "MAX_SEARCHED", n_searched)
    rng = np.random.default_rng(0)
    yes, no = rng.integers(0, 5, 7).astype(float), rng.integers(0, 5, 9).astype(float)
    u, v = rng.integers(0, 3, 7).astype(float), rng.integers(0, 3, 9).astype(float)
    wins = (yes[:, None] > no) + (yes[:, None] == no) / 2
    assert roc_area(yes, no) == near(wins.mean())
    assert roc_area(yes, no, u, v) == near(u @ wins @ v / (u.sum() * v.sum()))
    assert roc_area(yes.astype("float32"), no.astype("float32")) == roc_area(yes, no)


def test_roc_area_of_one_side_is_nan():
    some, none = np.ones(3), np.ones(0)
    assert math.isnan(roc_area(some, none)) and math.isnan(roc_area(none, some))
    assert math.isnan(roc_area(some, some, some, 0 * some))


@pytest.mark.parametrize("name", METRICS)
def test_integer_weights_repeat_rows(name):
    rng = np.random.default_rng(3)
    true = np.array([0, 1, 1, 0, 1, 0, 1])
    pred = rng.integers(0, 2, 7) if METRICS[name].takes == "labels" else rng.random(7).round(1)
    weight = np.array([1, 2, 0, 1, 3, 2, 1])
    twice = METRICS[name].function(np.repeat(true, weight), np.repeat(pred, weight))
    assert METRICS[name].function(true, pred, weight) == near(twice)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("true", "pred", "weight", "message"),
    [
        ([0, 1], [0, 1, 1], None, "shape"),
        ([[[0]]], [[[0]]], None, "shape"),
        ([], [], None, "with rows"),
        ([0, 1], [0, 1], [1, -1], "not negative"),
        ([0, 1], [0, 1], [1, 1, 1], "sample_weight"),
        ([0, 1], [0, 1], [0, 0], "the sum"),
        ([0, 1], [0, 1], [1, np.inf], "finite"),
    ],
)
def test_rejects_wrong_shapes_and_weights(name, true, pred, weight, message):
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        METRICS[name].function(true, pred, weight)


@pytest.mark.parametrize("function", [metrics.auc, metrics.log_loss])
def test_rejects_labels_outside_the_classes(function):
    for label in (2, -1, 0.5):
        with pytest.raises(ValueError, match="from 0 to 1"):
            function([0, label], [[0.5, 0.5], [0.2, 0.8]])
    with pytest.raises(ValueError, match="0 or 1"):
        metrics.auc([0, 2], [0.5, 0.2])


def measured(name, loss, y, pre, *weight, dtype="float32"):
    (measure,) = measures(name, loss)
    return measure.of(loss, np.array(y, dtype), np.array(pre, dtype), *weight)


LOG3 = math.log(3)


def test_multiclass_logits():
    """softmax of (0, log 3) is (1/4, 3/4), of (log 3, 0) (3/4, 1/4)."""
    pre = [[0, LOG3], [LOG3, 0], [LOG3, 0]]
    for y in ([1, 1, 0], [[1], [1], [0]], [[0, 1], [0, 1], [1, 0]]):
        loss = SoftmaxCrossEntropy()
        assert measured("accuracy", loss, y, pre) == near(2 / 3)
        assert measured("balanced_accuracy", loss, y, pre) == near(3 / 4)
        assert measured("auc", loss, y, pre) == near(3 / 4)
        assert measured("log_loss", loss, y, pre, dtype="float64") == near(
            (2 * math.log(4 / 3) + math.log(4)) / 3
        )
        weight = np.array([1.0, 0, 1])
        assert measured("accuracy", loss, y, pre, weight) == 1


def test_binary_logits():
    """sigmoid(0) is 1/2, sigmoid(log 3) 3/4."""
    loss = BCEWithLogits()
    y, pre = [[1], [0], [0], [1]], [[LOG3], [-LOG3], [LOG3], [5 * LOG3]]
    assert measured("accuracy", loss, y, pre) == near(3 / 4)
    assert measured("balanced_accuracy", loss, y, pre) == near(3 / 4)
    assert measured("auc", loss, y, pre) == near(3.5 / 4)
    assert measured("log_loss", loss, [[1], [0]], [[LOG3], [0]], dtype="float64") == near(
        (math.log(4 / 3) + math.log(2)) / 2
    )
    assert measured("auc", loss, [[1], [0]], [[60.0], [50.0]]) == 1, "both probabilities round to 1"


def test_multilabel_logits():
    loss, y, pre = BCEWithLogits(), [[1, 0], [0, 0], [1, 1]], [[1, 1], [-1, -1], [2, -2]]
    assert measured("accuracy", loss, y, pre) == near(4 / 6)
    assert measured("balanced_accuracy", loss, y, pre) == near((1 + 1 / 4) / 2)
    assert measured("auc", loss, y, pre) == near((1 + 0) / 2)
    expected = loss.forward(np.array(pre, float), np.array(y, float))
    assert measured("log_loss", loss, y, pre, dtype="float64") == near(expected)
    weight = np.array([1.0, 2, 3])
    assert measured("accuracy", loss, y, pre, weight) == near((1 / 2 + 2 + 3 / 2) / 6)
    terms = [
        loss.forward(np.array([p], float), np.array([t], float))
        for p, t in zip(pre, y, strict=True)
    ]
    assert measured("log_loss", loss, y, pre, weight, dtype="float64") == near(
        np.average(terms, weights=weight)
    )


def test_point_predictions_of_each_loss():
    y = [[1.0], [2.0]]
    assert measured("mae", MSELoss(), y, [[1.0], [4.0]]) == 1
    assert measured("mae", PoissonNLL(), y, [[0.0], [0.0]]) == near(1 / 2)
    assert measured("mae", GaussianNLL(), y, [[1.0, 9], [3.0, 9]]) == near(1 / 2)
    assert measured("mae", Quantile([0.1, 0.5]), [[1.0, 5], [2.0, 5]], [[9, 1, 9, 5]] * 2) == near(
        1 / 4
    )
    assert measured("rmse", GaussianNLL(), [1.0, 2.0], [[1.0, 9], [4.0, 9]]) == near(math.sqrt(2))


@pytest.mark.parametrize(
    ("name", "loss", "message"),
    [
        ("accuracy", MSELoss(), "needs classes"),
        ("auc", MAE(), "needs classes"),
        ("r2", SoftmaxCrossEntropy(), "has classes"),
        ("mae", Quantile([0.1, 0.9]), "median"),
        ("f1", MSELoss(), "must be among accuracy"),
        (["mae", "mae"], MSELoss(), "twice"),
        ({"train_loss": "mae"}, MSELoss(), "twice"),
    ],
)
def test_fit_rejects_inapplicable_metrics_before_training(name, loss, message):
    trainer = Trainer(mlp([1, 2], rng=0), loss, SGD(0.1), rng=0)
    before = trainer.network.params["0.w"].copy(), trainer.rng.bit_generator.state
    with pytest.raises(ValueError, match=f"Trainer.fit: metrics.*{message}"):
        trainer.fit([[1.0]], [0.0], epochs=1, batch_size=1, metrics=name)
    assert (trainer.network.params["0.w"] == before[0]).all()
    assert trainer.rng.bit_generator.state == before[1]


@pytest.mark.parametrize("wrong", [7, [7], [None], {"a": 3}, ["mae", 2]], ids=repr)
def test_rejects_non_metrics(wrong):
    with pytest.raises(TypeError, match="metrics must be names or functions"):
        measures(wrong, MSELoss())


def data(rows=40):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.float32), rng.random(rows).astype(np.float32)


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_metrics_use_the_validation_rows(engine):
    x, y, _ = data()
    held = data(90)[:2]
    trainer = Trainer(mlp([3, 8, 1], rng=0), BCEWithLogits(), SGD(0.05), engine=engine, rng=1)
    seen = []

    def look(t):
        pre = t.network.predict(held[0])
        seen.append(metrics.accuracy(held[1], pre[:, 0] > 0))

    trainer.callbacks = (look,)
    history = trainer.fit(x, y, epochs=4, batch_size=9, validation=held, metrics="accuracy")
    assert history.metrics == {"accuracy": seen}
    assert history.to_dict()["accuracy"] == seen and len(set(seen)) > 1


@pytest.mark.parametrize("shuffle", [True, False, "replacement"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("steps", [None, 3])
def test_metrics_without_validation_use_the_training_outputs(shuffle, weighted, steps):
    """log_loss equals the training loss, up to the mean weight."""
    x, y, weight = data()
    histories = []
    for engine in ("compiled", "bricks"):
        layers = [
            Affine.random(3, 8, rng=0),
            ReLU(),
            Dropout(0.3, rng=1),
            Affine.random(8, 1, rng=2),
        ]
        trainer = Trainer(Network(layers), BCEWithLogits(), SGD(0.3), engine=engine, rng=1)
        history = trainer.fit(
            x, y, epochs=3, batch_size=9, shuffle=shuffle, steps_per_epoch=steps,
            sample_weight=weight if weighted else None, metrics=["log_loss", "auc", mean_weight],
        )  # fmt: skip
        histories.append(history.to_dict() | {"epoch_seconds": 0})
        scale = history.metrics["mean_weight"]
        np.testing.assert_allclose(
            np.array(history.metrics["log_loss"]) * scale, history.train_loss, rtol=1e-5
        )
    assert histories[0] == histories[1]


def mean_weight(y_true, pre, sample_weight=None):
    assert y_true.shape == pre.shape and pre.dtype == np.float32
    return 1.0 if sample_weight is None else sample_weight.astype(float).mean()


def test_user_functions_losses_and_bricks():
    class Bias(MSELoss):
        pass

    x, y, _ = data()
    network = Network([Affine.random(3, 1, rng=0), Halve()])
    trainer = Trainer(network, Bias(), SGD(0.01), rng=0)
    history = trainer.fit(
        x,
        y,
        epochs=2,
        batch_size=10,
        metrics={"off": lambda t, p: float((p - t).mean()), "a": "mae"},
    )
    assert set(history.metrics) == {"off", "a"} and len(history.metrics["off"]) == 2


def test_rejects_functions_that_do_not_return_a_number():
    x, y, _ = data()
    trainer = Trainer(mlp([3, 1], rng=0), MSELoss(), SGD(0.01), rng=0)
    with pytest.raises(TypeError, match="metric own must return a number"):
        trainer.fit(x, y, epochs=2, batch_size=10, metrics={"own": lambda true, pre: pre})


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_an_epoch_without_weight_measures_nan(engine):
    """Each epoch draws one of ten rows; five of them have weight 1."""
    x, y = np.ones((10, 3)), np.ones(10)
    trainer = Trainer(mlp([3, 1], rng=0), MSELoss(), SGD(0.01), engine=engine, rng=0)
    history = trainer.fit(
        x,
        y,
        epochs=40,
        batch_size=1,
        steps_per_epoch=1,
        shuffle="replacement",
        sample_weight=np.repeat([0, 1], 5),
        metrics=["mae", "r2"],
    )
    has_none = np.equal(history.train_loss, 0)
    assert 0 < has_none.sum() < 40
    for values in history.metrics.values():
        assert (np.isnan(values) == has_none).all()


def test_rejects_names_that_are_not_strings():
    x, y, _ = data()
    trainer = Trainer(mlp([3, 1], rng=0), MSELoss(), SGD(0.01), rng=0)
    for metric in ("mae", lambda true, pre: 1.0):
        with pytest.raises(TypeError, match="a name must be a str, but one is 3"):
            trainer.fit(x, y, epochs=1, batch_size=10, metrics={3: metric})


def test_progress_bar_shows_metrics(capsys):
    x, y, _ = data()
    trainer = Trainer(mlp([3, 1], rng=0), MSELoss(), SGD(0.01), rng=0, progress=True)
    trainer.fit(x, y, epochs=2, batch_size=10, metrics="mae", validation=0.25)
    shown = capsys.readouterr().err
    assert "loss=" in shown and "val=" in shown and "mae=" in shown


@pytest.mark.parametrize("rows", [3, 499, 500, 3000])
def test_ties_of_logits_choose_the_first_label(rows):
    rng = np.random.default_rng(rows)
    pre = rng.integers(0, 4, size=(rows, 5)).astype(np.float32)
    share = float((pre.argmax(axis=1) == 2).mean())
    assert measured("accuracy", SoftmaxCrossEntropy(), [2] * rows, pre) == near(share)
