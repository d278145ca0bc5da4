"""gradient_check passes correct gradients, fails wrong ones, and changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine, MSELoss, Network, ReLU, Sigmoid, gradient_check, mlp
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve, Scale


def data(n, i, o, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, i)), rng.normal(size=(n, o))


def affine(i, o, kind=Affine, seed=1):
    rng = np.random.default_rng(seed)
    return kind(rng.normal(size=(i, o)), rng.normal(size=o))


BRICKS = {
    "affine": lambda: affine(4, 3),
    "sigmoid": Sigmoid,
    "relu": ReLU,
    "own": Halve,
    "own that learns": lambda: Scale(4),
}


@pytest.mark.parametrize("name", BRICKS)
@pytest.mark.parametrize("seed", range(5))
def test_every_brick_passes(name, seed):
    network = Network([BRICKS[name]()])
    x, y = data(6, 4, 3 if name == "affine" else 4, seed)
    report = gradient_check(network, MSELoss(), x, y, rtol=1e-6)
    assert report.passed and bool(report), report


@pytest.mark.parametrize("seed", range(5))
def test_a_network_of_five_bricks_passes(seed):
    bricks = [affine(4, 6), Sigmoid(), affine(6, 5, seed=2), ReLU(), affine(5, 2, seed=3)]
    report = gradient_check(Network(bricks), MSELoss(), *data(7, 4, 2, seed), rtol=1e-6)
    assert report.passed, report
    assert {entry.name for entry in report.entries} == {
        "0.w", "0.b", "2.w", "2.b", "4.w", "4.b", "x",
    }  # fmt: skip


def test_a_network_from_mlp_passes_in_float64():
    network = mlp([3, 9, 9, 2], activation="sigmoid", rng=0, dtype="float64")
    assert gradient_check(network, MSELoss(), *data(5, 3, 2)).passed


class TwiceTooMuch(Sigmoid):
    def backward(self, dout):
        return 2 * super().backward(dout)


class SlightlyTooMuch(Sigmoid):
    def backward(self, dout):
        return 1.00001 * super().backward(dout)


class NoSlope(Sigmoid):
    def backward(self, dout):
        return np.zeros_like(dout)


class LetsEverythingThrough(ReLU):
    def backward(self, dout):
        return dout


class WrongSign(Affine):
    def backward(self, dout):
        return -super().backward(dout)


class ForgottenBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.zeros_like(self.db)
        return dx


class BiasOfOneRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[0].copy()
        return dx


class TransposedGradient(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dw = np.ascontiguousarray(self.dw.T)
        return dx


class TransposedWeights(Affine):
    def backward(self, dout):
        super().backward(dout)
        return dout @ self.w


class OneEntryWrong(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dw[2, 1] += 0.01
        return dx


BROKEN = [
    (TwiceTooMuch, {"0.w", "0.b", "x"}),
    (SlightlyTooMuch, {"0.w", "0.b", "x"}),
    (NoSlope, {"0.w", "0.b", "x"}),
    (LetsEverythingThrough, {"0.w", "0.b", "x"}),
    (WrongSign, {"0.w", "0.b", "x"}),
    (ForgottenBias, {"1.b"}),
    (BiasOfOneRow, {"1.b"}),
    (TransposedGradient, {"1.w"}),
    (TransposedWeights, {"0.w", "0.b", "x"}),
    (OneEntryWrong, {"1.w"}),
]


@pytest.mark.parametrize(("kind", "wrong"), BROKEN, ids=[kind.__name__ for kind, _ in BROKEN])
def test_a_wrong_backward_fails_and_the_report_names_the_array(kind, wrong):
    brick = affine(4, 4, kind, seed=2) if issubclass(kind, Affine) else kind()
    network = Network([affine(4, 4), brick, affine(4, 4, seed=3)])
    report = gradient_check(network, MSELoss(), *data(6, 4, 4))
    assert not report.passed and not bool(report)
    assert {entry.name for entry in report.entries if not entry.passed} == wrong
    for name in wrong:
        assert name in repr(report)


def test_the_report_shows_the_wrong_entry():
    network = Network([affine(4, 4, OneEntryWrong)])
    report = gradient_check(network, MSELoss(), *data(6, 4, 4))
    (entry,) = [entry for entry in report.entries if not entry.passed]
    assert entry.name == "0.w" and tuple(entry.where) == (2, 1)
    assert entry.analytic - entry.numeric == pytest.approx(0.01, rel=1e-6)
    assert entry.worst > 1e-6


class TwiceTheLoss(MSELoss):
    def backward(self, dout=1.0):
        return 2 * super().backward(dout)


def test_a_wrong_loss_gradient_fails():
    network = Network([affine(4, 2)])
    assert not gradient_check(network, TwiceTheLoss(), *data(5, 4, 2)).passed


def test_at_the_kink_of_relu_a_slope_between_both_sides_passes():
    x, y = data(6, 4, 4)
    x[0, 0] = x[3, 2] = 0
    assert gradient_check(Network([ReLU()]), MSELoss(), x, y).passed


class TwoAtZero(ReLU):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[self.x == 0] *= 2
        return dx


def test_at_the_kink_a_slope_outside_both_sides_fails():
    x, y = data(6, 4, 4)
    x[0, 0] = 0
    assert not gradient_check(Network([TwoAtZero()]), MSELoss(), x, y).passed


def test_leaves_params_and_data_unchanged():
    network = Network([affine(4, 6), ReLU(), affine(6, 2, seed=2)])
    x, y = data(7, 4, 2)
    x_before, y_before = x.copy(), y.copy()
    arrays = dict(network.params)
    before = {name: array.copy() for name, array in arrays.items()}
    gradient_check(network, MSELoss(), x, y)
    for name, array in network.params.items():
        assert array is arrays[name], f"{name} was replaced"
        assert_same_bits(array, before[name], name)
    assert_same_bits(x, x_before)
    assert_same_bits(y, y_before)


class RaisesLater(Halve):
    calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls == 5:
            raise ArithmeticError("on purpose")
        return super().forward(x)


def test_leaves_params_unchanged_after_an_error():
    network = Network([affine(4, 2), RaisesLater()])
    before = {name: array.copy() for name, array in network.params.items()}
    x, y = data(3, 4, 2)
    with pytest.raises(ArithmeticError):
        gradient_check(network, MSELoss(), x, y)
    for name, array in network.params.items():
        assert_same_bits(array, before[name], name)


def test_rejects_float32_and_names_the_remedy():
    network = mlp([4, 3, 2], rng=0)
    with pytest.raises(ValueError, match="float64"):
        gradient_check(network, MSELoss(), *data(5, 4, 2))
    assert gradient_check(network.astype("float64"), MSELoss(), *data(5, 4, 2)).passed


def test_rejects_zero_rows():
    with pytest.raises(ValueError, match="x has no rows"):
        gradient_check(Network([affine(4, 2)]), MSELoss(), *data(0, 4, 2))


def test_rtol_is_the_tolerance():
    network = Network([affine(4, 4), SlightlyTooMuch()])
    x, y = data(6, 4, 4)
    assert not gradient_check(network, MSELoss(), x, y).passed
    assert gradient_check(network, MSELoss(), x, y, rtol=1e-4).passed


def test_repr_is_a_table_with_a_line_for_each_array():
    report = gradient_check(Network([affine(4, 2)]), MSELoss(), *data(5, 4, 2))
    lines = repr(report).splitlines()
    for name in ("0.w", "0.b", "x"):
        assert sum(name in line.split() for line in lines) == 1, repr(report)


def test_a_brick_may_reuse_its_gradient_array():
    class Accumulating(Scale):
        """Adds to its gradient, and starts over in forward."""

        def __init__(self, columns):
            super().__init__(columns)
            self.grads = {"factor": np.zeros(columns)}

        def forward(self, x):
            self.grads["factor"][...] = 0
            return super().forward(x)

        def backward(self, dout):
            self.grads["factor"] += (dout * self.x).sum(axis=0)
            return dout * self.params["factor"]

    rng = np.random.default_rng(0)
    network = Network([Accumulating(3), Affine.random(3, 3, rng=rng, dtype="float64"), Scale(3)])
    report = gradient_check(network, MSELoss(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    assert report.passed, report


def test_rejects_a_brick_without_a_network():
    with pytest.raises(TypeError, match="gradient_check: network must be a Network"):
        gradient_check(Affine.random(2, 2, rng=0), MSELoss(), np.ones((1, 2)), np.ones((1, 2)))
