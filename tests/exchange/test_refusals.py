"""What cannot be handed on is named, before anything else; and so is a library that is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import handnn
from handnn import Affine, Network, ReLU, Residual, mlp
from tests.own_bricks import Halve, Scale

FUNCTIONS = {"to_torch": handnn.to_torch, "to_onnx": handnn.to_onnx, "to_c": handnn.to_c}


class MyReLU(ReLU):
    """A brick of one's own that descends from one of ours."""


@pytest.fixture(params=FUNCTIONS)
def name(request):
    return request.param


@pytest.mark.parametrize(
    ("layers", "place"),
    [
        ([Affine.random(2, 3), Halve()], r"1 \(Halve\)"),
        ([Scale(2), ReLU()], r"0 \(Scale\)"),
        ([Affine.random(2, 3), MyReLU()], r"1 \(MyReLU\)"),
        ([ReLU(), Residual([ReLU(), Halve()])], r"1\.1 \(Halve\)"),
        ([mlp([2, 2])], r"0 \(Network\)"),
    ],
)
def test_a_brick_of_ones_own_is_named(name, layers, place):
    with pytest.raises(TypeError, match=rf"^{name}: \w+ has nothing for layer {place}; it has for"):
        FUNCTIONS[name](Network(layers))


def test_a_brick_of_ours_that_has_no_counterpart_is_named(monkeypatch):
    from handnn.exchange.c import bricks
    from handnn.exchange.onnx.bricks import NODES
    from handnn.exchange.torch.settings import BRICKS_OF

    monkeypatch.delitem(NODES, "ELU")
    monkeypatch.delitem(bricks.BRICKS, "ELU")
    monkeypatch.delitem(BRICKS_OF, "ELU")
    for name, library in (("to_onnx", "ONNX"), ("to_torch", "PyTorch"), ("to_c", "C")):
        with pytest.raises(TypeError, match=rf"^{name}: {library} has nothing for layer 1 \(ELU\)"):
            FUNCTIONS[name](mlp([2, 2, 1], "elu"))


@pytest.mark.parametrize("network", [None, [ReLU()], ReLU(), "network"])
def test_what_is_no_network_is_a_type_error(name, network):
    with pytest.raises(TypeError, match=f"^{name}: network must be a Network, but is a "):
        FUNCTIONS[name](network)


def test_arrays_that_do_not_fit_are_a_value_error(name):
    network = mlp([3, 2], rng=0)
    network.layers[0].b = np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="Affine: b has shape"):
        FUNCTIONS[name](network)


@pytest.mark.parametrize(
    ("call", "module", "line"),
    [
        (lambda: handnn.to_torch(mlp([2, 1])), "torch", "to_torch needs PyTorch: pip install to"),
        (lambda: handnn.from_torch(None), "torch", "from_torch needs PyTorch: pip install torch"),
        (lambda: handnn.to_onnx(mlp([2, 1])), "onnx", "to_onnx needs onnx: pip install onnx"),
    ],
)
def test_a_library_that_is_missing_is_one_line(call, module, line, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value) and caught.value.__suppress_context__
