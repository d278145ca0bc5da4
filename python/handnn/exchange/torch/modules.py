# mypy: disable-error-code="import-not-found, misc, unused-ignore, no-any-return, no-untyped-call"
"""What PyTorch has no module for: Residual and Embedding, as modules of a few lines.

Importing this imports PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch


class Residual(torch.nn.Sequential):
    """``out = x + block(x)``, the modules of the block being those of a Sequential."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x + block(x)."""
        return x + super().forward(x)


class Embedding(torch.nn.Embedding):
    """``out = [x without the column, weight[code]]``, the codes in one column of x (N, I).

    As in any torch.nn.Embedding, a code that is no row of the weight is an IndexError; what a code
    has behind the decimal point is cut off.
    """

    def __init__(
        self, n_codes: int, n_out: int, column: int, *, device: Any = None, **settings: Any
    ) -> None:
        super().__init__(n_codes, n_out, device=device, **settings)
        self.column = column

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the columns of x without the codes, then weight[code]."""
        vectors = super().forward(x[:, self.column].long())
        return torch.cat([x[:, : self.column], x[:, self.column + 1 :], vectors], dim=1)

    def extra_repr(self) -> str:
        """Name the column, too."""
        return f"{super().extra_repr()}, column={self.column}"
