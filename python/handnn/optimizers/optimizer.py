"""What optimizers share."""

from __future__ import annotations

from typing import Any, Protocol

from handnn.arrays import Array


class Optimizer(Protocol):
    """Anything with `step`: handnn's own optimizers, and yours."""

    def step(self, params: dict[str, Array], grads: dict[str, Any], /) -> None:
        """Change every array of `params` in place, guided by the gradient of the same name."""
        ...
