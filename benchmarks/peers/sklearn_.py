# mypy: disable-error-code="import-not-found, import-untyped"
"""scikit-learn: `partial_fit`, which takes one epoch of minibatch steps per call."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.problems import BETAS, EPS, Array, Problem


class Trainer:
    """No momentum, no penalty, rows in order."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        if problem.activation not in ("relu", "sigmoid"):
            raise NotImplementedError(f"scikit-learn has no {problem.activation}")
        x, y = problem.rows()
        self.x, self.y = x, y.ravel() if y.shape[-1] == 1 else y
        is_mse = problem.loss == "mse"
        # Its gradient is (pre - y) / N; that of the mean over N·O squares is 2/O times as large.
        scale = 2 / problem.sizes[-1] if is_mse else 1
        is_adam = problem.optimizer == "adam"
        self.mlp = (MLPRegressor if is_mse else MLPClassifier)(
            hidden_layer_sizes=problem.sizes[1:-1],
            activation="relu" if problem.activation == "relu" else "logistic",
            solver=problem.optimizer,
            alpha=0,
            batch_size=problem.batch,
            # Adam is invariant to the scale of the gradient, except relative to eps.
            learning_rate_init=problem.lr if is_adam else problem.lr * scale,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPS / scale,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        # The first call allocates the arrays that receive the problem's weights.
        self.mlp.partial_fit(self.x, self.y, **({} if is_mse else {"classes": np.unique(y)}))
        for place, (w, b) in enumerate(problem.weights()):
            self.mlp.coefs_[place][...] = w
            self.mlp.intercepts_[place][...] = b
        del self.mlp._optimizer  # discards the state of Adam

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        for _ in range(repeats):
            self.mlp.partial_fit(self.x, self.y)

    def result(self) -> list[Array]:
        """Return the weights."""
        layers = zip(self.mlp.coefs_, self.mlp.intercepts_, strict=True)
        return [array for layer in layers for array in layer]
