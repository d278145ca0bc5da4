"""Common mistakes of learners raise errors that suggest a remedy."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import Affine, MSELoss, Network, ReLU, Sigmoid, Softmax

CASES = {
    "a loss among the bricks": (
        lambda: Network([ReLU(), MSELoss()]),
        TypeError,
        r"layer 1 is the loss MSELoss.*pass it to Trainer\(network, loss, optimizer\)",
    ),
    "sizes in place of arrays": (lambda: Affine(2, 3), ValueError, r"write Affine\.random\(2, 3\)"),
    "sizes of an Embedding": (
        lambda: handnn.Embedding(5, 3), ValueError, r"write Embedding\.random\(5, 3\)",
    ),
    "sizes without a list": (lambda: handnn.mlp(2, 8), TypeError, r"such as \[2, 8, 1\]"),
    "the class of a loss": (
        lambda: handnn.Trainer(handnn.mlp([2, 1]), MSELoss, handnn.SGD(0.1)),
        TypeError, r"loss must be an object, but is the class MSELoss; write MSELoss\(\.\.\.\)",
    ),
    "no batch size": (
        lambda: handnn.Trainer(handnn.mlp([2, 1]), MSELoss(), handnn.SGD(0.1)).fit(
            np.ones((4, 2)), np.ones(4), epochs=1
        ),
        TypeError, "write batch_size=",
    ),
    "predict of a trainer": (
        lambda: handnn.Trainer(handnn.mlp([2, 1]), MSELoss(), handnn.SGD(0.1)).predict,
        AttributeError, r"write trainer\.network\.predict\(x\)",
    ),
    "bricks without a list": (
        lambda: Network(ReLU(), ReLU()), TypeError, r"a list: Network\(\[brick, brick, \.\.\.\]\)",
    ),
    "one brick without a list": (lambda: Network(ReLU()), TypeError, r"such as \[ReLU\]"),
    "a momentum of 1": (
        lambda: handnn.SGD(0.1, momentum=1.0), ValueError, "at least 0 and below 1",
    ),
    "fit of a network": (
        lambda: handnn.mlp([2, 1]).fit, AttributeError, r"Trainer\(network, loss, optimizer\)\.fit",
    ),
    "Linear": (lambda: handnn.Linear, AttributeError, r"did you mean handnn\.Affine\?"),
    "Relu": (lambda: handnn.Relu, AttributeError, r"did you mean handnn\.ReLU\?"),
    "CrossEntropyLoss": (
        lambda: handnn.CrossEntropyLoss, AttributeError, r"mean handnn\.SoftmaxCrossEntropy\?",
    ),
    "another attribute": (lambda: handnn.mlp([2, 1]).x, AttributeError, "no attribute 'x'$"),
    "another name": (lambda: handnn.Conv2d, AttributeError, "no attribute 'Conv2d'$"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_answered_with_advice(name):
    make, error, message = CASES[name]
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("brick", "loss"),
    [(Softmax, handnn.SoftmaxCrossEntropy), (Sigmoid, handnn.BCEWithLogits)],
)
def test_warns_of_an_activation_that_the_loss_also_applies(brick, loss):
    layers = [Affine.random(2, 3, rng=0), brick()]
    with pytest.warns(UserWarning, match=f"leave {brick.__name__} out") as caught:
        handnn.Trainer(Network(layers), loss(), handnn.SGD(0.1))
    assert caught[0].filename == __file__
    handnn.Trainer(Network(layers), MSELoss(), handnn.SGD(0.1))
    handnn.Trainer(Network(layers[:1]), loss(), handnn.SGD(0.1))


def test_the_suggested_names_exist():
    from handnn import sklearn
    from handnn.suggestions import OTHER_NAMES

    for name in OTHER_NAMES.values():
        assert hasattr(sklearn if "." in name else handnn, name.rpartition(".")[2])


def test_a_network_is_called_counted_and_indexed():
    network = handnn.mlp([2, 3, 1], rng=0)
    x = np.ones((4, 2), np.float32)
    assert np.array_equal(network(x), network.forward(x))
    assert len(network) == 3 and network[0] is network.layers[0]
    assert network[1:] == network.layers[1:] == list(network)[1:]


def test_divergence_on_unscaled_rows_advises_scaling():
    x = np.linspace(0, 300, 60).reshape(20, 3)
    network = handnn.Network([Affine(np.zeros((3, 1)), [0.0])])
    trainer = handnn.Trainer(network, MSELoss(), handnn.SGD(0.1))
    with pytest.raises(handnn.DivergenceError, match=r"\(x - x\.mean\(axis=0\)\).*smaller lr"):
        trainer.fit(x, x.sum(axis=1), epochs=500, batch_size=5)
