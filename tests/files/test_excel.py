"""Excel sheets: training, prediction, and files that cannot be read."""

from __future__ import annotations

import zipfile

import pytest

import handnn
from handnn.files import TableError
from tests.files.tables import flats

pl = pytest.importorskip("polars")
pytest.importorskip("fastexcel")
pytest.importorskip("xlsxwriter")


def test_train_and_predict(handnn_command, tmp_path):
    path = tmp_path / "flats.xlsx"
    pl.DataFrame(flats()).write_excel(path)
    quick = ["--epochs", 1, "--networks", 1, "--out", tmp_path / "m"]
    done = handnn_command("train", path, "--target", "price", *quick)
    assert done.code == 0, done.err
    done = handnn_command("predict", tmp_path / "m", path)
    assert done.code == 0 and len(done.out.splitlines()) == len(flats()["price"]) + 1


def test_rows_have_the_numbers_of_excel(tmp_path):
    path = tmp_path / "t.xlsx"
    frame = pl.DataFrame({"x": ["1", "2", "z"] + ["3"] * 20, "y": range(23)})
    frame.write_excel(path)
    with pytest.raises(TableError, match="column 'x' has 'z' in row 4, which is not a number"):
        handnn.train_file(path, "y")


def test_a_damaged_sheet_and_another_archive_are_errors(tmp_path):
    path = tmp_path / "t.xlsx"
    pl.DataFrame(flats()).write_excel(path)
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)
    with pytest.raises(TableError, match="is not an Excel file that can be read"):
        handnn.train_file(path, "price")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", "a,b\n1,2\n")
    with pytest.raises(TableError, match="is a zip archive, perhaps an Excel file"):
        handnn.train_file(path, "price")
