"""Training: `Trainer`, `train_many`, `History`, `EarlyStopping` and `DivergenceError`.

The names are imported on first use, so that ``import handnn.training`` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handnn.training.divergence import DivergenceError as DivergenceError
    from handnn.training.early_stopping import EarlyStopping as EarlyStopping
    from handnn.training.history import Epoch as Epoch
    from handnn.training.history import History as History
    from handnn.training.many import train_many as train_many
    from handnn.training.trainer import Trainer as Trainer

_MODULES = {
    "DivergenceError": "divergence",
    "EarlyStopping": "early_stopping",
    "Epoch": "history",
    "History": "history",
    "Trainer": "trainer",
    "train_many": "many",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
