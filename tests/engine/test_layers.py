"""The engine supports every brick other than activations and returns the bits of the brick."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import (
    SGD,
    Adam,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    LayerNorm,
    MSELoss,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    Tanh,
    Trainer,
)
from tests.bounds import assert_same_bits
from tests.engine.fits import rows

DTYPES = ["float32", "float64"]


def affine(n_in, n_out, seed, dtype):
    return Affine.random(n_in, n_out, rng=seed, dtype=dtype)


def batch_norm(columns, dtype):
    """Return a norm with random params and running statistics."""
    rng = np.random.default_rng(columns)
    arrays = rng.uniform(0.5, 1.5, size=(4, columns)).astype(dtype)
    return BatchNorm(*arrays, momentum=0.3)


def layer_norm(columns, dtype):
    rng = np.random.default_rng(columns)
    return LayerNorm(*rng.uniform(0.5, 1.5, size=(2, columns)).astype(dtype))


# Each has 5 input columns and 3 output columns.
NETWORKS = {
    "softmax": lambda d: [affine(5, 9, 1, d), Softmax(), affine(9, 3, 2, d), Softmax()],
    "layer_norm": lambda d: [
        affine(5, 17, 1, d),
        layer_norm(17, d),
        ReLU(),
        affine(17, 3, 2, d),
        layer_norm(3, d),
    ],
    "layer_norm first": lambda d: [layer_norm(5, d), Tanh(), affine(5, 3, 2, d)],
    "batch_norm": lambda d: [affine(5, 17, 1, d), batch_norm(17, d), ReLU(), affine(17, 3, 2, d)],
    "batch_norms": lambda d: [
        batch_norm(5, d),
        affine(5, 17, 1, d),
        Sigmoid(),
        batch_norm(17, d),
        batch_norm(17, d),
        affine(17, 3, 2, d),
        batch_norm(3, d),
    ],
    "dropout": lambda d: [
        Dropout(0.2, rng=7),
        affine(5, 17, 1, d),
        ReLU(),
        Dropout(0.5, rng=8),
        affine(17, 3, 2, d),
        Dropout(0.1, rng=9),
    ],
    "residual": lambda d: [
        affine(5, 9, 1, d),
        Residual([affine(9, 4, 2, d), ReLU(), affine(4, 9, 3, d)]),
        ReLU(),
        affine(9, 3, 4, d),
    ],
    "residual first and last": lambda d: [
        Residual([Tanh(), affine(5, 5, 1, d)]),
        affine(5, 3, 2, d),
        Residual([affine(3, 3, 3, d), Tanh()]),
    ],
    "residuals of what learns nothing": lambda d: [
        Residual([Tanh()]),
        affine(5, 3, 2, d),
        Residual([ReLU(), Sigmoid()]),
        Residual([Dropout(0.5, rng=1)]),
    ],
    "residuals in one another": lambda d: [
        affine(5, 6, 1, d),
        Residual(
            [
                Residual([layer_norm(6, d), affine(6, 6, 2, d), Dropout(0.3, rng=3)]),
                Residual([Residual([affine(6, 6, 4, d)]), ReLU()]),
                batch_norm(6, d),
            ]
        ),
        affine(6, 3, 5, d),
    ],
}


def network(name, dtype):
    return Network(NETWORKS[name](dtype))


def everything(trainer):
    """Return all arrays that training changes, and the steps of Dropouts."""
    one = trainer.network
    states = [array for kept in trainer.optimizer.state.values() for array in kept.values()]
    return {
        **one.params,
        **{f"running {name}": array for name, array in one.buffers.items()},
        **{f"state {number}": array for number, array in enumerate(states)},
    }


def assert_both_engines_agree(build, x, y, threads=(1,), **how):
    """Check that a compiled fit has the bits of the bricks for any number of threads."""
    bricks = build("bricks")
    expected_history = bricks.fit(x, y, **how)
    expected = everything(bricks)
    before = handnn.get_num_threads()
    for count in threads:
        try:
            handnn.set_num_threads(count)
            compiled = build("compiled")
            history = compiled.fit(x, y, **how)
        finally:
            handnn.set_num_threads(before)
        assert history.train_loss == expected_history.train_loss
        found = everything(compiled)
        assert found.keys() == expected.keys()
        for key, array in found.items():
            assert_same_bits(array, expected[key], f"{key}, {count} threads")
        out = compiled.network.predict(x)
        assert_same_bits(out, bricks.network.predict(x), "predict")
        assert_same_bits(out, bricks.network.eval().forward(x), "predict beside forward")
        bricks.network.train()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [2, 8, 45])
def test_a_compiled_fit_has_the_bits_of_the_bricks(name, batch_size, dtype):
    def build(engine):
        sgd = SGD(0.01, momentum=0.9, weight_decay=0.01)
        return Trainer(network(name, dtype), MSELoss(), sgd, engine=engine, rng=3)

    x, y, weight = rows(44, 5, 3, dtype)
    assert_both_engines_agree(build, x, y, epochs=3, batch_size=batch_size, sample_weight=weight)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_with_adam_and_a_clipped_norm(name, dtype):
    def build(engine):
        adam = Adam(0.01, clip_norm=0.3, lr_scales={"1": 0.5} if name == "dropout" else {})
        return Trainer(network(name, dtype), MSELoss(), adam, engine=engine, rng=3)

    x, y, _ = rows(44, 5, 3, dtype)
    assert_both_engines_agree(build, x, y, epochs=3, batch_size=8)


def wide(dtype):
    """Return a network with all bricks, wide enough to be shared among threads."""
    return Network(
        [
            Embedding.random(7, 20, column=2, rng=1, dtype=dtype),
            Embedding.random(5, 12, column=0, rng=2, dtype=dtype),
            affine(200 - 2 + 32, 150, 3, dtype),
            batch_norm(150, dtype),
            ReLU(),
            Dropout(0.25, rng=4),
            Residual([layer_norm(150, dtype), affine(150, 150, 5, dtype), Tanh()]),
            affine(150, 40, 6, dtype),
            Softmax(),
            affine(40, 3, 7, dtype),
        ]
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip_norm", [None, 0.2])
def test_same_bits_for_any_number_of_threads(clip_norm, dtype):
    def build(engine):
        adam = Adam(0.01, clip_norm=clip_norm)
        return Trainer(wide(dtype), MSELoss(), adam, engine=engine, rng=3)

    x, y, _ = rows(150, 200, 3, dtype)
    rng = np.random.default_rng(1)
    x[:, 0], x[:, 2] = rng.integers(5, size=150), rng.integers(7, size=150)
    assert_both_engines_agree(build, x, y, threads=(1, 2, 3), epochs=2, batch_size=64)


def test_predict_rejects_invalid_codes():
    one = Network([Embedding.random(4, 3, column=1, rng=0), Affine.random(4, 2, rng=0)])
    assert one.predict([[0.5, 3]]).shape == (1, 2)
    for code in (4, -1, 0.5, np.nan):
        with pytest.raises(ValueError, match="row 1 of x has .* in column 1"):
            one.predict([[0.5, 3], [0.5, code]])


def test_dropout_continues_at_its_step():
    x, y, _ = rows(40, 5, 3)
    steps = {}
    for engine in ("compiled", "bricks"):
        one = network("dropout", "float32")
        Trainer(one, MSELoss(), SGD(0.01), engine=engine, rng=0).fit(x, y, epochs=2, batch_size=8)
        steps[engine] = [layer.step for layer in one.layers if isinstance(layer, Dropout)]
    assert steps["compiled"] == steps["bricks"] == [10, 10, 10]


def test_an_embedding_of_computed_codes_runs_brick_by_brick():
    one = Network([ReLU(), Embedding.random(4, 3, rng=0), Affine.random(4, 2, rng=0)])
    with pytest.raises(ValueError, match="Embedding follows another brick"):
        Trainer(one, MSELoss(), SGD(0.1), engine="compiled")
    x = np.array([[1.0, 2.0], [3.0, 0.5]])
    assert_same_bits(one.predict(x), one.eval().forward(x))


@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_rejects_a_last_batch_of_one_row_before_any_change(engine):
    one = network("batch_norm", "float64")
    before = {name: array.copy() for name, array in {**one.params, **one.buffers}.items()}
    x, y, _ = rows(41, 5, 3, "float64")
    trainer = Trainer(one, MSELoss(), SGD(0.1), engine=engine)
    with pytest.raises(ValueError, match="needs at least 2 rows .* batch_size 8"):
        trainer.fit(x, y, epochs=1, batch_size=8)
    for name, array in {**one.params, **one.buffers}.items():
        assert_same_bits(array, before[name])
