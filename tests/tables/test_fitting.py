"""fit_table: the pipeline from a table to a trained model, by a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import AdamW, Columns, Network, Target, Trainer, mlp
from handnn.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau
from handnn.tables.bagging import draw_folds
from handnn.tables.fitting import Schema, fit_table
from handnn.tables.networks import build_network, build_schedule
from handnn.tables.recipe import default_recipe, single_recipe
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
TABLE = {"size": RNG.normal(50, 20, 200), "town": RNG.choice(["Ulm", "Bonn"], 200)}
PRICE = 3 * TABLE["size"] + 100 * (TABLE["town"] == "Ulm")
RECIPE = replace(single_recipe(200, 2).with_hidden((8,)), epochs=4, dropouts=(0.0,))


def test_equals_the_separate_steps():
    """Running the steps one by one gives the same result."""
    fitted = fit_table(TABLE, PRICE, RECIPE, rng=3)
    rng = np.random.default_rng(3)
    rng.permutation(200)  # the folds, if there were any
    columns, target = Columns.learn(TABLE, scale="quantile"), Target.learn(PRICE)
    layers = [*columns.first_layers(rng, RECIPE.dtype)]
    layers += mlp([columns.n_after, 8, 1], rng=rng, dtype=RECIPE.dtype).layers
    network = Network(layers)
    steps = 4 * -(-200 // RECIPE.batch_size)
    optimizer = AdamW(RECIPE.lr, weight_decay=RECIPE.weight_decay, schedule=OneCycle(steps))
    trainer = Trainer(network, target.loss(), optimizer, rng=int(rng.integers(2**63)))
    x, y = columns.transform(TABLE, RECIPE.dtype), target.encode(PRICE)
    history = trainer.fit(x, y, epochs=4, batch_size=RECIPE.batch_size)
    assert fitted.histories[0].train_loss == history.train_loss
    columns.settle(network)
    for name, array in network.params.items():
        assert_same_bits(fitted.model.networks[0].params[name], array)


def test_each_network_holds_out_another_fold_and_returns_to_its_best_epoch():
    recipe = replace(RECIPE, n_networks=3, n_folds=3, patience=2, epochs=30)
    fitted = fit_table(TABLE, PRICE, recipe, rng=0)
    model = fitted.model
    assert len(fitted.histories) == len(model.networks) == 3
    fold = draw_folds(200, 3, None, np.random.default_rng(0))
    x, y = model.columns.transform(TABLE, "float32"), model.target.encode(PRICE)
    for place, (network, history) in enumerate(zip(model.networks, fitted.histories, strict=True)):
        held = fold == place
        loss = model.target.loss().forward(network.predict(x[held]), y[held].astype("float32"))
        assert loss == pytest.approx(min(history.validation_loss), rel=1e-5)


def test_learns_classes_of_chosen_kinds():
    codes = {"code": np.arange(200) % 4}
    labels = np.array(["low", "high"])[np.arange(200) % 4 % 2]
    recipe = replace(RECIPE, epochs=60)
    model = fit_table(codes, labels, recipe, schema=Schema(kinds={"code": "category"}), rng=0).model
    assert model.columns.columns[0].kind == "category" and model.target.task == "binary"
    assert (model.predict(codes) == labels).all()


def test_a_seed_determines_the_model():
    one, other = (fit_table(TABLE, PRICE, RECIPE, rng=5).model.predict(TABLE) for _ in range(2))
    assert_same_bits(one, other)


@pytest.mark.parametrize("init", ["he", "glorot_uniform"])
def test_builds_every_layer_of_a_recipe(init):
    recipe = replace(
        default_recipe(100).with_hidden((8, 4)),
        activations=("gelu", "identity"),
        dropouts=(0.2, 0.0),
        batch_norm=True,
        init=init,
    )
    network = build_network(recipe, Columns.learn(TABLE), 2, np.random.default_rng(0))
    names = [type(layer).__name__ for layer in network.layers]
    hidden = ["Affine", "BatchNorm", "GELU", "Dropout", "Affine", "BatchNorm"]
    assert names == ["Embedding", *hidden, "Affine"]
    assert network.sizes["out"] == 2 and network.dtype == recipe.dtype


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_he_draws_the_weights_of_mlp(hidden, activation):
    recipe = replace(default_recipe(50), activations=(activation,) * 2).with_hidden(hidden)
    columns = Columns.learn({"a": [1.0, 2.0]})
    found = build_network(recipe, columns, 1, np.random.default_rng(0)).params.values()
    expected = mlp([1, *hidden, 1], activation, rng=0, dtype=recipe.dtype).params.values()
    if hidden or activation == "relu":
        for one, other in zip(found, expected, strict=True):
            assert_same_bits(one, other)


def test_schedules_by_name():
    assert build_schedule("constant", 10) is None
    for name, kind in {"cosine": Cosine, "one_cycle": OneCycle, "plateau": ReduceOnPlateau}.items():
        assert type(build_schedule(name, 10)) is kind
    given = Constant()
    assert type(build_schedule(given, 10)) is Constant and build_schedule(given, 10) is not given


@pytest.mark.parametrize("wrong", [None, 0.5, "x", object()])
def test_errors_name_the_argument(wrong):
    table, y = {"a": [1.0, 2.0, 3.0]}, [1.0, 2.0, 3.0]
    for name in ("recipe", "schema", "separation"):
        given = {"recipe": default_recipe(3), name: wrong}
        with pytest.raises(TypeError, match=f"fit_table: {name} must be a"):
            fit_table(table, y, **given)
    if wrong is not None:
        with pytest.raises(TypeError, match="fit_table: rng must be None, an int"):
            fit_table(table, y, default_recipe(3), rng=wrong)
        with pytest.raises((TypeError, ValueError), match="n_bins"):
            Columns.learn(table, n_bins=wrong)
    with pytest.raises(ValueError, match="n_bins must be at most"):
        Columns.learn(table, n_bins=10**400)


def test_gaps_may_be_one_string_or_an_iterator():
    table, recipe = {"a": ["u", "none", "v"] * 3}, default_recipe(9)
    for gaps in ("none", ["none"], iter(["none"])):
        columns, target = Schema(gaps=gaps).learn(table, ["x", "y", "y"] * 3, recipe)
        assert columns.gaps == ("none",) and columns.columns[0].labels == ("u", "v")
        with pytest.raises(ValueError, match="y has 'none' in row 1"):
            target.learn(["x", "none", "y"], gaps="none")
    for wrong in (5, object(), [5]):
        with pytest.raises(TypeError, match="Schema: gaps must be strings"):
            Schema(gaps=wrong).learn(table, ["x", "y", "y"] * 3, recipe)
