"""PyTorch, imported when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def imported_torch(where: str) -> ModuleType:
    """Return the module torch; raise ImportError with the command that installs it."""
    try:
        import torch
    except ImportError:
        raise ImportError(f"{where} needs PyTorch: pip install torch") from None
    module: ModuleType = torch
    return module
