"""Tables in CSV and Parquet files: strict reading, training, and models that predict such files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handnn.files.errors import TableError
from handnn.files.model import FileModel

if TYPE_CHECKING:
    from handnn.files.train import train_file

__all__ = ["FileModel", "TableError", "train_file"]


def __getattr__(name: str) -> object:
    if name == "train_file":  # imported lazily, so that predictions start faster
        from handnn.files import train

        return train.train_file
    raise AttributeError(f"module 'handnn.files' has no attribute {name!r}")
