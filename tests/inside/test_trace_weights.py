"""sample_weight of trace and layer_statistics has the same effect as in training."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handnn import Adam, Huber, MSELoss, Trainer, layer_statistics, mlp, trace
from tests import every_brick
from tests.bounds import assert_same_bits

X, Y = np.ones((4, 2)), np.ones((4, 1))


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (None, np.ones(4), "sample_weight needs y"),
        (Y, np.ones(3), "x has 4 rows but sample_weight has 3"),
        (Y, -np.ones(4), "sample_weight must be"),
        (Y, np.ones((4, 1)), "sample_weight must be"),
    ],
)
def test_rejects_invalid_weights(y, weight, message):
    for where, function in (("trace", trace), ("layer_statistics", layer_statistics)):
        with pytest.raises(ValueError, match=f"^{where}: {message}"):
            function(mlp([2, 1], rng=0), X, y, sample_weight=weight)


@pytest.mark.parametrize("loss", [MSELoss(), Huber(0.5)], ids=repr)
def test_sample_weight_has_the_effect_of_train_step(loss):
    network = every_brick.network("BatchNorm")
    x, y = every_brick.rows("BatchNorm")
    weight = np.linspace(0, 3, len(x))
    found = trace(network, x, y, loss, Adam(0.01), sample_weight=weight)
    statistics = layer_statistics(network, x, y, loss, sample_weight=weight)
    copied = copy.deepcopy(network)
    value = Trainer(copied, loss, Adam(0.01), engine="bricks").train_step(x, y, weight)
    assert found.loss.value == value != trace(network, x, y, loss).loss.value
    for param, update in found.updates.items():
        assert_same_bits(update.after, copied.params[param])
        norm = np.linalg.norm(copied.grads[param].astype(float))
        assert statistics.params[param].gradient_norm == pytest.approx(norm)
    assert_same_bits(found.loss.sample_weight, weight.astype(network.dtype))
    for shown in (str(found), found.to_html()):
        assert "sample_weight (" in shown.replace("</strong> <span>", " ")
        assert shown.count(", each row times its sample_weight") == 2
    for shown in (str(trace(network, x, y)), trace(network, x, y).to_html()):
        assert "sample_weight" not in shown
