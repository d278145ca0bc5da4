# mypy: disable-error-code="import-not-found, import-untyped"
"""scikit-learn: `MLPRegressor.partial_fit`, which takes one epoch of minibatch steps a call."""

from __future__ import annotations

from sklearn.neural_network import MLPRegressor

from benchmarks.problems import Array, Problem


class Trainer:
    """Plain gradient descent: no momentum, no penalty, the rows in order."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        x, y = problem.rows()
        self.x, self.y = x, y.ravel() if y.shape[1] == 1 else y
        self.regressor = MLPRegressor(
            hidden_layer_sizes=problem.sizes[1:-1],
            activation="relu" if problem.activation == "relu" else "logistic",
            solver="sgd",
            alpha=0,
            batch_size=problem.batch,
            # Its gradient is (pre - y) / N, that of the mean over N·O squared errors twice it / O.
            learning_rate_init=problem.lr * 2 / problem.sizes[-1],
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.run(1)  # makes the arrays that the problem's weights go into
        for place, (w, b) in enumerate(problem.weights()):
            self.regressor.coefs_[place][...] = w
            self.regressor.intercepts_[place][...] = b

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        for _ in range(repeats):
            self.regressor.partial_fit(self.x, self.y)

    def result(self) -> list[Array]:
        """Return the weights."""
        layers = zip(self.regressor.coefs_, self.regressor.intercepts_, strict=True)
        return [array for layer in layers for array in layer]
