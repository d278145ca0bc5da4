# mypy: disable-error-code="import-not-found, misc, unused-ignore, no-any-return, no-untyped-call"
"""Residual and Embedding as PyTorch modules; PyTorch has no equivalents.

Importing this module imports PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch


class Residual(torch.nn.Sequential):
    """``out = x + block(x)`` for a block that is a Sequential."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x + block(x)."""
        return x + super().forward(x)


class Embedding(torch.nn.Embedding):
    """``out = [x without the column, weight[code]]`` for codes in one column of x (N, I).

    Codes are truncated to integers. As in torch.nn.Embedding, a code without a row in the weight
    raises IndexError.
    """

    def __init__(
        self, n_codes: int, n_out: int, column: int, *, device: Any = None, **settings: Any
    ) -> None:
        super().__init__(n_codes, n_out, device=device, **settings)
        self.column = column

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the other columns of x, then weight[code]."""
        vectors = super().forward(x[:, self.column].long())
        return torch.cat([x[:, : self.column], x[:, self.column + 1 :], vectors], dim=1)

    def extra_repr(self) -> str:
        """Add the column to the repr."""
        return f"{super().extra_repr()}, column={self.column}"
