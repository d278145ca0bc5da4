"""Checks of every kind of column in COLUMN_KINDS."""

from __future__ import annotations

import json

import numpy as np
import pytest

import handnn
from handnn import Columns, Network, TableModel, Target, mlp
from handnn.tables.columns import COLUMN_KINDS, VALUE_COLUMNS
from handnn.tables.steps import AddBins, AddCycles, OrdinalEncode
from tests.bounds import assert_same_bits
from tests.exchange.c_programs import BUILDS, compile_all, needs_fma, predict
from tests.tables.test_steps import applied

RNG = np.random.default_rng(0)
CODES = RNG.integers(-3, 9, 80) * 1.5
TABLE = {"first": np.where(np.arange(80) % 7, CODES, np.nan), "second": CODES[::-1].copy()}
NEW = {"first": [1.5, np.nan, 100.0, -3.0], "second": [np.nan, 0.0, 12.0, -1e6]}

every_kind = pytest.mark.parametrize("kind", COLUMN_KINDS)
every_way = pytest.mark.parametrize(
    ("categories", "scale"),
    [("embedding", True), ("embedding", "quantile"), ("one-hot", True), ("one-hot", False)],
)


def learned(kind, categories="embedding", scale=True):
    """Return the columns of TABLE; with bins for the scale "quantile"."""
    kinds, n_bins = dict.fromkeys(TABLE, kind), 5 if scale == "quantile" else 0
    return Columns.learn(TABLE, kinds=kinds, categories=categories, scale=scale, n_bins=n_bins)


def model_of(columns):
    rest = mlp([columns.n_after, 4, 1], rng=0, dtype="float64").layers
    network = Network([*columns.first_layers(0, "float64"), *rest])
    return TableModel(network, columns, Target.learn(CODES + 0.25))


@every_kind
@every_way
def test_survives_json(kind, categories, scale):
    columns = learned(kind, categories, scale)
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    assert again.columns == columns.columns and again.summary() == columns.summary()
    assert_same_bits(again.transform(NEW), columns.transform(NEW))


@every_kind
@every_way
def test_inputs_are_finite_and_named(kind, categories, scale):
    columns = learned(kind, categories, scale)
    x = columns.transform(TABLE, "float64")
    assert x.shape == (80, columns.n_in) == (80, len(columns.names_out))
    assert np.isfinite(x).all() and np.isfinite(columns.transform(NEW)).all()
    assert [column.has_gaps for column in columns.columns] == [True, False]
    assert len(set(columns.names_out)) == len(columns.names_out)


@every_kind
@every_way
def test_a_row_alone_gets_the_same_bits(kind, categories, scale):
    columns = learned(kind, categories, scale)
    every = columns.transform(TABLE, "float64")
    for row in range(0, 80, 9):
        alone = {name: values[row : row + 1] for name, values in TABLE.items()}
        assert_same_bits(columns.transform(alone, "float64")[0], every[row])


@every_kind
@pytest.mark.parametrize("scale", [True, "quantile"])
def test_steps_in_numpy_equal_transform(kind, scale):
    columns = learned(kind, scale=scale)
    x = columns.transform(NEW, "float64")
    assert columns.names_out[:2] == ["first", "second"]
    for (name, values), column in zip(NEW.items(), columns.columns, strict=True):
        more = [x[:, k] for k, n in enumerate(columns.names_out) if n.startswith(f"{name} ")]
        for step in column.steps(one_hot=False):
            if isinstance(step, AddCycles):
                angles = [2 * np.pi * values / period for period in step.periods]
                found = [part(angle) for angle in angles for part in (np.sin, np.cos)]
                np.testing.assert_allclose(more[-len(found) :], found, atol=1e-9)
            if isinstance(step, AddBins):
                edges = zip(step.edges[:-1], step.edges[1:], strict=True)
                found = [np.interp(values, pair, [-0.5, 0.5]) for pair in edges]
                np.testing.assert_allclose(more[-len(found) :], found, atol=1e-12)
            if isinstance(step, OrdinalEncode):
                values = [None if value != value else value for value in values]
            values = applied(step, values)
        assert_same_bits(np.asarray(values), x[:, columns.names_out.index(name)].copy())


@every_kind
@pytest.mark.parametrize("scale", [True, "quantile"])
def test_a_constant_column_survives_json(kind, scale):
    table = {"a": [7.0] * 30}
    columns = Columns.learn(table, kinds={"a": kind}, scale=scale, n_bins=4)
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    assert np.ptp(columns.transform(table)) == 0
    assert_same_bits(again.transform(table), columns.transform(table))


@every_kind
def test_rejects_a_description_with_an_unknown_entry(kind):
    entry = learned(kind).to_dict()
    entry["columns"][0]["more"] = 1
    with pytest.raises(handnn.FormatError, match="entry 'more'"):
        Columns.from_dict(entry)


@pytest.mark.parametrize("kind", VALUE_COLUMNS)
def test_rejects_text_and_infinities(kind):
    columns = learned(kind)
    messages = ("is not a number", "is not finite") if kind == "number" else ("is not a date",) * 2
    for bad, message in zip(("x", np.inf), messages, strict=True):
        with pytest.raises(ValueError, match=f"column 'second', row 0: .*{message}"):
            columns.transform({"first": [1.0], "second": [bad]})
    with pytest.raises(ValueError, match="column 'a' has no value in any row"):
        Columns.learn({"a": [None, None]}, kinds={"a": kind})


@every_kind
@every_way
def test_onnx_model_predicts_like_the_model(kind, categories, scale):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = model_of(learned(kind, categories, scale))
    session = onnxruntime.InferenceSession(
        handnn.to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (answers,) = session.run(["y"], {"x": np.column_stack(list(NEW.values()))})
    np.testing.assert_allclose(answers[:, 0], model.predict(NEW), rtol=1e-12)


@needs_fma
@every_kind
def test_c_program_predicts_like_the_model(kind, tmp_path):
    models = [model_of(learned(kind, *way)) for way in (("embedding", "quantile"), ("one-hot",))]
    headers = {f"table_{k}": handnn.to_c(m, name=f"table_{k}") for k, m in enumerate(models)}
    program = compile_all(BUILDS["gcc"], headers, "double", tmp_path)
    x = np.column_stack(list(NEW.values()))
    for place, model in enumerate(models):
        answers = predict(BUILDS["gcc"], program, place, x, 1)
        np.testing.assert_allclose(answers[:, 0], model.predict(NEW), rtol=1e-12)
