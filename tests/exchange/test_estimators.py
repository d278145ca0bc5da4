"""Fitted estimators in ONNX and C, with their preprocessing."""

from __future__ import annotations

import numpy as np
import pytest

import handnn

pytest.importorskip("sklearn")

from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.exchange.c_programs import BUILDS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) * [1, 10, 0.1] + [0, 5, 1]
Y = X[:, 0] * 2 + X[:, 1]
TOWNS = RNG.choice(["Ulm", "Bonn"], 120)

CASES = {
    "regression": (MLPRegressor(), X, Y),
    "two outputs": (MLPRegressor(scale=True), X, np.column_stack([Y, -Y])),
    "unscaled": (MLPRegressor(scale=False, early_stopping=False), X, Y),
    "two classes": (MLPClassifier(), X, Y.mean() < Y),
    "classes": (MLPClassifier(scale="quantile"), X, np.digitize(Y, [0, 10]).astype(str)),
    "several yes or no": (MLPClassifier(), X, np.column_stack([Y > 0, Y > 5]).astype(int)),
    "a table": (MLPRegressor(), {"a": X[:, 0], "town": TOWNS}, Y + (TOWNS == "Ulm")),
}


def fitted(name):
    pandas = pytest.importorskip("pandas")
    model, x, y = CASES[name]
    x = pandas.DataFrame(x) if isinstance(x, dict) else x
    model.set_params(max_iter=20, random_state=0, hidden_layer_sizes=(8,)).fit(x, y)
    answers = model.predict(x) if isinstance(model, MLPRegressor) else model.predict_proba(x)
    return model, x, answers.reshape(len(y), -1)


@pytest.mark.parametrize("name", CASES)
def test_table_model_and_onnx(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x, expected = fitted(name)
    table = model.table_model()
    is_regression = isinstance(model, MLPRegressor)
    found = table.predict(x) if is_regression else table.predict_proba(x)
    assert np.allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)
    if not is_regression:
        assert np.array_equal(table.predict(x), model.predict(x))
    session = onnxruntime.InferenceSession(handnn.to_onnx(model).SerializeToString())
    feed = {"x": np.asarray(x[["a"]] if name == "a table" else x, float)}
    if name == "a table":
        feed["text"] = x[["town"]].to_numpy(object)
    (y,) = session.run(None, feed)
    assert np.allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_c(tmp_path):
    model, x, expected = fitted("classes")
    text = handnn.to_c(model, tmp_path / "model.h")
    assert text == handnn.to_c(model.table_model())
    build = BUILDS["gcc"]
    build.compile(tmp_path / "model.h", tmp_path / "main", "-DMODEL_MAIN")
    assert b"model: 3 -> 3" in build.run(tmp_path / "main").stdout
    assert expected.shape == (len(x), 3)


def test_losses_without_values_are_rejected():
    model = MLPRegressor(loss="poisson", max_iter=2).fit(X, abs(Y))
    with pytest.raises(ValueError, match="cannot be exported: its outputs are not the values"):
        handnn.to_onnx(model)
