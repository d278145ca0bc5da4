"""Gradients against finite differences of forward, for each layer and each loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from handnn.arrays import Array
from handnn.cli.check.result import Result
from handnn.inside import gradient_check
from handnn.losses import KernelLoss, MSELoss
from handnn.network import Network
from handnn.reference import examples

RTOL = 1e-6
"""The accepted relative error beyond the rounding of the measurement."""


class Identity:
    """A brick that returns its input, so that the gradient check tests the loss alone."""

    def forward(self, x: Array) -> Array:
        """Return x."""
        return x

    def backward(self, dout: Array) -> Array:
        """Return dout."""
        return dout


def slopes(brick: str, network: Network, loss: KernelLoss, x: Array, y: Array) -> Iterator[Result]:
    """Yield a result for each array that has a gradient."""
    for entry in gradient_check(network, loss, x, y, rtol=RTOL).entries:
        place, _, name = entry.name.partition(".")
        what = f"slope of {name or place}"
        n_entries = network.params.get(entry.name, x).size
        yield Result(brick, what, "float64", n_entries, entry.worst, RTOL, entry.passed)


def of_layer(name: str) -> Iterator[Result]:
    """Yield the slopes of a layer below the squared error."""
    rng = np.random.default_rng(0)
    layer = examples.LAYERS[name](rng, "float64")
    x = examples.data(name, 17)[0] if name == "Embedding" else rng.normal(size=(17, examples.WIDTH))
    network = Network([layer])
    y = rng.normal(size=network.predict(x).shape)
    yield from slopes(name, network, MSELoss(), x, y)


def of_loss(loss: type[KernelLoss]) -> Iterator[Result]:
    """Yield the worst slope of a loss over its settings and kinds of targets."""
    found: list[Result] = []
    for example in examples.loss_examples(loss):
        network = Network([Identity()])
        found += slopes(loss.__name__, network, example.loss, example.pre, example.y_true)
    worst = max(found, key=lambda result: (not result.passed, result.error))
    yield replace(worst, cases=sum(result.cases for result in found))
