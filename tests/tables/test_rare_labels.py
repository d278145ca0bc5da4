"""Labels of few rows share a row of their Embedding where they tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Columns
from handnn.losses import MSELoss, SoftmaxCrossEntropy
from handnn.optimizers import SGD
from handnn.tables.fitting import fit_table
from handnn.tables.networks import build_network
from handnn.tables.rare_labels import RareLabels
from handnn.tables.recipe import default_recipe
from handnn.training.trainer import Trainer


def table_of(effect, n_rows=300, seed=0):
    """Return a table of two rows for each of many labels, one frequent label, and its target."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_rows) // 2
    codes[: n_rows // 3] = 999
    x = rng.normal(size=n_rows)
    y = x + rng.normal(size=n_rows) + effect * rng.normal(size=1000)[codes]
    return {"x": x, "label": [f"l{code}" for code in codes]}, y


def rare_of(effect, loss, y=None):
    """Return the columns, their x, and the rare labels of a table."""
    table, values = table_of(effect)
    columns = Columns.learn(table, scale="quantile")
    x = columns.transform(table)
    n_out = 1 if isinstance(loss, MSELoss) else 3
    target = values[:, None] if y is None else y(values)
    network = build_network(default_recipe(300), columns, n_out, np.random.default_rng(0))
    return columns, x, RareLabels.learn(columns, x, target, Trainer(network, loss, SGD(0.1)))


@pytest.mark.parametrize("effect", [0, 3])
@pytest.mark.parametrize("is_classes", [False, True])
def test_labels_without_effect_share_a_code(effect, is_classes):
    loss = SoftmaxCrossEntropy() if is_classes else MSELoss()
    classes = lambda y: np.digitize(y, np.quantile(y, [0.3, 0.6]))[:, None].astype(float)  # noqa: E731
    _, x, rare = rare_of(effect, loss, classes if is_classes else None)
    if effect:
        assert rare.shared == [] and rare.transform(x) is x
        return
    place, codes = rare.shared[0]
    pooled = rare.transform(x)
    assert place == x.shape[1] - 1 and len(codes) == 100  # all but the frequent label
    assert set(np.unique(pooled[:, place]).tolist()) == {codes[0], x[:, place].max()}
    assert np.array_equal(pooled[:, :place], x[:, :place])


def test_settled_networks_predict_the_same():
    columns, x, rare = rare_of(0, MSELoss())
    network = build_network(default_recipe(300), columns, 1, np.random.default_rng(1))
    assert not np.array_equal(network.predict(x), network.predict(rare.transform(x)))
    expected = network.predict(rare.transform(x))
    rare.settle([network])
    assert np.array_equal(network.predict(x), expected)


def test_tables_without_rare_labels_are_unchanged():
    table = {"x": np.arange(100.0), "label": list("ab") * 50}
    columns = Columns.learn(table)
    x = columns.transform(table)
    network = build_network(default_recipe(100), columns, 1, np.random.default_rng(0))
    trainer = Trainer(network, MSELoss(), SGD(0.1))
    assert RareLabels.learn(columns, x, np.arange(100.0), trainer).shared == []


def test_a_bag_does_not_memorize_them():
    table, y = table_of(0)
    recipe = default_recipe(300, 2, "fast")
    model = fit_table(table, y, recipe, rng=0).model
    new, target = table_of(0, seed=1)
    assert np.sqrt(np.mean((model.predict(new) - target) ** 2)) < 1.06
