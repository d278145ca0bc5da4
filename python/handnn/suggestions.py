"""Suggestions for names that handnn does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

OTHER_NAMES = {
    "Adagrad": "AdaGrad",
    "BCELoss": "BCEWithLogits",
    "BCEWithLogitsLoss": "BCEWithLogits",
    "BatchNorm1d": "BatchNorm",
    "BatchNormalization": "BatchNorm",
    "BinaryCrossentropy": "BCEWithLogits",
    "CategoricalCrossentropy": "SoftmaxCrossEntropy",
    "CrossEntropy": "SoftmaxCrossEntropy",
    "CrossEntropyLoss": "SoftmaxCrossEntropy",
    "Dense": "Affine",
    "FullyConnected": "Affine",
    "GaussianNLLLoss": "GaussianNLL",
    "HuberLoss": "Huber",
    "L1Loss": "MAE",
    "LayerNormalization": "LayerNorm",
    "Linear": "Affine",
    "MLP": "mlp",
    "MLPClassifier": "sklearn.MLPClassifier",
    "MLPRegressor": "sklearn.MLPRegressor",
    "MSE": "MSELoss",
    "MeanSquaredError": "MSELoss",
    "Model": "Network",
    "PinballLoss": "Quantile",
    "PoissonNLLLoss": "PoissonNLL",
    "Sequential": "Network",
    "SmoothL1Loss": "Huber",
    "Swish": "SiLU",
}
"""The names of other libraries for parts of handnn."""


ELSEWHERE = {
    "fit": "train it with Trainer(network, loss, optimizer).fit(x, y, epochs=..., batch_size=...)",
    "compile": "loss and optimizer are arguments of Trainer(network, loss, optimizer)",
    "parameters": "its arrays are in network.params",
    "state_dict": "its arrays are in network.params; network.save(path) writes them",
    "zero_grad": "backward replaces the gradients, so there is nothing to reset",
    "predict_proba": "apply loss.apply_link to network.predict(x)",
}
"""The counterparts of methods that the networks of other libraries have."""


TRAINER_ELSEWHERE = {
    "predict": "write trainer.network.predict(x)",
    "train": "write trainer.fit(x, y, epochs=..., batch_size=...)",
}
"""The counterparts of methods that the trainers of other libraries have."""


class Elsewhere:
    """A name that a class does not have; the message of its AttributeError says what to use.

    A `__getattr__` would slow down the access to all attributes, and so `predict` with one row.
    """

    def __init__(self, name: str, advice: str) -> None:
        self.name = name
        self.advice = advice

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(
            f"a {owner.__name__} has no attribute {self.name!r}; {self.advice}",
            name=self.name,
            obj=instance,
        )


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean handnn.X?" for a name of another library or a misspelled one, or "".

    Examples:
        >>> from handnn.suggestions import suggestion
        >>> suggestion("Relu", handnn.__all__)
        '; did you mean handnn.ReLU?'
        >>> suggestion("Linear", handnn.__all__)
        '; did you mean handnn.Affine?'
        >>> suggestion("Conv2d", handnn.__all__)
        ''
    """
    if name.startswith("_"):
        return ""
    from difflib import get_close_matches  # takes 1.4 ms

    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), by_lower, 1, 0.75)
    found = OTHER_NAMES.get(name) or (by_lower[close[0]] if close else None)
    return f"; did you mean handnn.{found}?" if found else ""
