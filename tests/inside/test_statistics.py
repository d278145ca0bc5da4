"""layer_statistics: statistics of activations, gradients and params, and warnings."""

from __future__ import annotations

import builtins
import json
import math

import numpy as np
import pytest

from handnn import (
    Affine,
    BatchNorm,
    Dropout,
    LeakyReLU,
    MSELoss,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    Tanh,
    layer_statistics,
    mlp,
    trace,
)
from tests import every_brick

every = pytest.mark.parametrize("name", every_brick.MIDDLES)


def affine(w, b=None):
    w = np.array(w, np.float64)
    return Affine(w, np.zeros(w.shape[1]) if b is None else b)


def test_by_hand():
    """out = [3, -4] and [0, 0] before the ReLU; the loss is (3² + 0 + 0 + 0) / 4."""
    network = Network([affine([[3.0, -4.0]]), ReLU()])
    found = layer_statistics(network, [[1.0], [0.0]], np.zeros((2, 2)))
    first, relu = found.layers
    assert (first.mean, first.std, first.rms) == (-0.25, math.sqrt(25 / 4 - 1 / 16), 2.5)
    assert (first.zeros, first.units, first.dead, first.saturated) == (0.5, 2, None, None)
    assert (relu.mean, relu.zeros, relu.dead, relu.units) == (0.75, 0.75, 1, 2)
    assert relu.gradient_norm == first.gradient_norm == 1.5  # 2·3/4, and 0 three times
    assert first.params["w"] == (5.0, 1.5, 0.3)
    assert first.params["b"] == (0.0, 1.5, None)  # a param of zeros has no ratio
    assert found.warnings == ["layer 1 (ReLU): 1 of 2 units is 0 on all rows"]
    assert found.rows == 2


@every
def test_statistics_equal_those_of_the_traced_arrays(name):
    network = every_brick.network(name, "float32")
    x, y = every_brick.rows(name, 40, "float32")
    found = layer_statistics(network, x, y)
    steps = [step for layer in trace(network, x, y).layers for step in layer.walk()]
    assert [layer.place for layer in found.layers] == [step.place for step in steps]
    for layer, step in zip(found.layers, steps, strict=True):
        out, dout = step.out.astype(np.float64), step.dout.astype(np.float64)
        assert layer.mean == pytest.approx(out.mean(), rel=1e-12, abs=1e-15)
        assert layer.std == pytest.approx(out.std(), rel=1e-12)
        assert layer.zeros == (out == 0).mean() and layer.not_finite == 0
        assert layer.gradient_norm == pytest.approx(np.linalg.norm(dout), rel=1e-12)
        for param, array in step.params.items():
            norms = np.linalg.norm(array), np.linalg.norm(step.grads[param].astype(np.float64))
            assert layer.params[param][:2] == pytest.approx(norms, rel=1e-6)
    assert list(found.params) == list(network.params)


@every
def test_leaves_network_and_loss_unchanged(name):
    network, loss = every_brick.network(name), MSELoss()
    x, y = every_brick.rows(name)
    loss.forward(network.forward(x), y)
    network.backward(loss.backward())
    before = every_brick.state([network, loss])
    layer_statistics(network, x[:3], y[:3], loss)
    layer_statistics(network, x[:3])
    assert every_brick.state([network, loss]) == before


def test_without_targets_gradients_are_none():
    network = every_brick.network("BatchNorm")
    x, _ = every_brick.rows("BatchNorm", 30)
    found = layer_statistics(network, x)
    assert [layer.gradient_norm for layer in found.layers] == [None] * 3
    assert {param[1:] for param in found.params.values()} == {(None, None)}
    # BatchNorm uses its running statistics, as in prediction.
    assert found.layers[-1].mean == pytest.approx(network.predict(x).mean(), rel=1e-12)


def test_a_unit_is_dead_if_it_is_0_in_all_rows_and_its_input_is_not():
    x = np.random.default_rng(0).normal(size=(200, 4))
    bias = np.array([-50.0, 0, -50, 0])
    layers = [affine(np.eye(4), bias), ReLU(), Dropout(0.2, rng=0), LeakyReLU(), affine(np.eye(4))]
    found = layer_statistics(Network(layers), x, x)
    assert [layer.dead for layer in found.layers] == [None, 2, None, 0, None]
    assert found.warnings == ["layer 1 (ReLU): 2 of 4 units are 0 on all rows"]
    assert layer_statistics(Network([affine(np.eye(4)), ReLU()]), x).warnings == []


def test_units_of_a_user_defined_relu_can_be_dead():
    class Rectifier:
        def forward(self, x):
            self.mask = x > 0
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    found = layer_statistics(Network([affine([[1.0, -1.0]]), Rectifier()]), [[1.0], [2.0]])
    assert found.warnings == ["layer 1 (Rectifier): 1 of 2 units is 0 on all rows"]


@pytest.mark.parametrize(("brick", "at"), [(Sigmoid, 5.0), (Tanh, 2.5)])
def test_outputs_within_1_percent_of_the_bounds_are_saturated(brick, at):
    """sigmoid(5) = 0.9933 and tanh(2.5) = 0.9866 are within 1 % of the range; x / 2 is not."""
    x = np.array([[at], [-at], [at], [at / 2]])
    found = layer_statistics(Network([brick(), affine([[1.0]])]), x)
    assert found.layers[0].saturated == 0.75
    assert found.warnings == [
        f"layer 0 ({brick.__name__}): 75 % of its outputs are saturated",
    ]
    assert layer_statistics(Network([brick()]), x).warnings == []  # the last brick may saturate


def test_a_softmax_is_saturated_in_rows_with_one_large_output():
    x = np.zeros((4, 200))  # shares of 1/200 are near 0, but no class is chosen
    x[0, 7] = 20.0
    assert layer_statistics(Network([Softmax()]), x).layers[0].saturated == 0.25


def test_nan_and_infinity_are_counted_and_warned_about():
    network = Network([affine([[1.0, np.nan]]), Tanh(), affine([[1.0], [0.0]])])
    found = layer_statistics(network, [[2.0], [4.0]], [[0.0], [0.0]])
    assert found.layers[0].not_finite == 2 and found.layers[0].mean == 3.0
    assert "layer 0 (Affine 1→2): 2 of its outputs are NaN or infinite" in found.warnings
    assert "layer 0 (Affine 1→2): the gradient of 0.w is not finite" in found.warnings
    nothing = layer_statistics(Network([affine([[np.inf]])]), [[1.0]]).layers[0]
    assert math.isnan(nothing.mean) and nothing.not_finite == 1


def test_warns_about_vanishing_gradients():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 8)), rng.normal(size=100)
    deep = mlp([8, *[32] * 8, 1], "sigmoid", rng=0)
    (warning,) = layer_statistics(deep, x, y).warnings
    assert warning.startswith("gradients vanish: their norm goes from ")
    assert warning.endswith(" after layer 0") and " after layer 16 to " in warning
    straight = layer_statistics(mlp([8, *[32] * 8, 1], "relu", rng=0), x, y)
    assert not any("gradients" in warning for warning in straight.warnings)


def test_warns_about_exploding_outputs_and_gradients():
    layers = [affine(20 * np.eye(2)) for _ in range(4)]
    found = layer_statistics(Network(layers), np.ones((3, 2)), np.zeros((3, 2)))
    assert found.warnings[-2:] == [
        "outputs explode: those of layer 2 (Affine 2→2) are 8,000 times as large as x",
        "gradients explode: their norm goes from 1.31e+05 after layer 3 to 1.05e+09 after layer 0",
    ]
    for place, warning in enumerate(found.warnings[:-2]):
        assert warning.startswith(f"layer {place} (Affine 2→2): the gradient of {place}.w has ")
        assert warning.endswith(f" times the norm of {place}.w")


def test_norms_do_not_overflow_in_float32():
    network = Network([Affine(np.full((1, 1), 1e30, np.float32), np.zeros(1))])
    found = layer_statistics(network, [[1e5]])
    assert found.layers[0].rms == pytest.approx(1e35, rel=1e-6)
    assert found.params["0.w"].norm == pytest.approx(1e30, rel=1e-6)


def network_of_several_kinds():
    rng = np.random.default_rng(0)
    block = [Affine.random(6, 6, rng=rng), Sigmoid(), BatchNorm.new(6)]
    network = Network(
        [Affine.random(3, 6, rng=rng), ReLU(), Residual(block), Affine.random(6, 2, rng=rng)]
    )
    network.layers[0].b[0] = -100
    return network, rng.normal(size=(50, 3)), rng.normal(size=(50, 2))


def test_the_text_is_a_table():
    text = str(layer_statistics(*network_of_several_kinds()))
    lines = text.splitlines()
    assert lines[0].split() == [
        "layer", "brick", "mean", "std", "zeros", "dead", "saturated", "gradient",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:8]] == ["0", "1", "2", "2.0", "2.1", "2.2", "3"]
    assert "1/6" in lines[2] and "BatchNorm 6→6  " in lines[6]
    assert "momentum" not in text and max(map(len, lines)) <= 100
    heads = [line.split() for line in lines]
    assert ["param", "norm", "gradient", "ratio"] in heads
    assert lines[-1] == "layer 1 (ReLU): 1 of 6 units is 0 on all rows"
    assert str(layer_statistics(mlp([2, 1], rng=0), [[1, 2]])).endswith("\n\nno warnings")


def test_repr_is_one_line():
    found = layer_statistics(*network_of_several_kinds())
    assert repr(found) == "LayerStatistics(7 bricks, 50 rows, 1 warning)"


def test_to_dict_is_plain_and_complete():
    found = layer_statistics(*network_of_several_kinds())
    made = found.to_dict()
    assert json.loads(json.dumps(made)) == made
    assert set(made) == {"rows", "layers", "warnings"}
    assert made["layers"][0]["params"]["w"] == found.params["0.w"]._asdict()
    assert [layer["place"] for layer in made["layers"]] == [a.place for a in found.layers]
    made["warnings"].clear()
    assert found.warnings


@pytest.mark.parametrize("has_targets", [True, False])
def test_plot_draws_every_brick_and_param(has_targets):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    network, x, y = network_of_several_kinds()
    found = layer_statistics(network, x, y if has_targets else None)
    figure = found.plot()
    try:
        axes = figure.get_axes()
        assert len(axes) == (4 if has_targets else 2)
        assert all(ax.get_title() for ax in axes)
        names = [label.get_text() for label in axes[0].get_xticklabels()]
        assert names[:3] == ["0 Affine 3→6", "1 ReLU", "2 Residual"] and len(names) == 7
        heights = [bar.get_height() for bar in axes[1].patches]
        assert heights[1] == 100 * found.layers[1].zeros  # the bars of one kind after another
        assert heights[7 + 1] == pytest.approx(100 / 6)
        if has_targets:
            drawn = axes[2].get_lines()[0].get_ydata()
            assert drawn.tolist() == [layer.gradient_norm for layer in found.layers]
            labels = [label.get_text() for label in axes[3].get_xticklabels()]
            assert labels == list(network.params)
        figure.canvas.draw()
    finally:
        pyplot.close(figure)


def test_plot_uses_a_given_figure_even_if_there_is_nothing_to_draw():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure()
    zeros = Network([affine([[0.0]]), affine([[0.0]])])
    assert layer_statistics(zeros, [[0.0]], [[0.0]]).plot(figure) is figure
    nothing_learned = Figure()
    layer_statistics(Network([ReLU()]), [[1.0]], [[0.0]]).plot(nothing_learned)
    infinite = Figure()
    layer_statistics(Network([affine([[np.inf]])]), [[1.0]], [[0.0]]).plot(infinite)
    for drawn in (figure, nothing_learned, infinite):
        matplotlib.backends.backend_agg.FigureCanvasAgg(drawn).draw()


def test_plot_without_matplotlib_names_the_package_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    found = layer_statistics(mlp([2, 1], rng=0), [[1, 2]])
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install matplotlib") as error:
        found.plot()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("network", "x", "y", "error", "message"),
    [
        ([ReLU()], [[1.0]], None, TypeError, "network must be a Network"),
        (mlp([2, 1], rng=0), np.zeros((0, 2)), None, ValueError, "x has no rows"),
        (mlp([2, 1], rng=0), np.zeros((3, 4)), None, ValueError, r"x must have shape \(3, 2\)"),
        (mlp([2, 1], rng=0), np.zeros((3, 2)), [1.0], ValueError, "x has 3 rows but y has"),
    ],
)
def test_rejects_invalid_arguments(network, x, y, error, message):
    with pytest.raises(error, match=f"^layer_statistics: {message}"):
        layer_statistics(network, x, y)
