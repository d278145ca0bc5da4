"""Network: forward, backward, predict, modes, its representations, and mlp."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from handnn import SGD, Affine, MSELoss, Network, ReLU, Residual, Sigmoid, Trainer, mlp, reference
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve, Scale


def small(dtype=np.float64):
    rng = np.random.default_rng(0)
    return Network(
        [
            Affine(rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=4).astype(dtype)),
            ReLU(),
            Affine(rng.normal(size=(4, 2)).astype(dtype), rng.normal(size=2).astype(dtype)),
        ]
    )


def test_by_hand():
    network = Network([Affine([[1.0], [2.0]], [-4.0]), ReLU(), Affine([[3.0]], [0.5])])
    assert network.forward(np.array([[1.0, 1.0], [3.0, 2.0]])).tolist() == [[0.5], [9.5]]
    dx = network.backward(np.array([[1.0], [1.0]]))
    assert dx.tolist() == [[0, 0], [3, 6]]
    assert {name: grad.tolist() for name, grad in network.grads.items()} == {
        "0.w": [[9], [6]],
        "0.b": [3],
        "2.w": [[3]],
        "2.b": [2],
    }


def test_forward_and_backward_call_the_bricks_in_order():
    network = small()
    x, dout = np.random.default_rng(1).normal(size=(5, 3)), np.ones((5, 2))
    one, relu, two = network.layers
    out = two.forward(relu.forward(one.forward(x)))
    dx = one.backward(relu.backward(two.backward(dout)))
    assert_same_bits(network.forward(x), out)
    assert_same_bits(network.backward(dout), dx)


def test_params_are_not_copies():
    network = small()
    assert list(network.params) == ["0.w", "0.b", "2.w", "2.b"]
    assert network.params["2.w"] is network.layers[2].w
    network.params["0.b"][:] = 7
    assert network.layers[0].b.tolist() == [7] * 4


def test_grads_have_the_names_of_the_params():
    network = small()
    network.forward(np.ones((2, 3)))
    network.backward(np.ones((2, 2)))
    assert list(network.grads) == list(network.params)
    for name, grad in network.grads.items():
        assert grad.shape == network.params[name].shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_equals_forward(dtype):
    network = small(dtype)
    x = np.random.default_rng(2).normal(size=(9, 3)).astype(dtype)
    assert_same_bits(network.predict(x), network.forward(x))
    assert network.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_gives_a_row_the_bits_it_has_in_a_batch(dtype):
    network = mlp([7, 33, 19, 2], activation="sigmoid", rng=3, dtype=dtype)
    x = np.random.default_rng(3).normal(size=(64, 7)).astype(dtype)
    rows = np.concatenate([network.predict(x[k : k + 1]) for k in range(64)])
    assert_same_bits(network.predict(x), rows)


def test_predict_writes_to_out():
    network = small(np.float32)
    x, out = np.ones((4, 3), np.float32), np.empty((4, 2), np.float32)
    assert network.predict(x, out=out) is out
    assert_same_bits(out, network.predict(x))


@pytest.mark.parametrize(
    ("out", "kind"),
    [
        (np.empty((4, 2)), TypeError),
        (np.empty((2, 4), np.float32), ValueError),
        (np.empty((4, 4), np.float32)[:, ::2], ValueError),
        ([[0.0] * 2] * 4, TypeError),
    ],
    ids=["dtype", "shape", "strides", "list"],
)
def test_predict_rejects_a_wrong_out(out, kind):
    with pytest.raises(kind, match="out"):
        small(np.float32).predict(np.ones((4, 3), np.float32), out=out)


def test_predict_rejects_an_out_that_is_x():
    network = Network([Affine(np.eye(3), np.zeros(3)), ReLU()])
    x = np.ones((3, 3))
    with pytest.raises(ValueError, match="overlap"):
        network.predict(x, out=x)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32, bool, list])
def test_input_is_converted_to_the_dtype_of_the_network(kind):
    network = small(np.float32)
    x = np.array([[1, 0, 2], [3, 1, 0]])
    given = x.tolist() if kind is list else x.astype(kind)
    expected = network.predict(np.asarray(given).astype(np.float32))
    assert_same_bits(network.predict(given), expected)


@pytest.mark.parametrize("kind", [complex, object, str, "datetime64[s]"], ids=str)
def test_rejects_input_that_is_not_real_numbers(kind):
    with pytest.raises(TypeError):
        small().predict(np.ones((2, 3)).astype(int).astype(kind))


def test_zero_rows():
    out = small(np.float32).predict(np.empty((0, 3), np.float32))
    assert out.shape == (0, 2) and out.dtype == np.float32


def test_rejects_input_of_another_width():
    with pytest.raises(ValueError, match=r"5 columns"):
        small().predict(np.ones((2, 5)))


def test_equals_the_reference_brick_by_brick():
    network = small()
    x = np.random.default_rng(4).normal(size=(6, 3))
    p = network.params
    hidden = reference.relu_forward(reference.affine_forward(x, p["0.w"], p["0.b"]))
    expected = reference.affine_forward(hidden, p["2.w"], p["2.b"])
    eps = np.finfo(float).eps
    terms = (abs(x) @ abs(p["0.w"]) + abs(p["0.b"])) @ abs(p["2.w"]) + abs(p["2.b"])
    assert np.all(abs(network.predict(x) - expected) <= 2 * eps * (4 + 5) * terms)


def test_rejects_neighbors_of_different_widths():
    with pytest.raises(ValueError, match="4.*5|5.*4"):
        Network([Affine.random(3, 4), ReLU(), Sigmoid(), Affine.random(5, 2)])
    Network([Affine.random(3, 4), Halve(), Affine.random(5, 2)])


def test_rejects_mixed_dtypes():
    with pytest.raises(TypeError, match="float32.*float64|float64.*float32"):
        Network([Affine.random(3, 4), Affine.random(4, 2, dtype="float64")])


@pytest.mark.parametrize(
    "bad", [3, None, "ReLU", ReLU, object()], ids=["3", "None", "str", "class", "object"]
)
def test_rejects_non_bricks(bad):
    with pytest.raises(TypeError):
        Network([Affine.random(3, 4), bad])


def test_user_bricks():
    network = Network([Scale(3), Affine.random(3, 4, rng=0, dtype="float64"), Halve()])
    x = np.random.default_rng(5).normal(size=(5, 3))
    out = network.forward(x)
    factor, w = network.params["0.factor"], network.params["1.w"]
    np.testing.assert_allclose(out, (x * factor) @ w / 2, rtol=1e-13, atol=1e-13)
    network.backward(np.ones((5, 4)))
    assert set(network.grads) == {"0.factor", "1.w", "1.b"}
    assert network.grads["0.factor"].shape == (3,)


def test_astype_copies():
    network = small(np.float32)
    wide = network.astype("float64")
    assert wide.dtype == np.float64 and network.dtype == np.float32
    for name, array in wide.params.items():
        assert_same_bits(array, network.params[name].astype(np.float64))
    same = network.astype("float32")
    assert not np.shares_memory(same.params["0.w"], network.params["0.w"])


def test_repr():
    network = mlp([8, 64, 64, 1], rng=0)
    assert repr(network) == (
        "Network(Affine 8→64, ReLU, Affine 64→64, ReLU, Affine 64→1; 4,801 parameters, float32)"
    )


def test_summary_lists_bricks_widths_and_parameters():
    lines = mlp([8, 64, 1], activation="sigmoid", rng=0).summary().splitlines()

    def line_with(*words):
        return [line for line in lines if all(word in line for word in words)]

    assert len(line_with("Affine", "64", "576")) == 1
    assert len(line_with("Sigmoid", "64", "0")) == 1
    assert len(line_with("Affine", "1", "65")) == 1
    assert line_with("641")


def test_summary_of_user_bricks():
    assert "Halve" in Network([Halve(), Scale(3)]).summary()


def html_of(network):
    """The page as an element tree; parsing fails unless all tags match."""
    return ElementTree.fromstring(network._repr_html_())


def test_html_shows_widths_and_parameters():
    figure = html_of(mlp([8, 64, 1], rng=0))
    assert figure.get("role") == "img"
    assert figure.get("aria-label") == (
        "Network(Affine 8→64, ReLU, Affine 64→1; 641 parameters, float32)"
    )
    assert "|".join(figure.itertext()) == (
        "8|→|Affine 8→64|576 parameters|→|64|→|ReLU|→|64|→|Affine 64→1|65 parameters|→|1|"
        "641 parameters, float32"
    )


def test_html_of_nested_and_user_bricks():
    class Odd(Halve):
        pass

    Odd.__name__ = '<b>"Odd" & co'
    network = Network([Odd(), Residual([Affine.random(3, 3, rng=0), ReLU()])])
    text = "|".join(html_of(network).itertext())
    assert text.startswith('?|→|<b>"Odd" & co|→|?|→|Residual|Affine 3→3|12 parameters|→|ReLU|')
    assert "<b>" not in network._repr_html_()


def test_html_uses_the_colors_of_the_page():
    text = mlp([2, 1], rng=0)._repr_html_()
    assert "currentColor" in text and not re.search(r"#[0-9a-f]{3}|rgb|<script|http", text)


def test_mlp_has_no_activation_at_its_output():
    network = mlp([8, 64, 32, 1], rng=0)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Affine", "ReLU", "Affine", "ReLU", "Affine"]
    assert network.params["2.w"].shape == (64, 32)
    assert network.dtype == np.float32
    sigmoid = mlp([2, 3, 1], activation="sigmoid", rng=0, dtype="float64")
    assert isinstance(sigmoid.layers[1], Sigmoid) and sigmoid.dtype == np.float64


def test_mlp_of_two_sizes_is_one_affine():
    assert [type(layer) for layer in mlp([4, 2], rng=0).layers] == [Affine]


def test_mlp_is_repeatable():
    for rng in (7, lambda: np.random.default_rng(7)):
        one = mlp([4, 5, 2], rng=rng() if callable(rng) else rng)
        two = mlp([4, 5, 2], rng=rng() if callable(rng) else rng)
        for name, array in one.params.items():
            assert_same_bits(array, two.params[name])
    assert not np.array_equal(mlp([4, 5], rng=7).params["0.w"], mlp([4, 5], rng=8).params["0.w"])


def test_mlp_initializes_for_its_activation():
    """He: variance 2/fan_in; Xavier: 2/(fan_in + fan_out). 10⁶ draws: σ² is known to 0.15 %."""
    for activation, variance in (("relu", 2 / 1000), ("sigmoid", 2 / 2000)):
        w = mlp([1000, 1000, 1], activation, rng=0, dtype="float64").params["0.w"]
        assert abs(w.var() / variance - 1) < 6 * np.sqrt(2 / w.size)


@pytest.mark.parametrize("sizes", [[], [3], [3, 0, 1], [3, -1], [3, 2.5, 1], "ab"], ids=str)
def test_mlp_rejects_invalid_sizes(sizes):
    with pytest.raises((ValueError, TypeError)):
        mlp(sizes)


def test_mlp_rejects_unknown_activations():
    with pytest.raises(ValueError, match="relu"):
        mlp([3, 2, 1], activation="swoosh")


@pytest.mark.parametrize("layers", [[], [Halve()]], ids=["compiled", "brick by brick"])
def test_predict_rejects_an_out_that_overlaps_a_param(layers):
    layer = Affine.random(2, 2, rng=0)
    network = Network([layer, *layers])
    before = layer.w.copy()
    with pytest.raises(ValueError, match="out overlaps"):
        network.predict(np.ones((2, 2), np.float32), out=layer.w)
    assert np.array_equal(layer.w, before)


@pytest.mark.parametrize("params", [[1], None, {"w": [1.0, 2.0]}])
def test_rejects_params_that_are_not_a_dict_of_arrays(params):
    brick = Halve()
    brick.params = params
    with pytest.raises(TypeError, match="params of layer 0"):
        Network([brick])


class Mode:
    """A user's brick that records the mode of each forward."""

    training = True

    def __init__(self):
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return x

    def backward(self, dout):
        return dout


def test_train_and_eval_set_the_mode_of_every_layer():
    mode = Mode()
    network = Network([Affine([[1.0]], [0.0]), mode, Sigmoid()])
    x = np.ones((2, 1))
    network.forward(x)
    assert network.eval() is network
    network.forward(x)
    assert network.train() is network
    network.forward(x)
    assert mode.modes == [True, False, True]
    assert all(layer.training for layer in network.layers)


def test_predict_works_in_either_mode_and_restores_it():
    mode = Mode()
    network = Network([Affine([[1.0]], [0.0]), mode])
    for training in (True, False):
        network.train(training).predict(np.ones((2, 1)))
        assert mode.training is training
    assert mode.modes == [False, False]


def test_in_mode_restores_the_mode_after_an_error():
    network = Network([Affine([[1.0]], [0.0]), Mode()]).eval()
    with pytest.raises(ZeroDivisionError), network.in_mode(training=True):
        1 / network.layers[1].training / 0
    assert not network.layers[1].training


def test_trainer_works_in_either_mode_and_restores_it():
    mode = Mode()
    network = Network([Affine([[1.0]], [0.0]), mode]).eval()
    trainer = Trainer(network, MSELoss(), SGD(0.1))
    trainer.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=1, batch_size=2, validation=0.5)
    assert mode.modes == [True, False]
    assert not mode.training


class Gives:
    """A brick that returns a given output, and has these grads."""

    def __init__(self, forward=None, backward=None, grads=None):
        self.values = forward, backward
        self.grads = {} if grads is None else grads

    def forward(self, x):
        return self.values[0]

    def backward(self, dout):
        return self.values[1]


@pytest.mark.parametrize("wrong", ["x", b"x", None, [[1.0]] * 2, 5])
@pytest.mark.parametrize("method", ["forward", "predict", "jacobian"])
def test_errors_name_a_brick_that_returns_no_array(method, wrong):
    network = Network([ReLU(), Gives(wrong), ReLU()])
    with pytest.raises(TypeError, match=rf"layer 1 \(Gives\) returned {re.escape(repr(wrong))}"):
        getattr(network, method)(np.ones((2, 3)))


def test_a_jacobian_of_a_number_is_an_error():
    with pytest.raises(ValueError, match=r"must return \(N, O\), but returns \(\)"):
        Network([Gives(np.float64(5))]).jacobian(np.ones((2, 3)))


def test_errors_name_a_brick_that_returns_none():
    x = np.ones((2, 3))
    with pytest.raises(TypeError, match=r"Network\.forward: layer 1 \(Gives\) returned None"):
        Network([ReLU(), Gives(), ReLU()]).forward(x)
    network = Network([ReLU(), Gives(x), ReLU()])
    network.forward(x)
    with pytest.raises(TypeError, match=r"Network\.backward: layer 1 \(Gives\) returned None"):
        network.backward(x)
    assert Network([Gives(x)]).backward(x) is None, "nobody needs the dx of the first layer"


def test_grads_that_are_not_a_dict_are_an_error():
    with pytest.raises(TypeError, match=r"the grads of Gives must be a dict, but are \[1\]"):
        _ = Network([Gives(grads=[1])]).grads
