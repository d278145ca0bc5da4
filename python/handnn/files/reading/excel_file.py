"""The first sheet of an Excel file, read like a Parquet file: its cells have types."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec

from handnn.files.reading.input_file import InputFile
from handnn.files.reading.parquet_file import ParquetFile

ZIP = b"PK\x03\x04"
"""The first bytes of a zip archive, which an Excel file is."""


class ExcelFile(ParquetFile):
    """The first sheet of an Excel file (.xlsx), whose first row holds the names of the columns.

    Rows have the numbers that Excel shows. Raises TableError when the file is damaged, ImportError
    without the package fastexcel, which polars reads such files with.
    """

    what = "an Excel file"
    first_row = 2

    def __init__(self, file: InputFile) -> None:
        if find_spec("fastexcel") is None:
            raise ImportError("Excel files need fastexcel: pip install fastexcel")
        super().__init__(file)


def is_excel(file: InputFile) -> bool:
    """Return whether a file is a zip archive with a workbook."""
    if not file.start.startswith(ZIP):
        return False
    try:
        with zipfile.ZipFile(file.local_path) as archive:
            return any(name.startswith("xl/workbook.") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
