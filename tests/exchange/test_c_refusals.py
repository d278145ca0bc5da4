"""to_c rejects invalid arguments and networks before it writes anything."""

from __future__ import annotations

import os

import numpy as np
import pytest

import handnn
from handnn import Affine, Embedding, Network, ReLU, Residual, Sigmoid, mlp
from handnn.exchange.c import Bend, Fill, Interpolate, Look, LookUp, OneHot, RowStep, Scale, Step
from tests.exchange.test_c_header import defined
from tests.own_bricks import Halve

NORMAL = mlp([3, 2], rng=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale_in": (0, 0)}, "to_c: scale_in: Scale: scale must be finite and not 0, but is 0.0"),
        (
            {"scale_in": (0, 1e-60), "x": np.ones((1, 3))},
            r"to_c: scale_in: Scale: scale must be finite and not 0, but is \[0. 0. 0.\]",
        ),
        ({"scale_in": (np.inf, 1)}, "to_c: scale_in: Scale: mean must be finite, but is inf"),
        (
            {"scale_in": ([1, 2], 1)},
            r"to_c: steps and scale_in do not fit the network, which expects 3 columns: "
            r"scale_in: Scale: mean must have shape \(3,\), but has \(2,\)",
        ),
        ({"scale_in": ([1], 1), "x": np.ones((1, 3))}, r"to_c: scale_in: Scale: mean must have sh"),
        (
            {"scale_out": ([1, 2, 3], 1)},
            r"to_c: scale_out: Scale: mean must have shape \(2,\), but has \(3,\)",
        ),
        ({"scale_out": (0, np.nan)}, "to_c: scale_out: Scale: scale must be finite and not 0, b"),
        (
            {"steps": [OneHot(9)]},
            "to_c: steps and scale_in do not fit .*: they make 11 of 3",
        ),
        (
            {"steps": [Fill(0, indicator=[7])]},
            r"to_c: .* expects 3 columns: steps\[0\]: Fill: an indicator must be at most 2",
        ),
        (
            {"steps": [Scale(0, 1), Fill([0, 0])], "x": np.ones((1, 3))},
            r"to_c: steps\[1\]: Fill: median must have shape \(3,\), but has \(2,\)",
        ),
        (
            {"steps": [OneHot(2, 3)], "x": np.ones((1, 3))},
            r"to_c: steps\[0\]: OneHot: column must be at most 2, but is 3",
        ),
        (
            {"steps": [OneHot(2)], "x": np.ones((1, 3))},
            r"to_c: x has 3 columns \(the steps make 4 of them\) but the network expects 3",
        ),
        ({"steps": [Fill(1e39)]}, r"steps\[0\]: Fill: median is too large for float32"),
        (
            {"steps": [LookUp([2**24, 2**24 + 1])]},
            r"steps\[0\]: LookUp: labels are not distinct",
        ),
        (
            {"steps": [Interpolate([0, 1e39], [0, 1])]},
            r"steps\[0\]: Interpolate: knots or lev",
        ),
        ({"x": np.ones((0, 3))}, r"to_c: x must be rows \(N, I\), at least one, but has \(0, 3\)"),
        ({"x": np.ones(3)}, r"to_c: x must be rows \(N, I\), at least one, but has \(3,\)"),
        ({"x": np.ones((1, 4))}, "to_c: x has 4 columns but the network expects 3"),
    ],
)
def test_rejects_arguments_that_do_not_fit(arguments, message, tmp_path):
    path = tmp_path / "model.h"
    with pytest.raises(ValueError, match=message) as caught:
        handnn.to_c(NORMAL, path, **arguments)
    assert not path.exists() and str(caught.value).startswith("to_c: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"steps": [Scale(0, 1), Halve()]},
            r"steps\[1\] \(Halve\) is not one of Bins, Cycles, Fill, Interpolate, LookUp, OneHot",
        ),
        ({"steps": 5}, "steps must be a list of steps, but is a int"),
        ({"steps": Scale(0, 1)}, "steps must be a list of steps, but is a Scale"),
        ({"steps": None}, "steps must be a list of steps, but is a NoneType"),
        ({"scale_in": 5}, r"scale_in must be \(mean, scale\), but is 5"),
        ({"scale_in": (1,)}, r"scale_in must be \(mean, scale\), but is \(1,\)"),
        ({"scale_out": Scale(0, 1)}, r"scale_out must be \(mean, scale\), but is Scale"),
        ({"scale_out": ("a", 1)}, "scale_out: Scale: mean must hold real numbers of up to 64 bits"),
        ({"x": "rows"}, "x must hold real numbers of up to 64 bits, but is <U4"),
    ],
)
def test_rejects_arguments_of_another_type(arguments, message, tmp_path):
    path = tmp_path / "model.h"
    with pytest.raises(TypeError, match=f"^to_c: {message}"):
        handnn.to_c(NORMAL, path, **arguments)
    assert not path.exists()


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Fill("a"), TypeError, "Fill: median must hold real numbers"),
        (lambda: Fill(0, 3), TypeError, "Fill: indicator must be a list of columns, but is a int"),
        (lambda: Fill(0, [1.5]), TypeError, "Fill: an indicator must be an int, but is 1.5"),
        (lambda: Fill(0, [-1]), ValueError, "Fill: an indicator must be at least 0, but is -1"),
        (lambda: OneHot(0), ValueError, "OneHot: count must be at least 1, but is 0"),
        (lambda: OneHot(3, 0.5), TypeError, "OneHot: column must be an int, but is 0.5"),
        (lambda: Scale(0, "a"), TypeError, "Scale: scale must hold real numbers"),
        (
            lambda: Interpolate([1, 1], [0, 1]),
            ValueError,
            "Interpolate: knots must be in ascending order",
        ),
        (
            lambda: Interpolate([1, 2], [0]),
            ValueError,
            r"Interpolate: knots and levels must have one shape \(K,",
        ),
        (
            lambda: Interpolate([], []),
            ValueError,
            r"Interpolate: knots and levels must have one shape \(K,\)",
        ),
        (
            lambda: Interpolate([1, np.inf], [0, 1]),
            ValueError,
            "Interpolate: knots and levels must be finite",
        ),
        (
            lambda: Interpolate([1], [0], -1),
            ValueError,
            "Interpolate: column must be at least 0, but is -1",
        ),
        (lambda: LookUp([]), ValueError, r"LookUp: labels must be finite numbers \(K,\), but are"),
        (
            lambda: LookUp([np.nan]),
            ValueError,
            r"LookUp: labels must be finite numbers \(K,\), but are",
        ),
        (lambda: LookUp([1], "a"), TypeError, "LookUp: column must be an int, but is 'a'"),
    ],
)
def test_steps_check_their_arguments(build, error, message):
    with pytest.raises(error, match=f"^{message}"):
        build()


def test_rejects_an_unknown_number_of_columns():
    network = Network([Sigmoid(), Residual([ReLU()])])
    with pytest.raises(ValueError, match="^to_c: no layer determines the number of columns"):
        handnn.to_c(network)
    assert defined(handnn.to_c(network, x=np.ones((2, 5))), "INPUTS") == "5"


def test_rejects_computed_codes_without_rows():
    network = Network([Affine(np.eye(2), np.zeros(2)), Embedding(np.ones((3, 2)), 1)])
    with pytest.raises(ValueError, match="^to_c: random rows cannot be generated, because codes a"):
        handnn.to_c(network)
    handnn.to_c(network, x=[[0.5, 2]])
    with pytest.raises(ValueError, match="^to_c: random rows cannot be generated, because codes a"):
        handnn.to_c(NORMAL, steps=[Fill([0.0], indicator=[0]), OneHot(2, column=1)])


def test_rejects_an_array_without_entries():
    network = Network([Affine(np.ones((0, 3)), np.zeros(3))])
    with pytest.raises(ValueError, match=r"^to_c: layer 0 \(Affine 0→3\) has an array without"):
        handnn.to_c(network)


def test_writes_the_file_atomically(tmp_path, monkeypatch):
    path = tmp_path / "model.h"
    handnn.to_c(NORMAL, path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("on purpose")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="on purpose"):
        handnn.to_c(mlp([5, 2], rng=1), str(path))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_old_names_of_steps_still_work():
    assert (Bend, Look, Step) == (Interpolate, LookUp, RowStep)
