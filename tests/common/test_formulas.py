"""Bricks, losses and optimizers have formulas, which their docstrings contain."""

from __future__ import annotations

import numpy as np
import pytest

from handnn.layers import BRICKS, Residual
from handnn.losses import LOSSES
from handnn.optimizers import OPTIMIZERS
from tests import every_brick
from tests.losses.losses import LOSSES as EXAMPLES_OF_LOSSES

OURS = [name for name in every_brick.MIDDLES if "own" not in name]


def brick(name):
    layers = every_brick.network(name).layers
    return layers[0] if name == "Embedding" else layers[1 if len(layers) == 3 else 0]


def in_one_line(text):
    return " ".join((text or "").split())


def test_every_brick_and_every_loss_is_listed():
    assert {type(brick(name)) for name in OURS} == set(BRICKS.values())
    assert {type(a.build()) for a in EXAMPLES_OF_LOSSES.values()} == set(LOSSES)


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize("name", OURS)
def test_bricks_have_formulas_of_output_and_gradients(name, training):
    layer = brick(name)
    layer.training = training
    forward, backward, *of_params = layer.formulas
    assert forward.startswith("out = ") and backward.startswith("dx = ")
    params = () if isinstance(layer, Residual) else layer.params
    assert [formula.partition(" = ")[0].partition("[")[0] for formula in of_params] == [
        f"d{param}" for param in params
    ]
    assert all(formula.partition(" = ")[2] for formula in layer.formulas)


@pytest.mark.parametrize("name", OURS)
def test_docstrings_contain_the_formula_of_the_output(name):
    layer = brick(name)
    documented = in_one_line(type(layer).__doc__)
    for part in layer.formulas[0].removeprefix("out = ").split(", "):
        assert part in documented


@pytest.mark.parametrize("name", EXAMPLES_OF_LOSSES)
def test_losses_have_formulas_of_value_and_gradient(name):
    value, gradient = EXAMPLES_OF_LOSSES[name].build().formulas
    assert value.startswith("loss = ") and gradient.startswith("dx = ")


def test_the_articles_gradient_has_a_separate_formula():
    exact, article = (
        EXAMPLES_OF_LOSSES[f"MSELoss(gradient='{which}')"].build() for which in ("exact", "article")
    )
    pre, y = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    for loss, slope in ((exact, 2.0), (article, 2.0)):
        loss.forward(pre, y)
        assert loss.backward()[0, 0] == slope  # 2·2/2 and 2
    assert exact.formulas[1] == "dx = 2 (pre - y_true) / (N·O)"
    assert article.formulas[1] == "dx = pre - y_true"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_docstrings_contain_the_formulas_of_optimizers(optimizer):
    documented = in_one_line("".join(a.__doc__ or "" for a in optimizer.__mro__))
    assert optimizer.formulas[-1].startswith("param = param - ")
    for line in optimizer.formulas:
        assert line in documented
