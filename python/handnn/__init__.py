"""handnn: neural networks from bricks you can take apart, computed by short C++ kernels."""

from __future__ import annotations

try:
    from handnn._core import cpu_info, get_num_threads, set_num_threads
except ModuleNotFoundError as error:
    if error.name != "handnn._core":
        raise
    raise ImportError(
        "handnn's C++ part (handnn._core) is not built here: run `pip install .` in the folder "
        "of pyproject.toml; if you have done so, start Python outside the source tree"
    ) from error

from typing import TYPE_CHECKING

from handnn.gradient_check import gradient_check

if TYPE_CHECKING:
    from handnn import article, functional, metrics, schedules
    from handnn.divergence import DivergenceError
    from handnn.early_stopping import EarlyStopping
    from handnn.ensemble import Ensemble
    from handnn.exchange import from_torch, load_weights, to_c, to_onnx, to_torch
    from handnn.history import History
    from handnn.inside import layer_statistics, trace
    from handnn.layers import (
        ELU,
        GELU,
        Affine,
        BatchNorm,
        Dropout,
        Embedding,
        LayerNorm,
        LeakyReLU,
        ReLU,
        Residual,
        Sigmoid,
        SiLU,
        Softmax,
        Softplus,
        Tanh,
    )
    from handnn.losses import (
        MAE,
        BCEWithLogits,
        GaussianNLL,
        Huber,
        MSELoss,
        PoissonNLL,
        Quantile,
        SoftmaxCrossEntropy,
    )
    from handnn.many import train_many
    from handnn.network import Network, mlp
    from handnn.optimizers import LBFGS, SGD, AdaGrad, Adam, AdamW, RMSProp
    from handnn.storage import FormatError, load
    from handnn.tables import Columns, TableModel, Target
    from handnn.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "LBFGS",
    "MAE",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Affine",
    "BCEWithLogits",
    "BatchNorm",
    "Columns",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Ensemble",
    "FormatError",
    "GaussianNLL",
    "History",
    "Huber",
    "LayerNorm",
    "LeakyReLU",
    "MSELoss",
    "Network",
    "PoissonNLL",
    "Quantile",
    "RMSProp",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "TableModel",
    "Tanh",
    "Target",
    "Trainer",
    "__version__",
    "article",
    "cpu_info",
    "from_torch",
    "functional",
    "get_num_threads",
    "gradient_check",
    "layer_statistics",
    "load",
    "load_weights",
    "metrics",
    "mlp",
    "schedules",
    "set_num_threads",
    "to_c",
    "to_onnx",
    "to_torch",
    "trace",
    "train_many",
]

# Where each name is: a module is loaded when one of its names is first asked for, for together they
# take longer than all else. gradient_check cannot wait, because its module has its name.
_PLACES = {
    "divergence": "DivergenceError",
    "early_stopping": "EarlyStopping",
    "ensemble": "Ensemble",
    "exchange": "from_torch load_weights to_c to_onnx to_torch",
    "history": "History",
    "inside": "layer_statistics trace",
    "layers": "Affine BatchNorm Dropout ELU Embedding GELU LayerNorm LeakyReLU ReLU Residual SiLU "
    "Sigmoid Softmax Softplus Tanh",
    "losses": "BCEWithLogits GaussianNLL Huber MAE MSELoss PoissonNLL Quantile SoftmaxCrossEntropy",
    "many": "train_many",
    "network": "Network mlp",
    "optimizers": "AdaGrad Adam AdamW LBFGS RMSProp SGD",
    "storage": "FormatError load",
    "tables": "Columns TableModel Target",
    "trainer": "Trainer",
}
_MODULES = {"article", "functional", "initializers", "metrics", "schedules", *_PLACES}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"handnn.{name}")
    for module, names in _PLACES.items():
        if name in names.split():
            value: object = getattr(import_module(f"handnn.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'handnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
