"""Write two bricks in plain NumPy, and train them together with handnn's.

    python examples/own_brick.py --epochs 100 --seed 0

Any object with `forward` and `backward` is a brick; one with parameters also has `params` and
`grads`. `gradient_check` compares their gradients with finite differences before training.
"""

from __future__ import annotations

import argparse

import numpy as np

from handnn import SGD, Affine, MSELoss, Network, Trainer, gradient_check
from handnn.arrays import Array
from handnn.datasets import load_concrete


class Softsign:
    """out = x / (1 + |x|), with the derivative (1 - |out|)²."""

    def forward(self, x: Array) -> Array:
        self.out = x / (1 + abs(x))
        return self.out

    def backward(self, dout: Array) -> Array:
        return dout * (1 - abs(self.out)) ** 2


class PReLU:
    """out = x where x > 0, slope·x elsewhere, with one learned slope per column.

    He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, equation 1.
    """

    def __init__(self, columns: int) -> None:
        self.params: dict[str, Array] = {"slope": np.full(columns, 0.25)}
        self.grads: dict[str, Array | None] = {"slope": None}

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.where(x > 0, x, self.params["slope"] * x)

    def backward(self, dout: Array) -> Array:
        self.grads["slope"] = np.sum(dout * np.minimum(self.x, 0), axis=0)
        return np.where(self.x > 0, dout, self.params["slope"] * dout)


parser = argparse.ArgumentParser(description="Your own bricks, checked and trained.")
parser.add_argument("--epochs", type=int, default=100, help="passes over the rows")
parser.add_argument("--seed", type=int, default=0, help="seed of the split and the initial weights")
options = parser.parse_args()
rng = np.random.default_rng(options.seed)

# Hold out a fifth of the rows. Scale all of them by the statistics of the training rows.
data = load_concrete()
test, train = np.split(rng.permutation(len(data.y)), [len(data.y) // 5])
x = (data.x - data.x[train].mean(axis=0)) / data.x[train].std(axis=0)
y = (data.y - data.y[train].mean()) / data.y[train].std()


def affine(n_in: int, n_out: int) -> Affine:
    return Affine.random(n_in, n_out, rng=rng, dtype="float64")


network = Network([affine(8, 32), PReLU(32), affine(32, 32), Softsign(), affine(32, 1)])
print(network.summary())

report = gradient_check(network, MSELoss(), x[:4], y[:4])
print(report)
if not report:
    raise SystemExit("the backward of a brick is not the derivative of its forward")

trainer = Trainer(network, MSELoss(), SGD(lr=0.02, momentum=0.9), rng=rng)
history = trainer.fit(x[train], y[train], epochs=options.epochs, batch_size=32)
print(
    f"loss {history.train_loss[0]:.4f} in the first epoch, {history.train_loss[-1]:.4f} in the last"
)

mse = np.mean((network.predict(x[test])[:, 0] - y[test]) ** 2)
print(f"R² on {len(test)} held-out rows: {1 - mse / np.var(y[test]):.3f}")
