"""Labels of few rows share a row of their Embedding where they tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Columns, train_many
from handnn.losses import MSELoss, SoftmaxCrossEntropy
from handnn.optimizers import SGD
from handnn.tables import rare_labels
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


def rare_of(table, target, loss=None, n_out=1, **options):
    """Return the columns of a table, their x, and the rare labels."""
    columns = Columns.learn(table, scale="quantile", **options)
    x, rng = columns.transform(table), np.random.default_rng(0)
    network = build_network(default_recipe(len(x)), columns, n_out, rng)
    trainer = Trainer(network, loss or MSELoss(), SGD(0.1))
    return columns, x, RareLabels.learn(columns, x, target, trainer)


@pytest.mark.parametrize("effect", [0, 3])
@pytest.mark.parametrize("is_classes", [False, True])
def test_labels_without_effect_share_a_code(effect, is_classes):
    table, y = table_of(effect)
    if is_classes:
        y = np.digitize(y, np.quantile(y, [0.3, 0.6]))[:, None].astype(float)
        _, x, rare = rare_of(table, y, SoftmaxCrossEntropy(), 3)
    else:
        _, x, rare = rare_of(table, y)
    if effect:
        assert rare.shared == [] and rare.transform(x) is x
        return
    place, codes = rare.shared[0]
    pooled = rare.transform(x)
    assert place == x.shape[1] - 1 and len(codes) == 100  # all but the frequent label
    assert set(np.unique(pooled[:, place]).tolist()) == {codes[0], x[:, place].max()}
    assert np.array_equal(pooled[:, :place], x[:, :place])


def kinds_of_rare(n_pairs, n_alike):
    """Return which labels share a code, by their number of rows.

    Some pairs of rows with the same label have equal targets, the others opposite ones. Labels of
    one, five and six rows have targets near 0.
    """
    pair, rng = np.arange(n_pairs), np.random.default_rng(0)
    first = np.where(pair % 2, -1, 1) * (1 + pair / n_pairs)
    is_alike = pair * n_alike // n_pairs != (pair - 1) * n_alike // n_pairs
    labels = [f"two {k}" for k in pair] * 2 + [f"one {k}" for k in range(12)]
    table = {"label": [*labels, *["five"] * 5, *["six"] * 6]}
    y = np.concatenate([first, np.where(is_alike, first, -first), rng.uniform(-0.5, 0.5, 23)])
    columns, _, rare = rare_of(table, y)
    codes = [code for _, codes in rare.shared for code in codes]
    return sorted({columns.columns[0].labels[code].split()[0] for code in codes})


@pytest.mark.parametrize(
    ("n_pairs", "n_alike", "kinds"),
    [
        (32, 17, ["five", "one", "two"]),
        (32, 19, ["one", "two"]),
        (32, 20, ["one"]),
        (32, 22, ["one"]),
        (32, 23, []),
        (9, 5, ["five", "one", "two"]),
        (8, 8, ["one"]),  # with that of five rows, nine labels do not determine a correlation
        (0, 0, ["one"]),
    ],
)
def test_labels_of_few_rows_share_a_code_where_few_pairs_are_alike(n_pairs, n_alike, kinds):
    assert kinds_of_rare(n_pairs, n_alike) == kinds


def test_settled_networks_predict_the_same():
    columns, x, rare = rare_of(*table_of(0))
    network = build_network(default_recipe(300), columns, 1, np.random.default_rng(1))
    assert not np.array_equal(network.predict(x), network.predict(rare.transform(x)))
    expected = network.predict(rare.transform(x))
    rare.settle([network])
    assert np.array_equal(network.predict(x), expected)


def test_the_order_of_rows_with_equal_targets_does_not_matter():
    table = {"label": [f"l{k}" for k in np.arange(200) // 2]}
    y = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    assert [len(codes) for _, codes in rare_of(table, y)[2].shared] == [100]
    assert [len(codes) for _, codes in rare_of(table, np.zeros(200))[2].shared] == [100]


def test_what_numbers_explain_is_not_an_effect_of_labels():
    rng, label = np.random.default_rng(0), np.arange(200) // 2
    x = rng.normal(size=100)[label]
    table = {"x": x, "label": [f"l{k}" for k in label]}
    y = 5 * x + rng.normal(size=200)
    assert [len(codes) for _, codes in rare_of(table, y)[2].shared] == [100]


def test_classes_have_no_order():
    """Labels are of the middle class, or of both others."""
    table = {"label": [f"l{k}" for k in np.arange(160) // 2]}
    y = np.tile([1.0, 1, 1, 1, 1, 1, 0, 2], 20)
    assert len(rare_of(table, y)[2].shared[0][1]) == 80
    assert rare_of(table, y[:, None], SoftmaxCrossEntropy(), 3)[2].shared == []


def test_tables_without_rare_labels_are_unchanged(monkeypatch):
    table, y = table_of(0)
    assert rare_of({**table, "label": list("ab") * 150}, y)[2].shared == []
    few = [f"l{k % 20}" if k < 40 else "frequent" for k in range(300)]
    assert rare_of({**table, "label": few}, y, categories="one-hot")[2].shared == []
    assert len(rare_of({**table, "label": few}, y)[2].shared) == 1
    monkeypatch.setattr(rare_labels, "MAX_NUMBERS", 599)
    assert rare_of({**table, "label": few}, y)[2].shared == []


def test_a_bag_does_not_memorize_them():
    table, y = table_of(0)
    recipe, n_codes = default_recipe(300, 2, "fast"), set()

    def train(trainers, *, each, **arguments):
        n_codes.update(len(np.unique(one["x"][:, -1])) for one in each)
        return train_many(trainers, each=each, **arguments)

    model = fit_table(table, y, recipe, rng=0, train=train).model
    assert n_codes == {2}
    new, target = table_of(0, seed=1)
    assert np.sqrt(np.mean((model.predict(new) - target) ** 2)) < 1.06
