"""LossFacts: the description of the outputs that a loss trains."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from handnn import losses
from handnn.losses import (
    LINKS,
    LossFacts,
    MSELoss,
    Quantile,
    SoftmaxCrossEntropy,
    facts_of,
    is_ours,
)
from handnn.training.measures import measures
from tests.losses.losses import LOSSES, OUTPUTS

PRE = np.random.default_rng(0).normal(size=(5, 4))


@pytest.mark.parametrize("name", LOSSES)
def test_outputs_fit_the_targets(name):
    loss = LOSSES[name].build()
    pre, y, _ = LOSSES[name].rows(5)
    n_targets = OUTPUTS if loss.takes_labels else y.shape[1]
    assert loss.n_outputs(n_targets) == pre.shape[1]
    assert loss.point(pre).shape == (5, n_targets)
    assert loss.link in LINKS
    assert loss.has_classes == (loss.link in ("sigmoid", "softmax"))
    assert bool(loss.quantiles) == (loss.predicts == "quantiles")


def test_every_loss_names_its_kind():
    kinds = [loss.kind for loss in losses.LOSSES]
    assert all(kinds) and len(set(kinds)) == len(kinds)


def test_links_are_those_of_scipy():
    assert LINKS["identity"](PRE) is PRE
    np.testing.assert_allclose(LINKS["exp"](PRE), np.exp(PRE))
    np.testing.assert_allclose(LINKS["sigmoid"](PRE), expit(PRE))
    np.testing.assert_allclose(LINKS["softmax"](PRE), softmax(PRE, axis=1))


def test_links_do_not_overflow():
    far = np.array([[-1000.0, 0.0, 1000.0]])
    assert LINKS["sigmoid"](far).tolist() == [[0, 0.5, 1]]
    assert LINKS["softmax"](far).tolist() == [[0, 0, 1]]


def test_point_prediction_of_quantiles_is_nearest_the_median():
    assert Quantile([0.1, 0.6, 0.9]).point(PRE[:, :3]).tolist() == PRE[:, 1:2].tolist()
    assert Quantile([0.25, 0.75]).point(PRE).tolist() == PRE[:, ::2].tolist()


class Own:
    """A user-defined loss without LossFacts."""

    def forward(self, pre, y_true):
        return 0.0

    def backward(self):
        return None


class OwnRate(Own, LossFacts):
    """A user-defined loss with a link."""

    predicts = "rate"
    link = "exp"

    def point(self, pre):
        return self.apply_link(pre)


class OwnMSE(MSELoss):
    """A subclass of a loss of handnn."""


def test_a_user_loss_has_default_facts():
    facts = facts_of(Own())
    assert (facts.predicts, facts.link, facts.takes_labels, facts.kind) == (
        "value", "identity", False, "",
    )  # fmt: skip
    assert facts.quantiles == () and not facts.has_classes
    assert facts.n_outputs(3) == 3 and facts.point(PRE) is PRE


def test_a_user_loss_can_state_its_facts():
    loss = OwnRate()
    assert facts_of(loss) is loss
    (mae,) = measures("mae", loss)
    assert mae.of(loss, np.exp(PRE), PRE) == 0
    with pytest.raises(ValueError, match="needs classes"):
        measures("accuracy", loss)


def test_is_ours_is_true_only_for_losses_of_handnn():
    assert is_ours(MSELoss()) and is_ours(SoftmaxCrossEntropy())
    assert not is_ours(OwnMSE()) and not is_ours(Own()) and not is_ours(MSELoss)
