"""The state is one JSON document, validated strictly."""

from __future__ import annotations

import json

import pytest

from handnn.layers import BRICKS
from handnn.losses import LOSSES
from handnn.optimizers import OPTIMIZERS
from handnn.play import catalog
from handnn.play.state import Event, State
from handnn.schedules import SCHEDULES


def test_a_state_survives_json():
    state = State.from_json(
        {
            "version": 1,
            "seed": 3,
            "bricks": [{"brick": "Affine", "units": 5}, {"brick": "ELU", "alpha": 0.5}],
            "step": 9,
            "events": [{"step": 4, "name": "0.w", "index": [0, 1], "value": 0.25}],
        }
    )
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert state.events == (Event(4, "0.w", (0, 1), 0.25),)
    assert state.bricks[0] == {"brick": "Affine", "units": 5, "init": "auto"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the state must be an object"),
        ({}, "version"),
        ({"version": 1, "color": 1}, "no entry 'color'"),
        ({"version": 1, "seed": -1}, "seed"),
        ({"version": 1, "seed": True}, "seed"),
        ({"version": 1, "step": 1.5}, "step"),
        ({"version": 1, "step": 10**10}, "step"),
        ({"version": 1, "batch_size": 0}, "batch_size"),
        ({"version": 1, "bricks": [{"brick": "Affine"}] * 25}, "at most 24"),
        ({"version": 1, "bricks": [{"brick": "Affine", "units": 10**6}]}, "units"),
        ({"version": 1, "bricks": [{"brick": "Conv"}]}, "'Conv' is not one of"),
        ({"version": 1, "bricks": [{"brick": "ReLU", "slope": 1}]}, "no setting 'slope'"),
        ({"version": 1, "bricks": [{"brick": "ELU", "alpha": "1"}]}, "alpha must be a float"),
        ({"version": 1, "bricks": [{"brick": "GELU", "form": "exact"}]}, "one of erf, tanh"),
        ({"version": 1, "loss": {"name": "__class__"}}, "not one of"),
        ({"version": 1, "optimizer": {"name": "SGD", "nesterov": 1}}, "nesterov must be a bool"),
        ({"version": 1, "data": {"noise": float("nan")}}, "noise"),
        ({"version": 1, "data": {"file": "x" * 1000}}, "file"),
        ({"version": 1, "events": [{"step": 1, "name": "0.w", "value": 1}]}, "step"),
        ({"version": 1, "step": 5, "events": [{"step": 1, "name": "lr", "value": -1}]}, "event 0"),
    ],
)
def test_rejects_other_documents(document, message):
    with pytest.raises(ValueError, match=message):
        State.from_json(document)


def test_the_catalog_has_every_brick_loss_optimizer_and_schedule():
    assert set(catalog.BRICK_SETTINGS) == set(BRICKS)
    assert set(catalog.LOSS_SETTINGS) == {loss.__name__ for loss in LOSSES}
    assert set(catalog.OPTIMIZER_SETTINGS) == {optimizer.__name__ for optimizer in OPTIMIZERS}
    assert set(catalog.SCHEDULE_SETTINGS) == {schedule.__name__ for schedule in SCHEDULES}


def test_losses_suit_their_task():
    assert catalog.losses_for("binary")[0] == "BCEWithLogits"
    assert catalog.losses_for("multiclass") == ["SoftmaxCrossEntropy"]
    assert catalog.losses_for("regression")[0] == "MSELoss"
    assert "GaussianNLL" in catalog.losses_for("regression")
    assert "PoissonNLL" not in catalog.losses_for("regression")
    assert catalog.losses_for("regression", has_counts=True)[0] == "PoissonNLL"
