"""Detect a frequent mistake: the last brick applies a function that the loss applies, too."""

from __future__ import annotations

from handnn.layers import Brick, Sigmoid, Softmax
from handnn.losses import Loss, facts_of
from handnn.network import Network

LINK_BRICKS: dict[str, type[Brick]] = {"softmax": Softmax, "sigmoid": Sigmoid}
"""The bricks that compute the link function of a loss, by `LossFacts.link`."""


def repeated_link(network: Network, loss: Loss) -> str | None:
    """Return a warning if the last brick computes the link of the loss, else None."""
    brick = LINK_BRICKS.get(facts_of(loss).link)
    last = network.layers[-1]
    if brick is None or type(last) is not brick:
        return None
    name, kind = brick.__name__, type(loss).__name__
    return (
        f"Trainer: the last brick is {name}, but {kind} applies it to the output of the network "
        f"itself, so it is applied twice; leave {name} out, and get probabilities from "
        "loss.apply_link(network.predict(x))"
    )
