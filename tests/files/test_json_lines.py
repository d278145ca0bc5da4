"""Files of JSON lines: rows as programs write them."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

import handnn
from handnn.files import TableError
from handnn.files.reading.source import open_table
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")


def as_json(columns):
    rows = zip(*columns.values(), strict=True)
    lines = [{k: v for k, v in zip(columns, row, strict=True) if v is not None} for row in rows]
    return "".join(json.dumps(line, default=float) + "\n" for line in lines)


@pytest.mark.parametrize("is_gz", [False, True])
def test_the_same_model_as_from_csv(table, is_gz):
    columns = flats()
    text = as_json(columns).encode()
    quick = {"epochs": 2, "networks": 1, "hidden": [4]}
    model = handnn.train_file(table(gzip.compress(text) if is_gz else text), "price", **quick)
    other = handnn.train_file(table(as_csv(columns)), "price", **quick)
    assert model.scores == other.scores
    assert model.columns.columns == other.columns.columns


def test_predict_keeps_the_rows(handnn_command, table, tmp_path):
    columns = flats()
    handnn.train_file(table(as_csv(columns)), "price", epochs=1, networks=1).save(tmp_path / "m")
    rows = table(as_json({name: values[:3] for name, values in columns.items()}), "rows.jsonl")
    done = handnn_command("predict", tmp_path / "m", rows, "--json", "--keep")
    assert done.code == 0
    assert [*json.loads(done.out.splitlines()[0])] == [*columns, "prediction"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": }\n', "line 2 is not JSON: Expecting value"),
        ('{"a": 1}\n[1]\n', r"line 2 is not a JSON object: '\[1\]'"),
        ('{"a": 1}\n\n{"a": [1]}\n', r"line 3, column 'a': \['1'\] is not a cell"),
        ('{"a": 1}\n' * 20_000 + '{"b": 1}\n', "line 20001: the first rows have no key 'b'"),
        ("{}\n{}\n", "the first rows have no keys"),
        ('{"a": ' + "[" * 100_000, "has more than|nested|is not JSON"),
        (
            '{"a": 1}\n{"a": ' + "[" * 9_000 + "]" * 9_000 + "}",
            # From Python 3.12 on, this is not too deep.
            "line 2 is not JSON: it is nested too|line 2, column 'a': .* is not a cell",
        ),
        ('{"a": 1}\n{"a": 1, "b": 2, "\\u0061": 3}\n', "line 2 has the key 'a' twice"),
        ('{"a": 1, "a": 1}\n', "line 1 has the key 'a' twice"),
        ('{"a": 1}\n{"a": "\\uD83d"}\n', "line 2 has a lone surrogate"),
        ('{"a\\udc00": 1}\n', "line 1 has a lone surrogate"),
        ('[{"a": 1}, {"a": 2}]', "is an array of JSON; JSON lines have one object on each line"),
        ('{\n  "a": 1\n}\n', "line 1 is not JSON: .*; each line must hold a whole object"),
        ('{"a": 1} {"a": 2}\n', "line 1 is not JSON: Extra data"),
    ],
)
def test_errors_name_the_line(table, text, message):
    with pytest.raises(TableError, match=message), open_table(table(text)) as source:
        list(source.blocks())


def test_numbers_keep_their_digits(table):
    text = '{"a": 12345678901234567890}\n{"a": 0.10}\n{"a": true}\n{"a": null}\n{"b": 1}\n'
    with open_table(table(text)) as source:
        assert source.names == ["a", "b"]
        (block,) = source.blocks(names=["a"])
        (again,) = source.blocks()
    assert block.frame["a"].to_list() == ["12345678901234567890", "0.10", "true", None, None]
    assert again.frame["a"].equals(block.frame["a"])
    assert np.array_equal(again.places, [1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("form", "encoding"),
    [("{}", "utf-8-sig"), ("{}", "utf-16"), ("{}\r", "utf-8"), ("\n {}\n\t", "utf-8")],
)
def test_marks_and_blank_lines(table, form, encoding):
    """Byte order marks, CRLF and blank lines make no difference."""
    cells = ["NaN", '"😀"', '"\\ud83d\\ude00"', "Infinity", "1e400", "9" * 5_000]
    text = "".join(form.format(f'{{"a": {cell}}}') + "\n" for cell in cells)
    with open_table(table(text.encode(encoding))) as source:
        (block,) = source.blocks()
        numbers = source.cells(block.frame["a"])
    assert block.frame["a"].to_list() == ["NaN", "😀", "😀", "Infinity", "1e400", "9" * 5_000]
    assert numbers.missing.to_list() == [True, *[False] * 5]
