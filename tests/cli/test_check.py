"""`handnn check` passes here, and fails for every way in which a brick can be wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

import handnn
from handnn import functional, layers, losses
from handnn.cli.cases import Case
from handnn.cli.verdict import worst

LOSSES = {*(loss.__name__ for loss in losses.LOSSES), "with probabilities"}
BRICKS = {*layers.BRICKS, "GELU tanh", *LOSSES, "SGD"}


def failures(out):
    return {(row["brick"], row["what"]) for row in json.loads(out)["checks"] if not row["passed"]}


def test_passes_on_this_machine(handnn_command):
    code, out, err = handnn_command("check")
    assert (code, err) == (0, "")
    assert all(f"\n{brick} " in out for brick in BRICKS)
    assert out.endswith("checks passed\n")


def test_json_holds_machine_and_every_brick_in_both_dtypes(handnn_command):
    code, out, err = handnn_command("check", "--json")
    verdict = json.loads(out)
    assert (code, err, verdict["passed"]) == (0, "", True)
    assert verdict["machine"]["instruction_set"] == handnn.cpu_info()["isa"]
    rows = verdict["checks"]
    parities = {(row["brick"], row["dtype"]) for row in rows if "slope" not in row["what"]}
    assert parities == {(brick, dtype) for brick in BRICKS for dtype in ("float32", "float64")}
    assert {row["brick"] for row in rows if "slope" in row["what"]} == BRICKS - {"SGD"}
    assert all(row["error"] <= row["bound"] for row in rows)


def test_a_wrong_forward_fails(handnn_command, monkeypatch):
    right = functional.sigmoid_forward
    monkeypatch.setattr(functional, "sigmoid_forward", lambda x, **out: right(x, **out) * 1.00001)
    code, out, _ = handnn_command("check")
    assert code == 1
    assert "FAILED" in out.splitlines()[-1]
    _, out, _ = handnn_command("check", "--json")
    assert ("Sigmoid", "forward") in failures(out)
    assert {brick for brick, _ in failures(out)} == {"Sigmoid"}


def test_a_wrong_backward_fails_parity_and_slopes(handnn_command, monkeypatch):
    monkeypatch.setattr(functional, "relu_backward", lambda dout, x, *, dx=None: np.array(dout))
    code, out, _ = handnn_command("check", "--json")
    assert code == 1
    assert failures(out) == {("ReLU", "dx"), ("ReLU", "slope of x")}


@pytest.mark.parametrize("loss", ["huber", "softmax_cross_entropy"])
def test_a_wrong_loss_or_gradient_fails(handnn_command, monkeypatch, loss):
    """One that is a hundred thousandth off, in every entry."""
    for name, fails in (("forward", {"forward"}), ("backward", {"dx", "slope of x"})):
        right = getattr(functional, f"{loss}_{name}")
        with monkeypatch.context() as patch:
            patch.setattr(functional, f"{loss}_{name}", wrong_by(right))
            _, out, _ = handnn_command("check", "--json")
        assert fails <= {what for _, what in failures(out)}


def wrong_by(right):
    return lambda *args, **more: right(*args, **more) * 1.00001


def test_a_nan_fails_and_is_null_in_json(handnn_command, monkeypatch):
    monkeypatch.setattr(functional, "mse_loss_forward", lambda *args, **options: float("nan"))
    code, out, _ = handnn_command("check", "--json")
    assert code == 1
    failed = {brick for brick, _ in failures(out)}  # it is what the slopes of layers end in
    assert failed == BRICKS - {"SGD"} - LOSSES | {"MSELoss"}
    (row, *_) = [row for row in json.loads(out)["checks"] if row["brick"] == "MSELoss"]
    assert row["error"] is None


def test_an_exception_is_a_failed_row(handnn_command, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(functional, "sgd_update", broken)
    code, out, _ = handnn_command("check")
    assert code == 1
    assert "FAILED RuntimeError: no such kernel" in out


@pytest.mark.parametrize(
    "got", [np.zeros(2, np.float32), np.zeros(3, np.float64), np.full(3, np.nan, np.float32)]
)
def test_a_wrong_shape_a_wrong_dtype_and_nan_break_any_bound(got):
    share, _, _ = worst(Case("forward", got, np.zeros(3), 1e9), "float32")
    assert share == np.inf


def test_an_error_is_measured_against_its_own_bound():
    case = Case("forward", np.array([1.5, 2.25]), np.array([1.0, 2.0]), np.array([2.0, 0.5]))
    assert worst(case, "float64") == (0.5, 0.25, 0.5)
