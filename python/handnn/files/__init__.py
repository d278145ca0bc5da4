"""Tables in CSV and Parquet files: strict reading, training, and models that predict such files."""

from __future__ import annotations

from handnn.files.errors import TableError
from handnn.files.model import FileModel
from handnn.files.train import train_file

__all__ = ["FileModel", "TableError", "train_file"]
