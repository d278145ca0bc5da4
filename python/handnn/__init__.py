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

from handnn import article, functional, schedules
from handnn.gradient_check import gradient_check
from handnn.history import History
from handnn.layers import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from handnn.losses import MSELoss
from handnn.network import Network, mlp
from handnn.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp
from handnn.storage import FormatError, load
from handnn.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Affine",
    "BatchNorm",
    "FormatError",
    "History",
    "LayerNorm",
    "LeakyReLU",
    "MSELoss",
    "Network",
    "RMSProp",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Trainer",
    "__version__",
    "article",
    "cpu_info",
    "functional",
    "get_num_threads",
    "gradient_check",
    "load",
    "mlp",
    "schedules",
    "set_num_threads",
]
