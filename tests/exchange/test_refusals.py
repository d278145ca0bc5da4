"""Common errors of all exports: bricks without a counterpart, and missing libraries."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import handnn
from handnn import Affine, Network, ReLU, Residual, mlp
from tests.own_bricks import Halve, Scale

FUNCTIONS = {"to_torch": handnn.to_torch, "to_onnx": handnn.to_onnx, "to_c": handnn.to_c}


class MyReLU(ReLU):
    """A subclass of one of handnn's bricks."""


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
def test_rejects_own_bricks(name, layers, place):
    with pytest.raises(
        TypeError, match=rf"^{name}: layer {place} cannot be exported to \w+; handnn"
    ):
        FUNCTIONS[name](Network(layers))


def test_rejects_bricks_without_a_counterpart(monkeypatch):
    from handnn.exchange.c import bricks
    from handnn.exchange.onnx.bricks import NODES
    from handnn.exchange.torch.settings import BRICKS_OF

    monkeypatch.delitem(NODES, "ELU")
    monkeypatch.delitem(bricks.BRICKS, "ELU")
    monkeypatch.delitem(BRICKS_OF, "ELU")
    for name, library in (("to_onnx", "ONNX"), ("to_torch", "PyTorch"), ("to_c", "C")):
        with pytest.raises(
            TypeError, match=rf"^{name}: layer 1 \(ELU\) cannot be exported to {library}"
        ):
            FUNCTIONS[name](mlp([2, 2, 1], "elu"))


@pytest.mark.parametrize("network", [None, [ReLU()], ReLU(), "network"])
def test_rejects_non_networks(name, network):
    with pytest.raises(TypeError, match=f"^{name}: network must be a Network, but is a "):
        FUNCTIONS[name](network)


def test_rejects_replaced_arrays_that_do_not_fit(name):
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
def test_a_missing_library_is_a_one_line_error(call, module, line, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value) and caught.value.__suppress_context__
