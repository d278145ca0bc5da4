"""to_torch: a Network, a TableModel or a fitted estimator as a module of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from handnn.exchange.estimators import Estimator, as_model
from handnn.exchange.torch.library import imported_torch
from handnn.exchange.torch.to_modules import network_to_torch
from handnn.network import Network
from handnn.tables import TableModel

if TYPE_CHECKING:
    from torch.nn import Module, Sequential


@overload
def to_torch(network: Network) -> Sequential: ...


@overload
def to_torch(network: TableModel | Estimator) -> Module: ...


def to_torch(network: Network | TableModel | Estimator) -> Module:
    """Return the network as a `torch.nn.Sequential` of the same dtype, with copies of its weights.

    Each brick becomes the module at the same index and in the same mode (training or prediction);
    Residual and Embedding become the modules of `handnn.exchange.torch.modules`. The random state
    of PyTorch does not change. Outputs agree up to rounding: see docs/exchange.md.

    A TableModel, or a fitted estimator as its `table_model()`, becomes a module that also has the
    preprocessing of the columns and the scaling of the target; see
    `handnn.exchange.torch.tables.TableModule` for its rows.

    Raises:
        TypeError: If a brick is not one of handnn's.
        ValueError: If an array was replaced by one that does not fit.
        ImportError: If PyTorch is not installed.

    Examples:
        >>> handnn.to_torch(handnn.mlp([3, 4, 1], rng=0))  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=3, out_features=4, bias=True)
          (1): ReLU()
          (2): Linear(in_features=4, out_features=1, bias=True)
        )
    """
    model = as_model(network)
    if not isinstance(model, TableModel):
        return network_to_torch(model)
    imported_torch("to_torch")
    from handnn.exchange.torch.tables import TableModule

    return TableModule(model)
