"""The first sheet of an Excel file, read like a Parquet file: its cells have types."""

from __future__ import annotations

import os
import zipfile
import zlib
from importlib.util import find_spec

from handnn.files.errors import TableError
from handnn.files.reading.input_file import InputFile
from handnn.files.reading.parquet_file import ParquetFile

ZIP = b"PK\x03\x04"
"""The first bytes of a zip archive, which an Excel file is."""


COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How the parts of an Excel file may be compressed."""


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


def unpacked_size(path: str | os.PathLike[str], limit: int) -> int:
    """Return the size in bytes of the parts of an Excel file, and 0 for a file of another format.

    If it is within the limit, the parts are checked to have the size that the file says.

    Raises TableError when a part is damaged or has another size, OSError if it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(ZIP)) != ZIP:
            return 0
        try:
            with zipfile.ZipFile(file) as archive:
                parts = archive.infolist()
                size = sum(part.file_size for part in parts)
                unknown = (p.filename for p in parts if p.compress_type not in COMPRESSIONS)
                damaged = next(unknown, None)
                if damaged is None and size <= limit:
                    damaged = archive.testzip()
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise TableError(f"{file.name} is a damaged Excel file: {error}") from None
    if damaged is not None:
        raise TableError(f"{file.name} is a damaged Excel file: see its part {damaged!r:.100}")
    return size
