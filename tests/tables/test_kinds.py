"""Which columns are numbers and which are categories, in typed and untyped tables."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pytest

from handnn import Columns
from handnn.tables import CategoryColumn, read_csv, typed

COLUMNS = {
    "floats": ([1.5, 2, 3], "number"),
    "ints": ([1, 2, 2], "number"),
    "an array of ints": (np.array([1, 2, 2], np.uint8), "number"),
    "float16": (np.array([1, 2, 2], np.float16), "number"),
    "ints with a gap": ([1, None, 2], "number"),
    "bools": ([True, False, True], "category"),
    "bools with a gap": ([True, None, True], "category"),
    "bools of NumPy": (np.array([True, False]), "category"),
    "text": (["a", "b", "a"], "category"),
    "text of NumPy": (np.array(["a", "b"]), "category"),
    "text of NumPy that reads as numbers": (np.array(["1", "2"]), "number"),
    "dates": ([datetime.date(2024, 5, 1), None], "date"),
    "times of NumPy": (np.zeros(3, "M8[s]"), "date"),
    "text that is dates": (["2024-05-01", "2024-05-01T12:00Z", ""], "date"),
    "texts of bools": (["true", "FALSE", "t"], "category"),
    "text that reads as numbers": (["1", "2.5", " -3e2 "], "number"),
    "that, with gaps": (["1", "", "NA", "2"], "number"),
    "text with gaps": (["a", "", "b"], "category"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_infers_the_kind_of_a_column(name):
    values, kind = COLUMNS[name]
    assert Columns.learn({"a": values}).columns[0].kind == kind


@pytest.mark.parametrize("gap", [None, np.nan, "", "  ", "NA", "N/A", "#N/A", "nan", "NaN", "null"])
def test_gaps_of_untyped_tables(gap):
    columns = Columns.learn([[1.0, "x"], [gap, gap], [3.0, "y"]])
    assert [column.has_gaps for column in columns.columns] == [True, True]
    assert columns.columns[0].median == 2 and columns.columns[1].labels == ("x", "y")


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_gap_words_are_the_same_in_every_table(kind):
    column = Columns.learn({"a": kind(["NA", "", "nan", "b"])}).columns[0]
    assert column.labels == ("b",) and column.has_gaps


def test_other_gap_words():
    table = {"a": ["NA", "", "DE", "NA"], "b": [-999, 1, 2, "-999.0"]}
    columns = Columns.learn(table, gaps=["-999"])
    assert columns.columns[0].labels == ("DE", "NA") and columns.columns[1].median == 1.5
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    assert again.gaps == ("-999",)
    assert np.array_equal(again.transform(table), columns.transform(table))


def test_a_label_beats_a_gap_word():
    columns = Columns([CategoryColumn(("DE", "NA"), (1, 1), False)], ["a"])
    assert columns.transform({"a": ["NA", " NA ", "N/A", None]}).tolist() == [[1], [1], [2], [2]]


def test_masked_entries_are_gaps():
    x = np.ma.masked_array([[1.0, 9], [99, 8], [3, 7]], [[0, 0], [1, 0], [0, 0]])
    columns = Columns.learn(x)
    assert columns.columns[0].median == 2 and columns.columns[0].has_gaps
    column = np.ma.masked_array([1, 99, 3], [0, 1, 0])
    assert Columns.learn({"a": column}).columns[0].median == 2


def test_a_structured_array_has_names():
    rows = np.array([(1.5, "x"), (2.5, "y")], [("a", "f8"), ("b", "U3")])
    columns = Columns.learn(rows)
    assert columns.feature_names_in == ("a", "b")
    assert [column.kind for column in columns.columns] == ["number", "category"]


def test_kinds_turn_numbers_into_categories():
    columns = Columns.learn({"zip": [89073, 53111, 89073, None]}, kinds={"zip": "category"})
    assert columns.columns[0].labels == (53111, 89073)
    assert all(type(label) is int for label in columns.columns[0].labels)
    assert columns.transform({"zip": [53111.0, 89073, np.nan, 4]})[:, 0].tolist() == [0, 1, 2, 3]
    assert columns.transform({"zip": ["53111", "NA"]})[:, 0].tolist() == [0, 2]
    assert columns.transform({"zip": ["x", "053111", "5.3111e4"]})[:, 0].tolist() == [3, 0, 0]
    assert columns.transform({"zip": np.array(["53111"])})[:, 0].tolist() == [0]


def test_kinds_keep_numeric_text_as_labels():
    columns = Columns.learn([["01067", 1.0], ["89073", 2.0]], kinds={0: "category"})
    assert columns.columns[0].labels == ("01067", "89073")


def test_kinds_turn_text_into_numbers():
    values = np.array(["1", "2", "6"])
    columns = Columns.learn({"a": values}, kinds={"a": "number"})
    assert columns.columns[0].mean == 3
    assert columns.transform({"a": np.array(["3"])}).tolist() == [[0]]
    with pytest.raises(ValueError, match="column 'a', row 1: 'x' is not a number"):
        columns.transform({"a": ["3", "x"]})


def test_kinds_allow_identifiers():
    identifiers = [f"id{n}" for n in range(40)]
    columns = Columns.learn({"a": identifiers}, kinds={"a": "category"})
    assert len(columns.columns[0].labels) == 40


def test_error_for_a_bad_cell_of_a_file_names_the_remedy():
    with pytest.raises(ValueError, match=r"row 2: '\?' is text.*kinds=\{'a': \"category\"\}"):
        Columns.learn({"a": ["1", "2", "?", "4"]})


def test_reads_bools_from_text():
    columns = Columns.learn({"a": [True, False, True]})
    assert columns.transform({"a": ["true", "False", "1", "0", ""]})[:, 0].tolist() == [
        1, 0, 1, 0, 2,
    ]  # fmt: skip


def test_names_must_be_text_or_positions():
    with pytest.raises(TypeError, match="names of the columns must all be text, but one is 3"):
        Columns.learn({"a": [1.0], 3: [2.0]})
    assert Columns.learn({0: [1.0], 1: [2.0]}).feature_names_in is None


def csv(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_read_csv(tmp_path):
    path = csv(tmp_path / "t.csv", '\ufeffage,town\n1,"Ulm, Donau"\n\n,Köln\n3,\n')
    table = read_csv(path)
    assert table == {"age": ["1", "", "3"], "town": ["Ulm, Donau", "Köln", ""]}
    columns = Columns.learn(table)
    assert columns.columns[0].median == 2 and columns.columns[1].labels == ("Köln", "Ulm, Donau")
    assert read_csv(csv(tmp_path / "s.csv", "a;b\n1;2\n"), delimiter=";") == {
        "a": ["1"],
        "b": ["2"],
    }


WRONG_FILES = {
    "a\n1\n2,3\n": "line 3: has 2 cells, but 1 columns",
    "a,a\n1,2\n": "two columns 'a'",
    'a\n"1\n': "line 2",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_read_csv_names_the_line_of_an_error(tmp_path, text):
    with pytest.raises(ValueError, match=f"^read_csv: .*{WRONG_FILES[text]}"):
        read_csv(csv(tmp_path / "t.csv", text))


def test_read_csv_rejects_other_encodings(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(ValueError, match=r"^read_csv: .*utf-8"):
        read_csv(path)


TYPED = [
    (["1", " 2", "-3"], [1, 2, -3], "i"),
    (["1", "2.5"], [1, 2.5], "f"),
    (["1", "99999999999999999999"], [1, 1e20], "f"),
]


@pytest.mark.parametrize(("values", "expected", "kind"), TYPED)
def test_typed_detects_numbers(values, expected, kind):
    found = typed(values)
    assert found.tolist() == expected and found.dtype.kind == kind


def test_typed_with_gaps_or_text():
    assert np.array_equal(typed(["1", "", "NA"]), [1, np.nan, np.nan], equal_nan=True)
    assert typed(["1", "x"]) == ["1", "x"]


def test_equal_numbers_are_one_category():
    columns = Columns.learn({"a": [3, 3.0, 2.5, 3]}, kinds={"a": "category"})
    assert (columns.columns[0].labels, columns.columns[0].counts) == ((2.5, 3), (1, 3))
    assert type(columns.columns[0].labels[1]) is int
    with pytest.raises(ValueError, match="column 'a', row 1: inf is not finite"):
        Columns.learn({"a": [1.0, np.inf]}, kinds={"a": "category"})


def test_rejects_ragged_rows():
    with pytest.raises(ValueError, match="row 1 must be a list of cells, but is {'a': 2}"):
        Columns.learn([[1], {"a": 2}])
    with pytest.raises(ValueError, match="row 0 has 1 cells but row 2 has 2"):
        Columns.learn([[1], [2], [3, 4]])
