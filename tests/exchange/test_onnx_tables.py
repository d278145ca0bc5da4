"""to_onnx of table models: gaps, text and unseen labels enter untransformed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import handnn
from handnn import Columns, Network, TableModel, Target
from handnn.exchange.onnx.table import table_to_onnx
from tests.exchange.table_models import CASES, KINDS_OF_TEXT, NAMES, answers, mixed, of_case
from tests.exchange.test_onnx import shape
from tests.own_bricks import Halve

onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing to export to")
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def reference(model, feed):
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):  # it computes with NumPy, which warns of overflow
        return ReferenceEvaluator(model).run(None, feed)[0]


def runtime(model, feed):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], feed)[0]


EVALUATORS = {"reference": reference, "runtime": runtime}


@pytest.fixture(params=EVALUATORS)
def evaluate(request):
    return EVALUATORS[request.param]


def feed_of(rows):
    """Return the inputs for a table: numbers with NaN, and text with ""."""
    is_open = [np.nan if o is None else float(o) for o in rows["open"]]
    numbers = [np.asarray(rows[name], float) for name in NAMES[:4]]
    text = np.array([[text or ""] for text in rows[NAMES[4]]], object)
    return {"x": np.column_stack([*numbers, rows["zip"], is_open]), "text": text}


@both_dtypes
@pytest.mark.parametrize("name", CASES)
def test_predicts_like_the_table_model(name, dtype, evaluate):
    model, rows = of_case(name, dtype), mixed()
    exported = handnn.to_onnx(model)
    onnx.checker.check_model(exported, full_check=True)
    expected = answers(model, rows)
    out = evaluate(exported, feed_of(rows))
    assert out.dtype == expected.dtype and out.shape == expected.shape
    assert (
        abs(out - expected).max()
        <= {"float32": 3e-6, "float64": 1e-13}[dtype] * abs(expected).max()
    )


def test_small_probabilities_keep_their_digits(evaluate):
    columns = Columns.learn({"a": [0.0, 1.0]}, scale=False)
    network = Network([handnn.Affine(np.ones((1, 1)), np.zeros(1))])
    model = TableModel(network, columns, Target.learn(["no", "yes"]))
    x = np.array([[40.0], [-40.0], [0.0]])
    out = evaluate(handnn.to_onnx(model), {"x": x})
    np.testing.assert_allclose(out, model.predict_proba(x), rtol=1e-14)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_accepts_any_number_of_rows(count, evaluate):
    model, rows = of_case("all", "float64"), mixed()
    feed = {key: array[:count] for key, array in feed_of(rows).items()}
    np.testing.assert_allclose(
        evaluate(handnn.to_onnx(model), feed), answers(model, rows)[:count], rtol=1e-12
    )


def test_metadata_names_the_columns(tmp_path):
    model = of_case("multiclass", "float32")
    exported = handnn.to_onnx(model, tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx") == exported
    told = {entry.key: json.loads(entry.value) for entry in exported.metadata_props}
    assert told["numbers"] == NAMES[:4]
    assert told["categories"] == {
        NAMES[4]: sorted(KINDS_OF_TEXT), "zip": [0.5, 10115, 53111], "open": [False, True]
    }  # fmt: skip
    assert told["outputs"] == ["p(a)", "p(b)", "p(c)"]
    ends = {value.name: shape(value) for value in [*exported.graph.input, *exported.graph.output]}
    assert ends == {"x": ["N", 6], "text": ["N", 1], "y": ["N", 3]}
    assert (exported.doc_string, exported.producer_version) == (repr(model), handnn.__version__)


def of_columns(table, **settings):
    columns = Columns.learn(table, **settings)
    layers = [*columns.first_layers(0), handnn.Affine.random(columns.n_after, 1, rng=0)]
    return TableModel(Network(layers), columns, Target.learn([0.5, 1.5]))


def test_has_only_inputs_with_columns(evaluate):
    text = of_columns({"a": ["x", "y\0z"], "b": ["p", "q"]})
    exported = handnn.to_onnx(text)
    assert [value.name for value in exported.graph.input] == ["text"]
    rows = {"a": ["y\0z", "y", None], "b": ["q", "new", "p"]}
    feed = np.array([["y\0z", "q"], ["y", "new"], ["", "p"]], object)
    out = evaluate(exported, {"text": feed})[:, 0]
    np.testing.assert_allclose(out, text.predict(rows), rtol=1e-6)
    numbers = handnn.to_onnx(of_columns({"a": [1.0, 2.0]}))
    assert [value.name for value in numbers.graph.input] == ["x"]
    assert [entry.domain for entry in numbers.opset_import] == [""]


def test_texts_that_stand_for_gaps(evaluate):
    model = of_columns({"a": ["x", "NA"]})  # a label here
    exported = table_to_onnx(model, gaps=["NA", "-"])
    out = evaluate(exported, {"text": np.array([["NA"], ["-"], ["?"], [""]], object)})[:, 0]
    expected = model.predict({"a": ["NA", None, "?", None]})
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_rejects_models_that_cannot_be_exported(tmp_path, monkeypatch):
    model = of_columns({"a": [1.0, 2.0]})
    with monkeypatch.context() as patched:
        patched.setattr("handnn.exchange.onnx.graph.MAX_BYTES", 7)
        with pytest.raises(ValueError, match="^to_onnx: the params have 8 bytes, more than 7"):
            handnn.to_onnx(model, tmp_path / "model.onnx")
    model.networks[0].layers.append(Halve())
    with pytest.raises(TypeError, match=r"^to_onnx: layer 1 \(Halve\) cannot be exported to ONNX;"):
        handnn.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
