"""History: what training left behind, as lists, as a dict and as a picture."""

from __future__ import annotations

import builtins
import json

import pytest

from handnn import SGD, History, MSELoss, Trainer, mlp


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


def test_repr_says_how_far_it_came(history):
    shown = repr(history)
    assert "History(" in shown and "4 epochs" in shown
    assert f"{history.train_loss[-1]:.3g}"[:4] in shown


def test_to_dict_is_plain_and_a_copy(history):
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


def test_plot_makes_its_own_axes_and_needs_no_validation():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    trainer = Trainer(mlp([1, 1], rng=0), MSELoss(), SGD(0.01))
    ax = trainer.fit([[0.0]], [[1.0]], epochs=2, batch_size=1).plot()
    assert len(ax.get_lines()) == 1
    pyplot.close(ax.figure)


def test_without_matplotlib_one_line_says_what_to_install(history, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install matplotlib") as error:
        history.plot()
    assert "\n" not in str(error.value)
