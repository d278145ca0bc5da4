"""Tables in CSV and Parquet files: strict reading, training, and models that predict such files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handnn.files.errors import TableError
    from handnn.files.model import FileModel
    from handnn.files.train import train_file

# Imported when first used, so that a prediction does not wait for what only training needs.
_MODULE_OF = {"FileModel": "model", "TableError": "errors", "train_file": "train"}

__all__ = ["FileModel", "TableError", "train_file"]


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        return getattr(import_module(f"handnn.files.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'handnn.files' has no attribute {name!r}")
