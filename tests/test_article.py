"""The article's script with its own NumPy classes and with handnn.article."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from handnn import article


class Affine:
    def __init__(self, w, b):
        self.w = w
        self.b = b
        self.x = None
        self.dw = None
        self.db = None

    def forward(self, x):
        self.x = x
        out = np.dot(x, self.w) + self.b
        return out

    def backward(self, dout):
        dx = dout.dot(self.w.T)
        self.dw = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class ReLU:
    def __init__(self):
        self.out = None

    def forward(self, x):
        mask = x < 0
        self.mask = mask
        out = x.copy()
        out[mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class MSELoss:
    def __init__(self):
        self.pre = None
        self.y_true = None
        self.loss = None

    def forward(self, pre, y_true):
        self.pre = pre
        m, n = self.pre.shape
        self.y_true = y_true.reshape(m, n)
        assert self.pre.shape == self.y_true.shape
        return np.mean(np.power((pre - y_true), 2))

    def backward(self, dout):
        return dout * (self.pre - self.y_true)


ORIGINAL = SimpleNamespace(Affine=Affine, Sigmoid=Sigmoid, ReLU=ReLU, MSELoss=MSELoss)

STEPS = 300
LEARNING_RATE = 0.005


def script(bricks, activation):
    """Affine, activation, Affine, MSELoss; plain gradient descent."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = np.sin(x.sum(axis=1, keepdims=True))
    affine1 = bricks.Affine(rng.normal(size=(3, 8)), np.zeros(8))
    activation = getattr(bricks, activation)()
    affine2 = bricks.Affine(rng.normal(size=(8, 1)), np.zeros(1))
    mse_loss = bricks.MSELoss()
    losses = []
    for _ in range(STEPS):
        pre = affine2.forward(activation.forward(affine1.forward(x)))
        losses.append(mse_loss.forward(pre, y))
        affine1.backward(activation.backward(affine2.backward(mse_loss.backward(1))))
        for layer in (affine1, affine2):
            layer.w -= LEARNING_RATE * layer.dw
            layer.b -= LEARNING_RATE * layer.db
    return [affine1.w, affine1.b, affine2.w, affine2.b], losses


@pytest.mark.parametrize("activation", ["Sigmoid", "ReLU"])
def test_the_script_gives_the_same_weights_with_either_import(activation):
    theirs, their_losses = script(ORIGINAL, activation)
    ours, our_losses = script(article, activation)
    assert their_losses[-1] < 0.5 * their_losses[0], "the script must learn"
    for mine, original in zip(ours, theirs, strict=True):
        assert mine.dtype == np.float64
        np.testing.assert_allclose(mine, original, rtol=1e-12, atol=0)
    np.testing.assert_allclose(our_losses, their_losses, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["Affine", "Sigmoid", "ReLU", "MSELoss"])
def test_signatures_are_the_same(name):
    for method in ("__init__", "forward", "backward"):
        original = inspect.signature(getattr(vars(ORIGINAL)[name], method))
        ours = inspect.signature(getattr(getattr(article, name), method))
        assert list(ours.parameters) == list(original.parameters), f"{name}.{method}"


def attributes(bricks):
    x, dout = np.array([[1.0, -2.0]]), np.array([[3.0, 4.0]])
    affine = bricks.Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0]))
    sigmoid, relu, loss = bricks.Sigmoid(), bricks.ReLU(), bricks.MSELoss()
    affine.forward(x)
    affine.backward(dout)
    sigmoid.forward(x)
    relu.forward(x)
    loss.forward(x, dout)
    values = {name: getattr(affine, name) for name in ("w", "b", "x", "dw", "db")}
    values |= {"out": sigmoid.out, "mask": relu.mask, "pre": loss.pre, "y_true": loss.y_true}
    return values | {"loss.backward": loss.backward(2.0)}


def test_attributes_are_the_same():
    original = attributes(ORIGINAL)
    for name, value in attributes(article).items():
        np.testing.assert_allclose(
            value, original[name], rtol=4 * np.finfo(float).eps, err_msg=name
        )


def test_attributes_are_none_before_the_first_forward():
    affine = article.Affine(np.ones((1, 1)), np.ones(1))
    assert affine.x is None and affine.dw is None and affine.db is None
    assert article.Sigmoid().out is None
    loss = article.MSELoss()
    assert loss.pre is None and loss.y_true is None


def test_y_true_is_reshaped_to_the_prediction():
    loss = article.MSELoss()
    assert loss.forward(np.zeros((2, 1)), np.array([[1.0], [2.0]])) == 2.5
    assert loss.y_true.shape == (2, 1)
    loss.forward(np.zeros((3, 1)), np.ones(3))
    assert loss.y_true.shape == (3, 1)


def test_sigmoid_accepts_a_scalar_dout_like_the_original():
    slopes = []
    for bricks in (ORIGINAL, article):
        sigmoid = bricks.Sigmoid()
        sigmoid.forward(np.array([[-2.0, 0.0, 3.0]]))
        slopes.append(sigmoid.backward(1))
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-12, atol=0)


def test_relu_does_not_overwrite_dout():
    relu = article.ReLU()
    relu.forward(np.array([[-1.0, 1.0]]))
    dout = np.array([[3.0, 4.0]])
    assert relu.backward(dout).tolist() == [[0, 4]]
    assert dout.tolist() == [[3, 4]]
