"""to_torch of a TableModel: preprocessing, networks and target in one module."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from tests.exchange.table_models import CASES, answers, c_rows, mixed, of_case

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_predictions_equal_those_of_predict(name, dtype):
    model, rows = of_case(name, dtype), mixed()
    module = handnn.to_torch(model)
    expected = answers(model, rows)
    with torch.no_grad():
        found = module(torch.tensor(c_rows(of_case(name, "float64"), rows))).numpy()
    rounding = 2e-5 if dtype == "float32" else 1e-11
    assert np.allclose(found, expected, rtol=rounding, atol=rounding * abs(expected).max())
    assert found.shape[1] == len(module.outputs)


def test_dates_have_their_cycles():
    days = np.arange(19_000, 19_800, 7).astype("M8[D]")
    columns = handnn.Columns.learn({"day": days})
    network = handnn.mlp([columns.n_in, 4, 1], rng=0, dtype="float64")
    model = handnn.TableModel(network, columns, handnn.Target.learn(np.arange(len(days)) * 1.0))
    x = torch.tensor(days.astype(float)[:, None])
    with torch.no_grad():
        found = handnn.to_torch(model)(x).numpy()[:, 0]
    assert np.allclose(found, model.predict({"day": days}), rtol=1e-9)


def test_constants_are_buffers_and_networks_are_trainable():
    module = handnn.to_torch(of_case("quantile", "float32"))
    assert any("step_" in name for name, _ in module.named_buffers())
    assert all(p.requires_grad for p in module.parameters())
    assert len(module.networks) == 2
