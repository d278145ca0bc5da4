"""Errors of LBFGS, and the state of the network after them."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from handnn import LBFGS, Affine, MSELoss, Network, Trainer
from tests.optimizers.test_lbfgs import after, assert_same_params, copied, rows, trainer
from tests.own_bricks import Counting, Scale


def test_rejects_smaller_batches_and_names_the_remedy():
    one = trainer()
    before, history = copied(one.network.params), one.history
    with pytest.raises(ValueError, match=r"all 40 rows at once.* is 39; write batch_size=len\(x\)"):
        one.fit(*rows(), epochs=3, batch_size=39)
    assert one.history is history
    assert_same_params(one.network.params, before)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rejects_a_loss_that_is_not_finite(wrong):
    x, y = rows()
    y[7] = wrong
    one = trainer()
    before = copied(one.network.params)
    with pytest.raises(ValueError, match="LBFGS: the loss is (nan|inf) at the start"):
        one.fit(x, y, epochs=5, batch_size=40)
    assert len(one.history) == 0
    assert_same_params(one.network.params, before)


def test_an_overflow_leaves_the_last_complete_iteration():
    class Overflowing(MSELoss):
        calls = 0

        def forward(self, *arguments):
            self.calls += 1
            return super().forward(*arguments) if self.calls < 12 else np.inf

    one = trainer()
    one.loss = Overflowing()
    with pytest.raises(ValueError, match="in the line search the loss is inf"):
        one.fit(*rows(), epochs=50, batch_size=40)
    assert len(one.history) > 3
    assert_same_params(one.network.params, after(len(one.history)))


def test_rejects_a_gradient_that_is_not_finite():
    class Steep(MSELoss):
        def backward(self, dout=1.0):
            return super().backward(dout) * np.nan

    one = trainer()
    one.loss = Steep()
    with pytest.raises(ValueError, match="or its gradient is not finite"):
        one.fit(*rows(), epochs=5, batch_size=40)


def test_rejects_missing_and_misshapen_gradients():
    class Forgetful(Scale):
        def backward(self, dout):
            return dout

    class Wide(Scale):
        def backward(self, dout):
            super().backward(dout)
            self.grads["factor"] = self.grads["factor"][:1]
            return dout

    last = Affine.random(3, 1, rng=0, dtype="float64")
    for brick, kind, message in (
        (Forgetful(3), RuntimeError, "no gradient for 0.factor"),
        (Wide(3), ValueError, r"gradient of 0.factor must have shape \(3,\), but has \(1,\)"),
    ):
        with pytest.raises(kind, match=message):
            Trainer(Network([brick, last]), MSELoss(), LBFGS()).fit(*rows(), 2, 40)


def test_rejects_a_network_without_params():
    with pytest.raises(ValueError, match="has no params"):
        Trainer(Network([Counting()]), MSELoss(), LBFGS()).fit([[1.0]], [[2.0]], 2, 1)


def test_step_raises():
    one = trainer()
    before = copied(one.network.params)
    with pytest.raises(RuntimeError, match=r"no single steps; write Trainer\(...\).fit"):
        one.train_step(*rows())
    assert_same_params(one.network.params, before)


def test_rejects_the_compiled_engine():
    with pytest.raises(ValueError, match="engine='compiled' is not possible here.*LBFGS"):
        trainer(engine="compiled")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"history": 0}, ValueError),
        ({"history": 2.5}, TypeError),
        ({"tol_gradient": -1e-9}, ValueError),
        ({"tol_loss": np.nan}, ValueError),
        ({"tol_loss": "small"}, TypeError),
        ({"weight_decay": np.inf}, ValueError),
        ({"decay_all": 1}, TypeError),
    ],
    ids=str,
)
def test_rejects_invalid_settings(settings, kind):
    ((name, value),) = settings.items()
    with pytest.raises(kind, match=f"LBFGS: {name}"):
        LBFGS(**settings)
    one = trainer()
    setattr(one.optimizer, name, value)
    before = copied(one.network.params)
    with pytest.raises(kind, match=f"LBFGS: {name}"):
        one.fit(*rows(), epochs=2, batch_size=40)
    assert_same_params(one.network.params, before)


def test_without_scipy_names_the_package_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "scipy":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    one = trainer()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install scipy") as error:
        one.fit(*rows(), epochs=2, batch_size=40)
    assert "\n" not in str(error.value)


def test_repr_is_the_constructor_call():
    shown = "LBFGS(history=10, tol_gradient=1e-07, tol_loss=1e-09, weight_decay=0.0)"
    assert repr(LBFGS()) == shown
    assert repr(eval(repr(LBFGS(decay_all=True)))) == repr(LBFGS(decay_all=True))
