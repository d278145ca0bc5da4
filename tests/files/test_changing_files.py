"""Tables that change while a command reads them: an error, never the rows of two tables."""

from __future__ import annotations

import io
import os

import pytest

from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

from handnn.files.reading.source import Source  # noqa: E402

QUICK = ["--epochs", "3", "--networks", "1", "--hidden", "4", "--quiet"]


def append(path):
    with open(path, "ab") as file:
        file.write(b"50.5,3,Ulm,700.5\n" * 10)


def overwrite(path):
    """Write other rows of the same form and size in place."""
    with open(path, "r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content.replace(b"Ulm", b"Eis"))


def replace(path):
    other = path.with_name("other")
    other.write_bytes(as_csv(flats(30, seed=1)).encode())
    os.replace(other, path)


IN_PLACE = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 3),
    "appended": append,
    "overwritten": overwrite,
}
ELSEWHERE = {"replaced": replace, "deleted": os.unlink}
"""Changes of the name only: an open file keeps its rows."""


@pytest.fixture
def changed(monkeypatch):
    """Make `change` happen after the first block of the pass with this number, from 1 on."""

    def apply(path, change, number=1):
        usual, count = Source.blocks, 0

        def blocks(self, *arguments, **settings):
            nonlocal count
            count += 1
            is_now = count == number
            for block in usual(self, *arguments, **settings):
                yield block
                if is_now:
                    change(path)
                    is_now = False

        monkeypatch.setattr(Source, "blocks", blocks)

    return apply


def content(suffix, count=120):
    if suffix == "csv":
        return as_csv(flats(count)).encode()
    buffer = io.BytesIO()
    pl.DataFrame(flats(count)).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture
def model(handnn_command, table, tmp_path):
    """The path of a model, and the predictions of 120 rows."""
    path = table(content("csv"), "training.csv")
    arguments = ["train", path, "--target", "price", *QUICK, "--out", tmp_path / "m"]
    assert handnn_command(*arguments).code == 0
    return tmp_path / "m", handnn_command("predict", tmp_path / "m", path).out


@pytest.mark.parametrize("change", IN_PLACE)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_change_in_place_while_rows_are_predicted(
    handnn_command, table, tmp_path, model, changed, command, change
):
    path = table(content("csv"))
    changed(path, IN_PLACE[change])
    out = ["--out", tmp_path / "out.csv"] if command == "predict" else []
    done = handnn_command(command, model[0], path, *out)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"handnn: {path} was changed while it was read\n"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("change", IN_PLACE)
@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_change_in_place_while_a_model_is_trained(
    handnn_command, table, tmp_path, changed, suffix, stream, change
):
    path = table(content(suffix), f"t.{suffix}")
    changed(path, IN_PLACE[change])
    arguments = ["train", path, "--target", "price", stream, *QUICK, "--out", tmp_path / "m"]
    done = handnn_command(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"handnn: {path} ") and done.err.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("change", IN_PLACE)
def test_a_change_in_place_in_a_later_pass(
    handnn_command, table, tmp_path, changed, change, number
):
    path = table(content("csv"))
    changed(path, IN_PLACE[change], number)
    arguments = ["train", path, "--target", "price", "--stream", *QUICK, "--out", tmp_path / "m"]
    done = handnn_command(*arguments)
    assert done.err == f"handnn: {path} was changed while it was read\n"
    assert not (tmp_path / "m").exists()


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be renamed or deleted")
@pytest.mark.parametrize("change", ELSEWHERE)
def test_a_file_that_is_open_keeps_its_rows(
    handnn_command, table, tmp_path, model, changed, change
):
    path = table(content("csv"))
    arguments = ["train", path, "--target", "price", "--stream", *QUICK, "--out"]
    assert handnn_command(*arguments, tmp_path / "before").code == 0
    changed(path, ELSEWHERE[change])
    assert handnn_command(*arguments, tmp_path / "after").code == 0
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
    path.write_bytes(content("csv"))
    changed(path, ELSEWHERE[change])
    assert handnn_command("predict", model[0], path).out == model[1]
