"""Cells that are written back unchanged, pipes, closed outputs, and files that change."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest

from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

from handnn.files import TableError  # noqa: E402
from handnn.files.reading.source import open_table  # noqa: E402

QUICK = ["--epochs", "1", "--networks", "1", "--hidden", "4", "--quiet"]
COMMAND = [sys.executable, "-c", "import sys; from handnn.cli import main; sys.exit(main())"]


@pytest.fixture
def model(handnn_command, table, tmp_path):
    """The path of a model of flats."""
    path = tmp_path / "flats.safetensors"
    data = table(as_csv(flats()), "training.csv")
    assert handnn_command("train", data, "--target", "price", *QUICK, "--out", path).code == 0
    return path


def test_keep_writes_the_cells_of_csv_unchanged(handnn_command, table, model, tmp_path):
    content = (
        "id,area,floor,town,note,prediction\n"
        '007,50.10,NA, Ulm ,"a ""b"", c",old\n'
        "008,1e1,,Bonn,null,=1+1\n"
    )
    out = tmp_path / "out.csv"
    result = handnn_command("predict", model, table(content), "--keep", "--out", out)
    assert result.code == 0, result.err
    lines = out.read_text("utf-8").splitlines()
    assert lines[0] == "id,area,floor,town,note,prediction,prediction_2"
    for line, given in zip(lines[1:], content.splitlines()[1:], strict=True):
        assert line.rsplit(",", 1)[0] == given


def test_keep_writes_parquet_with_its_types(handnn_command, model, tmp_path):
    frame = pl.DataFrame(
        {
            "id": pl.Series([2**63 + 1, 2**63 + 2], dtype=pl.UInt64),
            "amount": [Decimal("12345678901234567.89"), None],
            "ok": [True, None],
            "day": [date(2024, 1, 1), None],
            "tags": [["a"], []],
            "*": [1, 2],
            "^area$": [3, 4],
            "area": [50.0, 60.0],
            "floor": [1, 2],
            "town": ["Ulm", "Bonn"],
        }
    )
    frame.write_parquet(tmp_path / "new.parquet")
    out = tmp_path / "out.parquet"
    arguments = ["predict", model, tmp_path / "new.parquet", "--keep", "--out", out]
    assert handnn_command(*arguments).code == 0
    found = pl.read_parquet(out)
    assert found.columns == [*frame.columns, "prediction"]
    assert found[frame.columns].equals(frame)


def test_commands_read_standard_input(table, model, tmp_path, handnn_command):
    data = as_csv(flats(20))
    expected = handnn_command("predict", model, table(data), "--quiet").out
    for name in ["-", *(["/dev/stdin"] if os.path.exists("/dev/stdin") else [])]:
        done = subprocess.run(
            [*COMMAND, "predict", str(model), name, "--quiet"],
            input=data.encode(), capture_output=True, check=True,
        )  # fmt: skip
        assert done.stdout.decode() == expected
    frame = pl.DataFrame(flats(20))
    frame.write_parquet(tmp_path / "t.parquet")
    done = subprocess.run(
        [*COMMAND, "evaluate", str(model), "-"],
        input=(tmp_path / "t.parquet").read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    assert b"20 rows" in done.stdout


def test_the_encoding_of_the_output(handnn_command, table, tmp_path):
    """UTF-8 in any locale; another one on request, unless a label would be lost."""
    towns = ["Łódź", "Zürich", "=1+1"]
    rows = "".join(f"{k % 3 * 10 + k % 2},{towns[k % 3]}\n" for k in range(60))
    data, out = table("x,town\n" + rows), tmp_path / "m"
    options = ["--epochs", "60", "--networks", "1", "--quiet", "--out", out]
    assert handnn_command("train", data, "--target", "town", *options).code == 0

    def predict(**variables):
        command = [*COMMAND, "predict", str(out), str(data)]
        environment = {**os.environ, "PYTHONUTF8": "0", **variables}
        return subprocess.run(command, capture_output=True, check=False, env=environment)

    for variables, encoding in (
        ({"LC_ALL": "C"}, "utf-8"),
        ({"PYTHONIOENCODING": ":strict"}, "utf-8"),
        ({"PYTHONIOENCODING": "iso8859-16"}, "iso8859-16"),
    ):
        done = predict(**variables)
        assert set(done.stdout.decode(encoding).split()) == {"prediction", *towns}, done.stderr
    done = predict(PYTHONIOENCODING="cp1252:replace")
    assert done.returncode == 1 and done.stdout == b""
    assert b"PYTHONIOENCODING requests cp1252, which has no" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_closed_stdout_is_an_error(table, model):
    words = " ".join(["'" + word + "'" for word in COMMAND])
    command = f"{words} predict {model} {table(as_csv(flats(20)))} >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        b"handnn: cannot write the output: stdout is closed\n",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_outputs_that_are_not_files_are_rejected_before_training(handnn_command, table, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for out in (pipe, "/dev/null"):
        arguments = ["train", table(as_csv(flats())), "--target", "price", "--out", out]
        result = handnn_command(*arguments)
        assert result.code == 1
        assert result.err == f"handnn: cannot write {out}: it is not a regular file\n"


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs the devices of Unix")
@pytest.mark.parametrize("command", ["train", "predict"])
def test_devices_without_end_are_not_tables(handnn_command, model, command, monkeypatch):
    words = ["--target", "price"] if command == "train" else []
    given = [model] if command == "predict" else []
    assert "is empty" in handnn_command(command, *given, "/dev/null", *words).err
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: pytest.fail("a copy without end"))
    result = handnn_command(command, *given, "/dev/zero", *words)
    assert (result.code, result.err) == (1, "handnn: /dev/zero is a device, not a table\n")


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs the files of Linux")
def test_files_without_a_size_are_not_read(handnn_command, model):
    """Reading /proc/kmsg, which only root may open, waits for the next message of the kernel."""
    name = "/proc/kmsg" if os.access("/proc/kmsg", os.R_OK) else "/proc/self/maps"
    result = handnn_command("predict", model, name)
    assert (result.code, result.err) == (1, f"handnn: {name} is empty\n")


def test_export_replaces_a_file_only_with_force(handnn_command, model):
    assert handnn_command("export", model, "--to", "c").code == 0
    refused = handnn_command("export", model, "--to", "c")
    assert refused.code == 1 and "exists; use --force to replace it, or --out" in refused.err
    assert handnn_command("export", model, "--to", "c", "--force").code == 0
    assert handnn_command("export", model, "--to", "c", "--out", model.with_suffix(".c")).code == 0


def test_a_file_that_changes_while_it_is_read_is_an_error(table):
    path = table(as_csv(flats()))
    with open_table(path) as source:
        list(source.blocks())
        path.write_text(as_csv(flats(200)), "utf-8")
        with pytest.raises(TableError, match="was changed while it was read"):
            source.check_unchanged()
        with pytest.raises(TableError, match="was changed while it was read"):
            list(source.blocks())


def test_unused_columns_are_never_judged(handnn_command, model, tmp_path):
    columns = flats(30)
    frame = pl.DataFrame(columns).with_columns(
        when=pl.lit(date(2024, 1, 1)), tags=pl.lit([1, 2]), pair=pl.struct("area", "floor")
    )
    frame.write_parquet(tmp_path / "t.parquet")
    for command in ("predict", "evaluate"):
        result = handnn_command(command, model, tmp_path / "t.parquet")
        assert result.code == 0, result.err
    ignored = ["--ignore", "when,tags,pair", "--out", tmp_path / "m"]
    arguments = ["train", tmp_path / "t.parquet", "--target", "price", *QUICK, *ignored]
    assert handnn_command(*arguments).err == ""


def test_messages_escape_control_characters(handnn_command, table):
    path = table("a\x1b[31m,b\n" + "".join(f"{k},{k}\n" for k in range(20)))
    result = handnn_command("train", path, "--target", "c")
    assert result.code == 1 and "\x1b" not in result.err and "\\x1b[31m" in result.err


def test_inspect_escapes_names_and_labels(handnn_command, table, tmp_path):
    rows = "".join(f"{k},k{k % 3}\x1b]0;x\x07,{k}\n" for k in range(60))
    path = table("a\x1b[31m,b,y\n" + rows)
    done = handnn_command("train", path, "--target", "y", *QUICK, "--out", tmp_path / "m")
    assert done.code == 0 and "\x1b" not in done.out + done.err
    done = handnn_command("inspect", tmp_path / "m")
    assert done.code == 0 and "a\\x1b[31m" in done.out and "k0\\x1b]0;x\\x07" in done.out
    assert all(line.isprintable() for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("trained", "predicted"),
    [
        (["NA", "US", "DE"], ["NA", "US", "DE"]),
        (["1", "2", "3"], ["1.0", "2e0", "03"]),
        (["true", "false", "x"], ["True", "FALSE", "x"]),
        (["Ulm", "Bonn", "Kiel"], [" Ulm", "Bonn\u00a0", "Kiel "]),
    ],
)
def test_a_category_has_one_meaning_in_csv_and_python(
    handnn_command, table, tmp_path, trained, predicted
):
    from handnn.files import FileModel

    def rows(words):
        return "x,kind,y\n" + "".join(f"{k},{words[k % 3]},{k % 3 * 9}\n" for k in range(60))

    out = tmp_path / "m"
    arguments = ["train", table(rows(trained)), "--target", "y", "--task", "regression"]
    options = ["--category", "kind", "--no-default-gaps"]
    assert handnn_command(*arguments, *options, *QUICK, "--out", out).code == 0
    new = handnn_command("predict", out, table(rows(predicted)))
    assert new.err == "60 rows predicted\n"
    old = handnn_command("predict", out, table(rows(trained)))
    assert new.out == old.out
    table_of = {"x": list(range(60)), "kind": [predicted[k % 3] for k in range(60)]}
    in_python = FileModel.load(out).predict(table_of)
    assert list(map(float, old.out.split()[1:])) == in_python.tolist()
