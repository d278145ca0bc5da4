"""TableModel: predictions for tables, averages, and its file."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import handnn
from handnn import Adam, Affine, Columns, Network, TableModel, Target, Trainer, mlp
from tests.own_bricks import Halve


def test_one_network_predicts_in_the_units_of_y(model, table):
    one = TableModel(model.networks[0], model.columns, model.target)
    pre = model.networks[0].predict(model.columns.transform(table))
    expected = (model.target.scale * pre + model.target.mean)[:, 0]
    assert one.dtype == np.float32
    assert np.array_equal(one.predict(table), expected) and one.predict(table).shape == (4,)


def test_averages_values_of_several_networks(model, table):
    answers = [
        TableModel(network, model.columns, model.target).predict(table).astype(np.float64)
        for network in model.networks
    ]
    np.testing.assert_allclose(model.predict(table), np.mean(answers, axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.spread(table), np.std(answers, axis=0), rtol=1e-5)
    assert model.predict(table).dtype == model.spread(table).dtype == np.float64


@pytest.mark.parametrize("count", [2, 8, 9, 40])
def test_a_single_row_gets_the_same_bits(count):
    """The order of addition is fixed, for any number of networks."""
    columns, target = Columns.learn({"x": [1.0, 2.0]}), Target.learn([0.3, 10.7, 99.1])
    networks = [mlp([1, 5, 1], "tanh", rng=seed, dtype="float64") for seed in range(count)]
    model = TableModel(networks, columns, target)
    x = np.linspace(-3, 3, 50)
    alone = [model.predict({"x": [value]})[0] for value in x]
    assert np.array_equal(model.predict({"x": x}), alone)


def bias(*values):
    """Return a network of one input that always gives these values."""
    return Network([Affine(np.zeros((1, len(values))), np.array(values))])


def test_averages_probabilities_of_several_networks():
    """Two networks weakly favor b, one strongly favors a; the mean favors a."""
    columns, target = Columns.learn({"x": [1.0, 2.0]}), Target.learn(["a", "b"])
    networks = [bias(-np.log(99.0)), bias(np.log(1.5)), bias(np.log(1.5))]
    model = TableModel(networks, columns, target)
    expected = [(0.99 + 0.4 + 0.4) / 3, (0.01 + 0.6 + 0.6) / 3]
    np.testing.assert_allclose(model.predict_proba({"x": [7.0]}), [expected], rtol=1e-12)
    assert model.predict({"x": [7.0]}).tolist() == ["a"]
    deviation = np.std([0.99, 0.4, 0.4])
    np.testing.assert_allclose(model.spread({"x": [7.0]}), [[deviation] * 2], rtol=1e-12)


def test_multilabel_and_several_outputs():
    columns = Columns.learn({"x": [1.0, 2.0]})
    multilabel = TableModel(bias(1.0, -1.0), columns, Target.learn([[0, 1], [1, 0]]))
    assert multilabel.predict({"x": [1, 2, 3]}).tolist() == [[1, 0]] * 3
    assert multilabel.predict_proba({"x": [1]}).shape == (1, 2)
    outputs = TableModel(bias(1.0, -1.0), columns, Target.learn([[10.0, 1], [20.0, 3]]))
    assert outputs.predict({"x": [1]}).tolist() == [[20, 1]]


def test_settles_unseen_labels(model, table):
    for network in model.networks:
        w = network.layers[0].w
        np.testing.assert_allclose(w[3], (w[0] + 2 * w[1]) / 3, rtol=1e-6)


def test_learns_a_table_with_gaps_and_text():
    rng = np.random.default_rng(0)
    size, town = rng.normal(50, 20, 600), rng.choice(["Ulm", "Bonn", "Kiel"], 600)
    price = 3 * size + np.select([town == "Ulm", town == "Bonn"], [100, 50], 0)
    size[::9] = np.nan
    table = {"size": size, "town": town}
    columns, target = Columns.learn(table), Target.learn(price)
    network = Network([*columns.first_layers(rng), *mlp([columns.n_after, 16, 1], rng=rng).layers])
    Trainer(network, target.loss(), Adam(0.01), rng=rng).fit(
        columns.transform(table), target.encode(price), epochs=60, batch_size=32
    )
    model = TableModel(network, columns, target)
    there = ~np.isnan(size)
    error = model.predict(table)[there] - price[there]
    assert np.sqrt(np.mean(error**2)) < 0.05 * price.std()
    known = model.predict({"size": [50.0] * 4, "town": ["Ulm", "Bonn", "Kiel", "Berlin"]})
    np.testing.assert_allclose(known[:3], [250, 200, 150], atol=8)
    assert 150 < known[3] < 250, "an unseen town is like the average one"


def test_rejects_parts_that_do_not_fit(model):
    columns, target, network = model.columns, model.target, model.networks[0]
    with pytest.raises(ValueError, match="at least one network"):
        TableModel([], columns, target)
    with pytest.raises(TypeError, match="network 1 must be a Network, but is a str"):
        TableModel([network, "x"], columns, target)
    with pytest.raises(TypeError, match="columns must be a Columns"):
        TableModel(network, None, target)
    with pytest.raises(TypeError, match="target must be a Target"):
        TableModel(network, columns, columns)
    with pytest.raises(TypeError, match="network 0 is float32 but network 1 is float64"):
        TableModel([network, network.astype("float64")], columns, target)
    with pytest.raises(ValueError, match="network 0 expects 2 columns, but the columns have 5"):
        TableModel(mlp([2, 1], rng=0), columns, target)
    with pytest.raises(ValueError, match="network 0 returns 1 columns, but the target has 3"):
        TableModel(network, columns, Target.learn(["a", "b", "c"]))
    with pytest.raises(ValueError, match="must begin with an Embedding"):
        TableModel(mlp([5, 1], rng=0), columns, target)
    with pytest.raises(ValueError, match="a regression has no probabilities"):
        model.predict_proba({})
    with pytest.raises(ValueError, match="two networks or more"):
        TableModel(network, columns, target).spread({})


def test_summary_describes_all_parts(model, classifier):
    text = model.summary()
    for words in ("town", "2 networks, averaged", "Embedding 4→3", "regression", "parameters"):
        assert words in text
    assert "high, low, mid" in classifier.summary() and "TableModel(" in repr(classifier)


def test_html_escapes_names_and_labels():
    columns = Columns.learn({"<b>": ["<i>", "&", None], "n": [1.0, 2.0, 4.0]})
    network = Network([*columns.first_layers(0), *mlp([columns.n_after, 2], rng=0).layers])
    model = TableModel(network, columns, Target.learn([[1.0, 2.0]] * 3))
    html = model._repr_html_()
    assert "<b>" not in html and "<i>" not in html
    for words in ("&lt;b&gt;", "&lt;i&gt;", "&amp;", "category", "yes", "regression", "parameters"):
        assert words in html
    assert html.startswith("<div") and html.count("<tr>") == 3


@pytest.mark.parametrize("kind", ["model", "classifier"])
def test_save_and_load_keep_every_bit(kind, request, table, tmp_path):
    model = request.getfixturevalue(kind)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = TableModel.load(str(path))
    assert np.array_equal(loaded.predict(table), model.predict(table))
    assert loaded.predict(table).dtype == model.predict(table).dtype
    assert loaded.summary() == model.summary() and repr(loaded) == repr(model)
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_another_process_predicts_the_same_from_the_file(model, table, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    script = (
        "import sys; from handnn import TableModel; "
        "print(TableModel.load(sys.argv[1]).predict({'age': [1, 2, 3, 6], "
        "'rooms': [4, None, 2, 2], 'town': ['Ulm', 'Bonn', None, 'Ulm'], "
        "'garden': [True, False, True, True]}).tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == str(model.predict(table).tolist())


def test_keeps_text_of_any_alphabet(tmp_path):
    labels = ["Ärger", "名", "\ud800", 'a"b\\c\nd', ""]
    columns = Columns.learn({"名": labels[:4]}, categories="one-hot")
    model = TableModel(mlp([4, 2], rng=0), columns, Target.learn([[1.0, 2.0]] * 2))
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = TableModel.load(path).columns
    assert again.feature_names_in == ("名",) and again.columns[0].labels == tuple(
        sorted(labels[:4])
    )


def test_rejects_saving_bricks_of_a_user(tmp_path):
    columns, target = Columns.learn({"x": [1.0, 2.0]}), Target.learn([1.0, 2.0])
    model = TableModel(Network([Halve(), Affine.random(1, 1, rng=0)]), columns, target)
    with pytest.raises(TypeError, match=r"TableModel.save: network 0: layer 0 \(Halve\)"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    model.save(path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("on purpose")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="on purpose"):
        model.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_errors_name_the_function_that_reads_a_file(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(handnn.FormatError, match=r"read by handnn\.TableModel\.load"):
        handnn.load(path)
    model.networks[0].save(path)
    with pytest.raises(handnn.FormatError, match=r"read by handnn\.load"):
        TableModel.load(path)
    with pytest.raises(FileNotFoundError):
        TableModel.load(tmp_path / "none")
