"""Train the article's four bricks on the strength of concrete, in a loop written out by hand.

    python examples/article.py --epochs 300 --seed 0

The script shows every step: forward through the bricks, the loss, backward through the same bricks
in reverse, and a small step of each parameter against its gradient.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from handnn.article import Affine, MSELoss, ReLU, Sigmoid
from handnn.datasets import load_concrete

parser = argparse.ArgumentParser(description="The article's bricks on real measurements.")
parser.add_argument("--epochs", type=int, default=300, help="passes over the rows")
parser.add_argument("--seed", type=int, default=0, help="seed of the split and the initial weights")
options = parser.parse_args()
rng = np.random.default_rng(options.seed)

# Hold out a fifth of the rows. Scale all of them by the statistics of the training rows.
data = load_concrete()
test, train = np.split(rng.permutation(len(data.y)), [len(data.y) // 5])
x = (data.x - data.x[train].mean(axis=0)) / data.x[train].std(axis=0)
y_mean, y_std = data.y[train].mean(), data.y[train].std()
y = ((data.y - y_mean) / y_std).reshape(-1, 1)


def affine(n_in: int, n_out: int) -> Affine:
    """Return a brick with weights of scale 1 / √n_in, which keeps the variance of its inputs."""
    return Affine(rng.normal(0, n_in**-0.5, (n_in, n_out)), np.zeros(n_out))


layers: list[Any] = [
    affine(8, 32),
    ReLU(),
    affine(32, 32),
    Sigmoid(),
    affine(32, 1),
]
loss = MSELoss()
batch_size, lr = 32, 0.2

print("epoch  mean loss")
for epoch in range(1, options.epochs + 1):
    losses = []
    batches = np.split(rng.permutation(train), range(batch_size, len(train), batch_size))
    for batch in batches:
        out = x[batch]
        for layer in layers:
            out = layer.forward(out)
        losses.append(loss.forward(out, y[batch]))

        dout = loss.backward(1 / len(batch))  # the article's (pre - y_true), averaged over rows
        for layer in reversed(layers):
            dout = layer.backward(dout)
        for layer in layers:
            if hasattr(layer, "w"):
                layer.w -= lr * layer.dw
                layer.b -= lr * layer.db
    if epoch in (1, options.epochs) or epoch % 30 == 0:
        print(f"{epoch:5}  {np.mean(losses):9.4f}")

out = x[test]
for layer in layers:
    out = layer.forward(out)
predicted, measured = y_mean + y_std * out[:, 0], data.y[test]


def r2(answer: np.ndarray | float) -> float:
    """Return the share of the variance of the measured strengths that `answer` explains."""
    return float(1 - np.mean((answer - measured) ** 2) / np.var(measured))


print(
    f"R² on {len(test)} held-out rows: the mean {r2(y_mean):.3f}, the network {r2(predicted):.3f}"
)
