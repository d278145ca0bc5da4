"""Fitted estimators as models that can be exported."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from handnn.network import Network
from handnn.tables import TableModel


@runtime_checkable
class Estimator(Protocol):
    """A fitted estimator of `handnn.sklearn`."""

    def table_model(self) -> TableModel:
        """Return its networks with their preprocessing."""
        ...


def as_model(model: Network | TableModel | Estimator) -> Network | TableModel:
    """Return the TableModel of an estimator, other models as they are."""
    return model.table_model() if isinstance(model, Estimator) else model
