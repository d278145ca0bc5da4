"""Ensemble: the mean prediction of several networks, and their spread."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import handnn
from handnn import (
    SGD,
    Affine,
    BatchNorm,
    Ensemble,
    FormatError,
    MSELoss,
    Network,
    ReLU,
    Residual,
    Trainer,
    mlp,
    reference,
    train_many,
)
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve


def members(count=5, sizes=(3, 8, 2), dtype="float32"):
    return [mlp(sizes, rng=seed, dtype=dtype) for seed in range(count)]


def rows(count=7, columns=3, dtype="float32"):
    return np.random.default_rng(9).normal(size=(count, columns)).astype(dtype)


def test_example_by_hand():
    """Three lines through 0 with slopes 1, 2 and 6 give 2, 4 and 12 at x = 2."""
    ensemble = Ensemble([Network([Affine([[slope]], [0.0])]) for slope in (1.0, 2.0, 6.0)])
    assert ensemble.predict_all([[2.0]]).tolist() == [[[2]], [[4]], [[12]]]
    assert ensemble.predict([[2.0]]).tolist() == [[6]]
    assert ensemble.spread([[2.0]]).tolist() == [[np.sqrt((16 + 4 + 36) / 2)]]
    assert len(ensemble) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_mean_and_spread_agree_with_numpy(dtype, count):
    networks, x = members(count, dtype=dtype), rows(dtype=dtype)
    ensemble = Ensemble(networks)
    every = ensemble.predict_all(x)
    assert every.shape == (count, 7, 2) and every.dtype == dtype
    for one, network in zip(every, networks, strict=True):
        assert_same_bits(one, network.predict(x))
    mean = ensemble.predict(x)
    wide = every.astype(np.float64)
    eps = float(np.finfo(dtype).eps)
    assert mean.dtype == dtype
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=0, atol=count * eps * abs(wide).max())
    if count == 1:
        assert_same_bits(mean, every[0])
        return
    spread = ensemble.spread(x)
    assert spread.dtype == dtype
    np.testing.assert_allclose(spread, wide.std(axis=0, ddof=1), rtol=4 * count * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_row_has_the_same_bits_alone(dtype, activation):
    ensemble, x = Ensemble(members(9, dtype=dtype), activation), rows(33, dtype=dtype)
    for method in (ensemble.predict, ensemble.spread):
        whole = method(x)
        for place in range(len(x)):
            assert_same_bits(method(x[place : place + 1]), whole[place : place + 1])


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_activation_averages_probabilities(name):
    networks, x = members(), rows()
    forward = getattr(reference, f"{name}_forward")
    probabilities = [forward(n.predict(x).astype(np.float64)) for n in networks]
    ensemble = Ensemble(networks, activation=name)
    atol = 10 * float(np.finfo("f4").eps)
    np.testing.assert_allclose(ensemble.predict_all(x), probabilities, rtol=0, atol=atol)
    mean = ensemble.predict(x)
    np.testing.assert_allclose(mean, np.mean(probabilities, axis=0), rtol=0, atol=atol)
    np.testing.assert_allclose(
        ensemble.spread(x), np.std(probabilities, axis=0, ddof=1), rtol=0, atol=atol
    )
    of_the_mean_logit = forward(Ensemble(networks).predict(x).astype(np.float64))
    assert abs(mean - of_the_mean_logit).max() > 1e-3, "the mean of logits differs"
    assert networks[0].predict(x).min() < 0, "the members still give logits"


def test_members_are_not_copied():
    networks, x = members(3), rows()
    ensemble = Ensemble(networks, activation="sigmoid")
    before = ensemble.predict(x)
    trainers = [Trainer(network, MSELoss(), SGD(0.1), rng=0) for network in networks]
    train_many(trainers, x, x[:, :2], epochs=2, batch_size=4)
    after = ensemble.predict(x)
    assert abs(after - before).max() > 1e-3
    assert_same_bits(after, Ensemble(networks, activation="sigmoid").predict(x))
    assert ensemble.networks == networks


def test_accepts_the_inputs_of_predict():
    ensemble, x = Ensemble(members()), rows()
    expected = ensemble.predict(x)
    assert_same_bits(ensemble.predict(x.astype(np.float64)), expected)
    assert_same_bits(ensemble.predict(x.tolist()), expected)
    assert ensemble.predict(x[:0]).shape == ensemble.spread(x[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"Ensemble.predict: x must have shape \(N, 3\)"):
        ensemble.predict(x[:, :2])
    with pytest.raises(ValueError, match=r"Ensemble.spread: x must have shape \(N, 3\)"):
        ensemble.spread(x[0])
    with pytest.raises(TypeError, match=r"Ensemble.predict_all: x must hold real numbers"):
        ensemble.predict_all([["a"] * 3])


def test_predicts_in_several_threads():
    ensemble, x = Ensemble(members(), "softmax"), rows(200)
    expected = ensemble.predict(x)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: ensemble.predict(x), range(40)):
            assert_same_bits(answer, expected)


def test_user_bricks():
    networks = [Network([Affine.random(3, 2, rng=seed), Halve()]) for seed in range(3)]
    x = rows()
    expected = sum(n.predict(x).astype(np.float64) for n in networks) / 3
    assert_same_bits(Ensemble(networks).predict(x), expected.astype("f4"))


def test_rejects_the_spread_of_one_member():
    with pytest.raises(ValueError, match="at least two members"):
        Ensemble(members(1)).spread(rows())


@pytest.mark.parametrize(
    ("networks", "error", "words"),
    [
        ([], ValueError, "is empty"),
        (3, TypeError, "must be a list of Networks"),
        (mlp([3, 1]), TypeError, "must be a list of Networks"),
        ([mlp([3, 1]), 4], TypeError, r"networks\[1\] must be a Network, but is a int"),
        ([mlp([3, 1])] * 2, ValueError, r"networks\[1\] occurs twice"),
        ([mlp([3, 1]), mlp([4, 1])], ValueError, r"networks\[1\] has 4 columns in.*3"),
        ([mlp([3, 1]), mlp([3, 2])], ValueError, r"networks\[1\] has 2 columns out.*1"),
        (
            [Network([Halve()]), *(mlp([n, 1], dtype="float64") for n in (3, 4))],
            ValueError,
            r"networks\[2\] has 4 columns in, but networks\[1\] 3",
        ),
        ([mlp([3, 1]), mlp([3, 1], dtype="f8")], ValueError, r"networks\[1\] is float64.*float32"),
    ],
)
def test_rejects_members_that_do_not_agree(networks, error, words):
    with pytest.raises(error, match=f"Ensemble: .*{words}"):
        Ensemble(networks)


@pytest.mark.parametrize("activation", ["max", "Softmax", 3, ["softmax"]])
def test_rejects_unknown_activations(activation):
    with pytest.raises(ValueError, match="activation must be None or one of"):
        Ensemble(members(), activation)


def test_repr():
    assert repr(Ensemble(members(), "softmax")) == (
        "Ensemble(5 × Network(Affine 3→8, ReLU, Affine 8→2; 50 parameters, float32), "
        "activation='softmax')"
    )


def test_html_shows_the_number_of_members_and_the_first():
    root = ElementTree.fromstring(Ensemble(members(), "softmax")._repr_html_())
    text = "".join(root.itertext())
    assert text.startswith("Ensemble of 5 networks, averaged after softmax. The first:3→Affine 3→8")
    one = Ensemble(members(1))._repr_html_()
    assert "Ensemble of 1 network. The first:" in one and "currentColor" in one


# ---- in a file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_saved_ensemble_has_the_same_bits(tmp_path, dtype, activation):
    def network(seed):
        block = Residual(
            [
                BatchNorm(np.ones(8, dtype), np.zeros(8, dtype)),
                Affine.random(8, 8, rng=seed, dtype=dtype),
            ]
        )
        first = Affine.random(3, 8, rng=seed, dtype=dtype)
        last = Affine.random(8, 2, rng=seed, dtype=dtype)
        return Network([first, ReLU(), block, last])

    networks, x = [network(seed) for seed in range(12)], rows(dtype=dtype)
    for one in networks:
        one.forward(x)  # gives each its own running statistics
    ensemble = Ensemble(networks, activation)
    ensemble.save(tmp_path / "ensemble")
    loaded = Ensemble.load(tmp_path / "ensemble")
    assert loaded.activation == activation and len(loaded) == 12
    assert_same_bits(loaded.predict(x), ensemble.predict(x))
    assert_same_bits(loaded.spread(x), ensemble.spread(x))
    assert_same_bits(loaded.predict_all(x), ensemble.predict_all(x))
    assert os.listdir(tmp_path) == ["ensemble"]


def test_saves_one_safetensors_file(tmp_path):
    Ensemble(members(2, (3, 1))).save(tmp_path / "e")
    assert set(load_file(tmp_path / "e")) == {"0.0.w", "0.0.b", "1.0.w", "1.0.b"}


def test_rejects_saving_user_bricks(tmp_path):
    networks = [mlp([3, 2], rng=0), Network([Affine.random(3, 2, rng=1), Halve()])]
    with pytest.raises(TypeError, match=r"Ensemble.save: network 1: layer 1 \(Halve\)"):
        Ensemble(networks).save(tmp_path / "e")
    assert not list(tmp_path.iterdir())


def test_rejects_files_of_the_other_kind(tmp_path):
    mlp([3, 1]).save(tmp_path / "network")
    Ensemble(members()).save(tmp_path / "ensemble")
    with pytest.raises(FormatError, match=r"network is not an ensemble .* read by handnn.load"):
        Ensemble.load(tmp_path / "network")
    with pytest.raises(FormatError, match=r"it is read by handnn.Ensemble.load"):
        handnn.load(tmp_path / "ensemble")
    with pytest.raises(FileNotFoundError):
        Ensemble.load(tmp_path / "nothing")


AFFINE = {"brick": "Affine", "in": 3, "out": 1}


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"networks": [[AFFINE]], "activation": "max"}, "activation must be None"),
        ({"networks": [], "activation": None}, "no list of networks"),
        ({"networks": [[AFFINE], [AFFINE]], "activation": None}, "1.0.w"),
        ({"networks": [AFFINE], "activation": None}, "no list of bricks"),
        ({"networks": {"0": [AFFINE]}, "activation": None}, "no list of networks"),
        ({"networks": [[{"brick": "os"}]], "activation": None}, "layer 0 is 'os'"),
        ({"networks": [[AFFINE]], "activation": None, "format": 2}, "its format is 2"),
    ],
)
def test_rejects_inconsistent_files(tmp_path, described, words):
    arrays = {"0.0.w": np.ones((3, 1), "f4"), "0.0.b": np.ones(1, "f4")}
    text = json.dumps({"format": 1, "model": "ensemble", **described})
    save_file(arrays, tmp_path / "e", {"handnn": text})
    with pytest.raises(FormatError, match=words):
        Ensemble.load(tmp_path / "e")
    good = json.dumps(
        {"format": 1, "model": "ensemble", "networks": [[AFFINE]], "activation": None}
    )
    save_file(arrays, tmp_path / "e", {"handnn": good})
    assert Ensemble.load(tmp_path / "e").predict([[1, 2, 3]]).tolist() == [[7]]
