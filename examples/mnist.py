"""Train the two MNIST networks of the article's companion, and a better one.

    python examples/mnist.py

The environment variable HANDNN_MNIST names the folder with the four files of MNIST: see
`load_mnist`. The companion uses weights 0.01·N(0, 1), batches of 100 rows drawn with replacement
and a learning rate of 0.1. The better network uses Adam, dropout and a one-cycle learning rate.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from time import perf_counter

import numpy as np

from handnn import (
    SGD,
    Adam,
    Affine,
    Dropout,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    get_num_threads,
    schedules,
)
from handnn.datasets import load_mnist
from handnn.layers import Brick

parser = argparse.ArgumentParser(description="The companion's networks on MNIST, and a better one.")
parser.add_argument("--seeds", type=int, default=5, help="runs of each companion network")
parser.add_argument("--seed", type=int, default=0, help="the first seed")
parser.add_argument("--steps", type=int, default=10_000, help="the second network takes half")
parser.add_argument("--epochs", type=int, default=20, help="epochs of the better network")
parser.add_argument("--rows", type=int, default=60_000, help="number of training digits")
options = parser.parse_args()
data = load_mnist()
x, y = data.x_train[: options.rows], data.y_train[: options.rows]


def accuracy(network: Network) -> float:
    """Return the share of the test digits that the network classifies correctly."""
    return float(np.mean(network.predict(data.x_test).argmax(axis=1) == data.y_test))


def companion(sizes: list[int], steps: int, seed: int) -> tuple[float, float]:
    """Train a companion network; return its accuracy and the seconds of training."""
    rng = np.random.default_rng(seed)
    layers: list[Brick] = []
    for n_in, n_out in pairwise(sizes):
        w = 0.01 * rng.standard_normal((n_in, n_out))
        layers += [Affine(w.astype(np.float32), np.zeros(n_out, np.float32)), ReLU()]
    network = Network(layers[:-1])
    trainer = Trainer(network, SoftmaxCrossEntropy(), SGD(lr=0.1), rng=rng)
    start = perf_counter()
    trainer.fit(
        x,
        y,
        epochs=1,
        steps_per_epoch=steps,
        batch_size=100,
        shuffle="replacement",
    )
    seconds = perf_counter() - start
    return accuracy(network), seconds


for sizes, steps in (
    ([784, 50, 10], options.steps),
    ([784, 50, 50, 10], options.steps // 2),
):
    seeds = range(options.seed, options.seed + options.seeds)
    accuracies, times = zip(*(companion(sizes, steps, seed) for seed in seeds), strict=True)
    print(
        f"{'-'.join(map(str, sizes))}, {steps} steps, {len(seeds)} seeds: mean accuracy "
        f"{np.mean(accuracies):.4f}, {np.median(times):.2f} s each"
    )

rng = np.random.default_rng(options.seed)
batch_size = 128
network = Network(
    [
        Affine.random(784, 256, rng=rng),
        ReLU(),
        Dropout(0.25, rng=rng),
        Affine.random(256, 128, rng=rng),
        ReLU(),
        Dropout(0.25, rng=rng),
        Affine.random(128, 10, rng=rng),
    ]
)
steps = options.epochs * -(-len(x) // batch_size)
optimizer = Adam(lr=0.003, schedule=schedules.OneCycle(steps))
trainer = Trainer(network, SoftmaxCrossEntropy(), optimizer, rng=rng)
start = perf_counter()
trainer.fit(x, y, epochs=options.epochs, batch_size=batch_size)
seconds = perf_counter() - start
print(
    f"784-256-128-10, Adam, dropout, one cycle, {options.epochs} epochs: accuracy "
    f"{accuracy(network):.4f}, {seconds:.1f} s on {get_num_threads()} threads"
)
