"""History: lists, a dict, a plot, and a chart for notebooks."""

from __future__ import annotations

import builtins
import json
import re
import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest

from handnn import SGD, History, MSELoss, Trainer, mlp
from handnn.engine import PlainEpochs
from handnn.training.history import Epoch
from handnn.training.loss_curve import MAX_POINTS


@pytest.fixture
def history():
    x = [[0.0], [1.0], [2.0], [3.0]]
    trainer = Trainer(mlp([1, 3, 1], rng=0), MSELoss(), SGD(0.01), rng=0)
    return trainer.fit(x, x, epochs=4, batch_size=2, validation=(x, x))


def test_a_new_history_is_empty():
    history = History()
    assert len(history) == 0
    assert history.train_loss == history.validation_loss == history.epoch_seconds == []
    assert "0 epochs" in repr(history)


def test_len_counts_epochs(history):
    assert len(history) == 4


def test_continues_columns_of_arrays():
    loss, metric = np.array([3.0, 2.0]), np.array([[0.5, 0.25], [1.0, 4.0]])
    history = History.from_columns(loss, np.ones(2), np.array([]), {"a": metric[:, 1]})
    assert history.last == Epoch(2.0, None, 1.0, {"a": 4.0})
    assert type(history.last.train_loss) is float and history.metrics == {"a": [0.25, 4.0]}
    history.extend([Epoch(1.0, None, 1.0, {"a": 8.0})])
    assert history.train_loss == [3.0, 2.0, 1.0] and history.metrics == {"a": [0.25, 4.0, 8.0]}
    assert history.validation_loss == [] and loss.tolist() == [3.0, 2.0]


def test_joined_histories_are_those_of_all_epochs():
    epochs = [Epoch(3.0, 4.0, 0.5, {"a": 1.0}), Epoch(2.0, 5.0, 0.25, {"a": 2.0})]
    whole, joined = History(), History()
    whole.extend(epochs)
    for epoch in epochs:
        part = History()
        part.extend([epoch])
        joined.join(part)
    assert joined.to_dict() == whole.to_dict()


def test_repr_has_epochs_and_losses(history):
    shown = repr(history)
    assert "History(" in shown and "4 epochs" in shown
    assert f"{history.train_loss[-1]:.3g}"[:4] in shown


def test_to_dict_is_a_plain_copy(history):
    made = history.to_dict()
    assert set(made) == {"train_loss", "validation_loss", "epoch_seconds"}
    assert json.loads(json.dumps(made)) == made
    made["train_loss"].clear()
    assert len(history.train_loss) == 4


def test_plot_draws_both_curves(history):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    try:
        assert history.plot(ax) is ax
        drawn = [line.get_ydata().tolist() for line in ax.get_lines()]
        assert drawn == [history.train_loss, history.validation_loss]
        assert ax.get_xlabel() and ax.get_ylabel() and ax.get_legend()
        figure.canvas.draw()
    finally:
        pyplot.close(figure)


def test_plot_creates_axes_and_works_without_validation():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    trainer = Trainer(mlp([1, 1], rng=0), MSELoss(), SGD(0.01))
    ax = trainer.fit([[0.0]], [[1.0]], epochs=2, batch_size=1).plot()
    assert len(ax.get_lines()) == 1
    pyplot.close(ax.figure)


def test_plot_without_matplotlib_names_the_package_to_install(history, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install matplotlib") as error:
        history.plot()
    assert "\n" not in str(error.value)


# ---- in notebooks --------------------------------------------------------------------------------


def of_losses(train, validation=None):
    history = History()
    held = validation or [None] * len(train)
    history.extend(Epoch(*pair, 0.5) for pair in zip(train, held, strict=True))
    return history


def html_of(history):
    return ElementTree.fromstring(history._repr_html_())


def test_html_has_both_curves_with_axes_and_a_legend(history):
    root = html_of(history)
    solid, dashed = root.iter("polyline")
    assert solid.get("stroke-dasharray") is None and dashed.get("stroke-dasharray")
    for line in (solid, dashed):
        assert len(line.get("points").split()) == 4
    texts = {text.text for text in root.iter("text")}
    assert {"epoch", "loss", "training", "validation", "1", "4"} <= texts


def test_html_has_a_text_alternative_and_a_caption(history):
    root = html_of(history)
    (chart,) = root.iter("svg")
    assert chart.get("role") == "img"
    assert chart.get("aria-label").startswith("Loss over epochs: 4 epochs, train_loss ")
    assert root.find("figcaption").text == repr(history)[len("History(") : -1]


def test_html_uses_the_colors_of_the_page(history):
    text = history._repr_html_()
    assert "currentColor" in text and not re.search(r"#[0-9a-f]{3}|rgb|<script|http", text)


def test_html_without_validation_has_one_curve():
    root = html_of(of_losses([3.0, 2.0]))
    assert len(list(root.iter("polyline"))) == 1
    assert "validation" not in {text.text for text in root.iter("text")}


def test_html_of_an_empty_history_is_its_caption():
    root = html_of(History())
    assert not list(root.iter("svg")) and root.find("figcaption").text == "0 epochs"


def test_html_of_one_epoch_has_a_point():
    root = html_of(of_losses([2.0]))
    assert any(path.get("stroke-linecap") == "round" for path in root.iter("path"))


def test_html_leaves_out_losses_that_are_not_finite():
    root = html_of(of_losses([3.0, float("nan"), 1.0, float("inf")]))
    (line,) = root.iter("polyline")
    assert len(line.get("points").split()) == 2
    assert not list(html_of(of_losses([float("nan")])).iter("svg"))


def test_html_of_a_long_history_is_thinned_out():
    losses = [1 / epoch for epoch in range(1, 20_001)]
    root = html_of(of_losses(losses))
    (line,) = root.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert len(points) <= MAX_POINTS + 1
    assert points[-1][0] == pytest.approx(546), "the last epoch is drawn"


def test_html_is_logarithmic_when_losses_differ_much():
    linear = {text.text for text in html_of(of_losses([2.0, 1.0])).iter("text")}
    logarithmic = {text.text for text in html_of(of_losses([100.0, 1.0, 0.1])).iter("text")}
    assert "1.8" in linear and {"0.1", "1", "10", "100"} <= logarithmic


def test_a_history_takes_as_much_memory_as_its_numbers():
    n_epochs = 50_000
    tracemalloc.start()
    history = History()
    history.extend(Epoch(1.0, 2.0, 0.5, {"mae": 3.0}) for _ in range(n_epochs))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1.3 * 8 * 4 * n_epochs
    assert history.last == Epoch(1.0, 2.0, 0.5, {"mae": 3.0}) and len(history) == n_epochs


@pytest.mark.parametrize("validation", [(None, None), (4.0, 5.0)])
def test_plain_epochs_are_those_without_metrics(validation):
    plain, whole = History(), History()
    epochs = PlainEpochs()
    values = None if validation[0] is None else np.array(validation)
    epochs.extend(np.array([3.0, 2.0]), np.array([0.25, 0.5]), values)
    for _ in range(2):
        plain.extend_plain(epochs)
        whole.extend([Epoch(3.0, validation[0], 0.25), Epoch(2.0, validation[1], 0.5)])
    assert plain.to_dict() == whole.to_dict() and len(plain) == 4
