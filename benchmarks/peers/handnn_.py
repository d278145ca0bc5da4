"""handnn: `Trainer.fit` and `Network.predict`."""

from __future__ import annotations

import numpy as np

from benchmarks.problems import BETAS, EPS, Array, Problem
from handnn import SGD, Adam, MSELoss, Network, SoftmaxCrossEntropy, mlp
from handnn import Trainer as HandnnTrainer


def network(problem: Problem) -> Network:
    """Return the problem's network."""
    network = mlp(problem.sizes, problem.activation, dtype=problem.dtype)
    weights = [array for pair in problem.weights() for array in pair]
    for own, given in zip(network.params.values(), weights, strict=True):
        own[...] = given
    return network


class Auto:
    """The compiled engine."""

    engine = "auto"

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        self.network = network(problem)
        self.batch = problem.batch
        self.x, self.y = problem.rows()
        loss = MSELoss() if problem.loss == "mse" else SoftmaxCrossEntropy()
        is_adam = problem.optimizer == "adam"
        optimizer = Adam(problem.lr, *BETAS, EPS) if is_adam else SGD(problem.lr)
        self.trainer = HandnnTrainer(self.network, loss, optimizer, engine=self.engine)

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        self.trainer.fit(self.x, self.y, epochs=repeats, batch_size=self.batch, shuffle=False)

    def result(self) -> list[Array]:
        """Return the weights."""
        return list(self.network.params.values())


class Bricks(Auto):
    """The Python loop over bricks."""

    engine = "bricks"


class Predictor:
    """`Network.predict` into a preallocated array."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        self.network = network(problem)
        self.x, _ = problem.rows(rows)
        self.out = np.empty((rows, problem.sizes[-1]), problem.dtype)

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        predict, x, out = self.network.predict, self.x, self.out
        for _ in range(repeats):
            predict(x, out)

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [self.out]
