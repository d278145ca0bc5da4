"""to_onnx: the reference evaluator and ONNX Runtime predict what the network predicts."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import Affine, Dropout, Embedding, LayerNorm, Network, ReLU, Residual, Sigmoid, mlp
from tests.bounds import assert_same_bits
from tests.exchange import networks
from tests.exchange.networks import NAMES, allowed, error, network_of, rows_of

onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing to export to")
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

# Operators that an evaluator lacks in float64, or computes in float32.
ONLY_FLOAT32_ERF = "GELU"
REFERENCE_ERF = 1e-7


def reference(model, x):
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):  # it computes with NumPy, which warns of overflow
        return ReferenceEvaluator(model).run(None, {"x": x})[0]


def runtime(model, x):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"x": x})[0]


EVALUATORS = {"reference": reference, "runtime": runtime}


@pytest.fixture(params=EVALUATORS)
def evaluate(request):
    return EVALUATORS[request.param]


@both_dtypes
@pytest.mark.parametrize("name", NAMES)
def test_the_model_predicts_like_the_network(name, dtype, evaluate, record_property):
    if (name, dtype, evaluate) == (ONLY_FLOAT32_ERF, "float64", runtime):
        pytest.skip("ONNX Runtime has no Erf of float64")
    network = network_of(name, dtype)
    model = handnn.to_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    x = rows_of(300, dtype)
    out = evaluate(model, x)
    assert out.dtype == dtype
    found = error(out, network.predict(x))
    record_property("relative error", found)
    is_poor = (name, dtype) == (ONLY_FLOAT32_ERF, "float64")
    assert found <= (REFERENCE_ERF if is_poor else allowed(name, dtype))


ACTIVATIONS = {"ELU", "LeakyReLU", "ReLU", "Sigmoid", "SiLU", "Softplus", "Tanh"}  # not GELU's erf


@pytest.mark.parametrize("name", [n for n in NAMES if n.split(",")[0] in ACTIVATIONS])
def test_activations_have_small_relative_errors(name, evaluate):
    """This holds even near 0 and far from it, where the textbook formulas cancel."""
    network = network_of(name, "float32")
    x = np.concatenate([np.linspace(-80, 80, 900), np.geomspace(1e-6, 1, 450)])
    x = np.concatenate([x, -x[-450:]]).reshape(-1, networks.COLUMNS).astype(np.float32)
    out = evaluate(handnn.to_onnx(network), x)
    np.testing.assert_allclose(out, network.predict(x), rtol=1e-6, atol=1e-37)


@both_dtypes
@pytest.mark.parametrize("name", [n for n in NAMES if n.split(",")[0] in ACTIVATIONS])
def test_activations_of_special_numbers(name, dtype, evaluate):
    activation = networks.BRICKS[name](np.random.default_rng(0), dtype)
    network = Network([Affine(np.ones((1, 1), dtype), np.zeros(1, dtype)), activation])
    x = np.array([[np.nan], [np.inf], [-np.inf], [1e30], [-1e30], [0], [-0.0]], dtype)
    out = evaluate(handnn.to_onnx(network), x)
    np.testing.assert_allclose(out, network.predict(x), rtol=1e-6)


@pytest.mark.parametrize("name", ["BatchNorm", "LayerNorm"])
def test_norms_of_columns_far_from_0(name, evaluate):
    """The means are hundreds of deviations from 0, so a difference of means cancels."""
    network = network_of(name, "float32")
    norm = network.layers[1]
    x = rows_of(300, "float32", scale=1) + np.float32(700)
    if name == "BatchNorm":
        norm.running_mean[:] = x.mean(axis=0)
        norm.running_var[:] = x.var(axis=0)
    assert error(evaluate(handnn.to_onnx(network), x), network.predict(x)) <= 1e-6


@both_dtypes
@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_accepts_any_number_of_rows(rows, dtype, evaluate):
    network = networks.tabular(dtype)
    x = rows_of(rows, dtype)
    out = evaluate(handnn.to_onnx(network), x)
    assert error(out, network.predict(x)) <= allowed("tabular", dtype)


def shape(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_param or dim.dim_value for dim in dims]


@both_dtypes
def test_metadata_of_the_model(dtype):
    network = mlp([4, 7, 2], rng=0, dtype=dtype)
    model = handnn.to_onnx(network)
    (opset,) = model.opset_import
    assert (opset.domain, opset.version) == ("", 13) and model.ir_version == 7
    assert (model.producer_name, model.producer_version) == ("handnn", handnn.__version__)
    assert model.doc_string == repr(network)
    (x,), (y,) = model.graph.input, model.graph.output
    assert (x.name, shape(x), y.name, shape(y)) == ("x", ["N", 4], "y", ["N", 2])
    elements = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    assert {value.type.tensor_type.elem_type for value in (x, y)} == {elements}


def test_affine_is_one_gemm_with_pytorchs_weights():
    network = mlp([4, 7, 2], rng=0)
    graph = handnn.to_onnx(network).graph
    assert [node.op_type for node in graph.node] == ["Gemm", "Relu", "Gemm"]
    gemm = graph.node[0]
    assert [(a.name, onnx.helper.get_attribute_value(a)) for a in gemm.attribute] == [("transB", 1)]
    assert list(gemm.input) == ["x", "0.weight", "0.bias"]
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert set(arrays) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    for place in "02":
        assert_same_bits(arrays[f"{place}.weight"], network.params[f"{place}.w"].T.copy())
        assert_same_bits(arrays[f"{place}.bias"], network.params[f"{place}.b"])


def test_names_are_unique():
    graph = handnn.to_onnx(networks.tabular("float32")).graph
    given = [tensor.name for tensor in graph.initializer] + [n.output[0] for n in graph.node]
    assert len(set(given)) == len(given)
    assert len({node.name for node in graph.node}) == len(graph.node)
    assert {"4.0.weight", "4.4.0.weight", "2.running_mean"} <= set(given)


def test_dropout_drops_nothing(evaluate):
    network = Network([Dropout(0.9), Affine.random(9, 9, rng=0), Residual([Dropout(0.9)])])
    x = rows_of(40, "float32")
    assert network.layers[0].training
    assert error(evaluate(handnn.to_onnx(network), x), network.predict(x)) <= 1e-6
    alone = Network([Dropout(0.9)])
    x = x.astype("float64")
    assert_same_bits(evaluate(handnn.to_onnx(alone), x), x)


def test_an_unknown_number_of_columns(evaluate):
    network = Network([Sigmoid(), Residual([ReLU()])])
    model = handnn.to_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    assert shape(model.graph.input[0]) == ["N", "I"]
    for columns in (1, 5):
        x = np.random.default_rng(0).normal(size=(6, columns))
        assert error(evaluate(model, x), network.predict(x)) <= 1e-14


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("is_known", [True, False])
def test_codes_in_any_column(column, is_known, evaluate):
    """This holds even if the number of columns after the codes is unknown."""
    rng = np.random.default_rng(0)
    layers = [Embedding(rng.normal(size=(4, 2)), column)]
    if is_known:
        layers.append(LayerNorm(np.ones(4), np.zeros(4)))
    network = Network(layers)
    x = rng.normal(size=(20, 3))
    x[:, column] = rng.integers(0, 4, 20)
    assert error(evaluate(handnn.to_onnx(network), x), network.predict(x)) <= 1e-14


def test_a_row_of_codes_alone(evaluate):
    rng = np.random.default_rng(0)
    network = Network([Embedding.random(5, 3, rng=rng), Affine.random(3, 2, rng=rng)])
    x = np.arange(5, dtype=np.float32)[:, None]
    assert error(evaluate(handnn.to_onnx(network), x), network.predict(x)) <= 1e-6


def test_writes_the_model_atomically(tmp_path, monkeypatch):
    import os

    path = tmp_path / "network.onnx"
    model = handnn.to_onnx(mlp([3, 2], rng=0), path)
    assert path.read_bytes() == model.SerializeToString()
    assert onnx.load(path) == model
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("on purpose")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="on purpose"):
        handnn.to_onnx(mlp([5, 2], rng=1), str(path))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_model_is_a_copy():
    network = mlp([3, 2], rng=0)
    model = handnn.to_onnx(network)
    before = model.SerializeToString()
    for array in network.params.values():
        array[:] = 7
    assert model.SerializeToString() == before != handnn.to_onnx(network).SerializeToString()


def test_rejects_params_beyond_the_limit_of_protobuf(monkeypatch):
    monkeypatch.setattr("handnn.exchange.onnx.graph.MAX_BYTES", 100)
    with pytest.raises(ValueError, match="to_onnx: the params have 104 bytes, more than 100"):
        handnn.to_onnx(mlp([12, 2], rng=0))
    handnn.to_onnx(mlp([11, 2], rng=0))
