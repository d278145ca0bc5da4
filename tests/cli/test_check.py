"""`handnn check` covers every brick, passes on this machine, and detects every kind of error."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

import handnn
from handnn import functional, layers, losses, optimizers, schedules
from handnn.cli.check import check_command, everything
from handnn.cli.check.result import Case, Result, worst
from handnn.reference.calls import CALLS

LAYERS = {*layers.BRICKS, "GELU tanh"}
LOSSES = {loss.__name__ for loss in losses.LOSSES}
OPTIMIZERS = {optimizer.__name__ for optimizer in optimizers.OPTIMIZERS}
SCHEDULES = {schedule.__name__ for schedule in schedules.SCHEDULES}
DTYPES = ("float32", "float64")


@pytest.fixture(scope="module")
def all_results():
    return everything.check_all()


def failures(*bricks):
    """The failed results of some bricks, as (brick, what)."""
    results = [
        result
        for check in everything.checks()
        if check.brick in bricks
        for result in everything.attempt(check)
    ]
    return {(result.brick, result.what) for result in results if not result.passed}


# What is checked


def checked(results, what):
    """Every (brick, dtype) for which `what` is checked."""
    return {(result.brick, result.dtype) for result in results if result.what == what}


def test_every_check_passes_on_this_machine(all_results):
    assert [result for result in all_results if not result.passed] == []
    assert all(result.cases > 0 and result.error <= result.bound for result in all_results)


@pytest.mark.parametrize("what", ["forward", "dx"])
def test_every_layer_and_loss_has_parity_in_both_dtypes(all_results, what):
    assert {*product(LAYERS | LOSSES, DTYPES)} <= checked(all_results, what)


def test_every_optimizer_has_parity_in_both_dtypes(all_results):
    assert checked(all_results, "param") == {*product(OPTIMIZERS, DTYPES)}


def test_every_schedule_is_compared_with_its_formula(all_results):
    assert checked(all_results, "factors") == {*product(SCHEDULES, ["float64"])}


def test_every_layer_and_loss_has_a_measured_slope(all_results):
    assert checked(all_results, "slope of x") == {*product(LAYERS | LOSSES, ["float64"])}


def test_every_param_has_a_measured_slope(all_results):
    found = {(result.brick, result.what) for result in all_results}
    params = {
        "Affine": "w b",
        "Embedding": "w",
        "LayerNorm": "gamma beta",
        "BatchNorm": "gamma beta",
    }
    for brick, names in params.items():
        assert {(brick, f"slope of {name}") for name in names.split()} <= found


def test_every_function_with_outputs_is_given_some(all_results):
    without = {"Residual"}  # no function computes this brick
    assert checked(all_results, "out=") == {*product((LAYERS | LOSSES) - without, DTYPES)}


def test_every_brick_is_trained_by_both_engines_in_both_dtypes(all_results):
    bricks = LAYERS | LOSSES | OPTIMIZERS | SCHEDULES
    assert checked(all_results, "engines") == {*product(bricks, DTYPES)}


def test_every_call_belongs_to_a_brick(monkeypatch):
    called = set()
    monkeypatch.setattr(
        everything.parity, "results", lambda calls, dtype: called.update(map(str, calls)) or ()
    )
    for check in everything.checks():
        if check.what == "parity":
            everything.attempt(check)
    assert {str(call) for call in CALLS} <= called


@pytest.mark.parametrize(
    ("module", "list_name", "wants"),
    [
        (everything.examples, "LAYERS", LAYERS),
        (everything, "LOSSES", LOSSES),
        (everything, "OPTIMIZERS", OPTIMIZERS),
        (everything, "SCHEDULES", SCHEDULES),
    ],
)
def test_the_lists_are_those_of_the_packages(module, list_name, wants):
    """Removing an entry from a list of bricks removes its checks, and fails this test."""
    listed = getattr(module, list_name)
    assert {name if isinstance(name, str) else name.__name__ for name in listed} == wants


def test_an_example_without_calls_is_a_failed_result(monkeypatch):
    monkeypatch.setattr(everything, "LAYER_CALLS", [])
    assert {("ReLU", "parity")} == failures("ReLU")


# What is printed


def test_prints_a_table_and_exits_with_0(handnn_command, all_results, monkeypatch):
    monkeypatch.setattr(check_command, "check_all", lambda: all_results)
    code, out, err = handnn_command("check")
    assert (code, err) == (0, "")
    assert all(f"\n{brick} " in out for brick in LAYERS | LOSSES | OPTIMIZERS | SCHEDULES)
    assert out.endswith(f"all {len(all_results)} checks passed\n")


def test_json_has_the_machine_and_every_result(handnn_command, all_results, monkeypatch):
    monkeypatch.setattr(check_command, "check_all", lambda: all_results)
    code, out, err = handnn_command("check", "--json")
    verdict = json.loads(out)
    assert (code, err, verdict["passed"]) == (0, "", True)
    assert verdict["machine"]["instruction_set"] == handnn.cpu_info()["isa"]
    assert len(verdict["checks"]) == len(all_results)
    assert all(row["error"] <= row["bound"] for row in verdict["checks"])
    assert set(verdict["checks"][0]) == {
        "brick", "what", "dtype", "cases", "error", "bound", "passed", "note",
    }  # fmt: skip


def test_a_failed_result_is_printed_and_the_exit_code_is_1(handnn_command, monkeypatch):
    bad = Result("Sigmoid", "forward", "float32", 3, float("nan"), 1e-7, False, "a note")
    monkeypatch.setattr(check_command, "check_all", lambda: [bad])
    code, out, _ = handnn_command("check")
    assert code == 1
    assert out.splitlines()[-1] == "1 of 1 checks FAILED"
    assert "FAILED a note" in out
    code, out, _ = handnn_command("check", "--json")
    assert code == 1 and json.loads(out)["checks"][0]["error"] is None


# What fails


def wrong_by(function, factor=1.00001):
    return lambda *args, **more: function(*args, **more) * factor


def test_a_wrong_forward_fails(handnn_command, monkeypatch):
    bricks = ("Sigmoid", "SiLU", "Affine", "BCEWithLogits", "Adam")
    checks = [check for check in everything.checks() if check.brick in bricks]
    monkeypatch.setattr(everything, "checks", lambda: iter(checks))
    monkeypatch.setattr(functional, "sigmoid_forward", wrong_by(functional.sigmoid_forward))
    code, out, _ = handnn_command("check", "--json")
    assert code == 1
    rows = json.loads(out)["checks"]
    assert {row["brick"] for row in rows} == {*bricks}
    failed = {(row["brick"], row["what"]) for row in rows if not row["passed"]}
    assert ("Sigmoid", "forward") in failed
    assert {brick for brick, _ in failed} == {"Sigmoid"}


def test_a_wrong_backward_fails_parity_slopes_and_engines(monkeypatch):
    monkeypatch.setattr(functional, "relu_backward", lambda dout, x, *, dx=None: np.array(dout))
    expected = {"dx", "slope of x", "out=", "engines"}
    assert failures("ReLU", "ELU") == {("ReLU", what) for what in expected}


@pytest.mark.parametrize("loss", ["huber", "softmax_cross_entropy"])
def test_a_wrong_loss_or_gradient_fails(monkeypatch, loss):
    """An error of 1e-5 in every entry is detected."""
    brick = {"huber": "Huber", "softmax_cross_entropy": "SoftmaxCrossEntropy"}[loss]
    for name, fails in (("forward", {"forward"}), ("backward", {"dx", "slope of x"})):
        with monkeypatch.context() as patch:
            right = getattr(functional, f"{loss}_{name}")
            patch.setattr(functional, f"{loss}_{name}", wrong_by(right))
            assert fails <= {what for _, what in failures(brick)}


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_a_wrong_optimizer_fails(monkeypatch, optimizer):
    """An lr that is 0.1 % too large fails parity, and gives other bits than the engine."""
    brick, function = optimizer.__name__, f"{optimizer.kind}_update"
    right = getattr(functional, function)

    def wrong(*args, lr, **more):
        right(*args, lr=lr * 1.001, **more)

    monkeypatch.setattr(functional, function, wrong)
    assert failures(brick) == {(brick, "param"), (brick, "engines")}


def test_a_wrong_schedule_fails(monkeypatch):
    right = schedules.Cosine.at
    monkeypatch.setattr(schedules.Cosine, "at", lambda self, steps: right(self, steps) * 0.999)
    assert failures("Cosine", "OneCycle") == {("Cosine", "factors")}


def test_an_output_that_is_not_written_fails(monkeypatch):
    right = functional.tanh_forward
    monkeypatch.setattr(functional, "tanh_forward", lambda x, *, out=None: right(x))
    assert ("Tanh", "out=") in failures("Tanh")


def test_engines_that_disagree_fail(monkeypatch):
    """Only the Python loop takes larger steps; all kernels are correct."""
    right = optimizers.SGD.update

    def longer(self, param, grad, states, *, lr, **settings):
        right(self, param, grad, states, lr=lr * 1.001, **settings)

    monkeypatch.setattr(optimizers.SGD, "update", longer)
    bricks = ("Affine", "MAE", "SGD", "Cosine")
    assert failures(*bricks) == {(brick, "engines") for brick in bricks}


def test_nan_fails_and_an_exception_is_a_failed_result(monkeypatch):
    monkeypatch.setattr(functional, "mae_forward", lambda *args, **options: float("nan"))
    assert ("MAE", "forward") in failures("MAE")

    def broken(*args, **options):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(functional, "sgd_update", broken)
    checks = [check for check in everything.checks() if check.brick == "SGD"]
    notes = {result.note for check in checks for result in everything.attempt(check)}
    assert notes == {"RuntimeError: no such kernel"}


# How errors are measured


@pytest.mark.parametrize(
    "got", [np.zeros(2, np.float32), np.zeros(3, np.float64), np.full(3, np.nan, np.float32)]
)
def test_a_wrong_shape_a_wrong_dtype_and_nan_exceed_any_bound(got):
    share, _, _ = worst(Case("forward", got, np.zeros(3), 1e9), "float32")
    assert share == np.inf


def test_expected_nan_and_infinity_must_be_met():
    special = np.array([np.nan, np.inf, -np.inf])
    assert worst(Case("forward", special, special, 0.0), "float64") == (0.0, 0.0, 0.0)
    for wrong in ([0.0, np.inf, -np.inf], [np.nan, -np.inf, -np.inf], [np.nan, np.inf, 1.0]):
        assert worst(Case("forward", np.array(wrong), special, 1e9), "float64")[0] == np.inf


def test_an_error_is_measured_against_its_own_bound():
    case = Case("forward", np.array([1.5, 2.25]), np.array([1.0, 2.0]), np.array([2.0, 0.5]))
    assert worst(case, "float64") == (0.5, 0.25, 0.5)
