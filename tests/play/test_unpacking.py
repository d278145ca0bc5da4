"""Small files that unpack to large tables are refused before any block of them is kept."""

from __future__ import annotations

import gzip
import zipfile

import polars as pl
import pytest

from handnn.files import TableError
from handnn.files.reading.excel_file import unpacked_size
from handnn.play import rows
from handnn.play.rows import MAX_MIB, MAX_ROWS, read_rows

TOO_LONG = "has more than 100,000 rows, the most that is supported"
TOO_LARGE = "unpacks to more than 256 MiB, the most that is supported"
MIB = 2**20


def gzip_file(path, row, n_rows):
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,y\n")
        for _ in range(n_rows // 100):
            file.write(row * 100)
    return path


@pytest.fixture
def keeps_nothing(monkeypatch):
    monkeypatch.setattr(rows, "survey", None)


def many_rows(folder):
    return gzip_file(folder / "a.csv.gz", b"1,2\n", MAX_ROWS + 100)


def rows_of_nothing(folder):
    path = folder / "a.parquet"
    pl.DataFrame({"a": pl.Series([1.0]).new_from_index(0, 10**7)}).write_parquet(path)
    return path


def long_cells(folder):
    return gzip_file(folder / "a.csv.gz", b"x" * 10**5 + b",2\n", 3000)


def repeated_string(folder):
    """Write one string of a megabyte once, in 300 rows."""
    path, word = folder / "a.parquet", "x" * MIB
    column = pl.Series("a", [word], dtype=pl.Enum([word])).new_from_index(0, 300)
    column.to_frame().write_parquet(path)
    return path


def workbook(folder, declared=None):
    """Write a zip archive of zeros that has the name of a workbook's part."""
    path = folder / "a.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/workbook.xml", "w") as part,
    ):
        for _ in range(MAX_MIB + 1):
            part.write(bytes(MIB))
    if declared is not None:
        content = bytearray(path.read_bytes())
        place = content.rindex(b"PK\x01\x02") + 24  # the size of the part in the directory
        content[place : place + 4] = declared.to_bytes(4, "little")
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (many_rows, TOO_LONG),
        (rows_of_nothing, TOO_LONG),
        (long_cells, TOO_LARGE),
        (repeated_string, TOO_LARGE),
        (workbook, TOO_LARGE),
    ],
)
@pytest.mark.usefixtures("keeps_nothing")
def test_small_files_with_large_tables(tmp_path, write, message):
    path = write(tmp_path)
    assert path.stat().st_size < 8 * MIB
    with pytest.raises(ValueError, match=message):
        read_rows(path, "y")


def test_a_workbook_that_is_larger_than_it_says(tmp_path):
    path = workbook(tmp_path, declared=1000)
    with pytest.raises(TableError, match="is a damaged Excel file"):
        read_rows(path, "y")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_workbook_of_another_compression(tmp_path, compression):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("xl/workbook.xml", bytes(100))
    content = bytearray(path.read_bytes())
    content[50:60] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"damaged Excel file: see its part 'xl/workbook\.xml'"):
        read_rows(path, "y")


def test_sizes_of_files_of_other_formats(tmp_path):
    assert unpacked_size(many_rows(tmp_path), MIB) == 0
    assert unpacked_size(workbook(tmp_path), MIB) == (MAX_MIB + 1) * MIB
