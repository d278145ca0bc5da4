"""Columns that nothing can be learned from are left out with a note, or are errors if strict."""

from __future__ import annotations

import json

import pytest

import handnn
from handnn.files import FileModel, TableError
from tests.files.tables import as_csv, flats

pytest.importorskip("polars")

QUICK = ["--epochs", "1", "--networks", "1", "--hidden", "4"]


@pytest.fixture
def odd_flats():
    """Rows about flats with columns that are left out, one of dates and one of percentages."""
    columns = flats()
    return {
        "": list(range(120)),
        **columns,
        "country": ["DE"] * 120,
        "remark": [None] * 120,
        "name": [f"flat {k}" for k in range(120)],
        "day": [f"2024-0{k % 9 + 1}-11" for k in range(120)],
        "share": [f"{k % 30}%" for k in range(120)],
        "children": ["0", "1", "2", "3+"] * 30,
        "grade": ["1", "2", "3", "."] * 30,
    }


LEFT_OUT = {
    "Unnamed: 0": "is an index of the rows: it is left out; use --use 'Unnamed: 0' to learn from "
    "it",
    "country": "has the same value 'DE' in every row: it is left out",
    "remark": "has no value in any row: it is left out",
    "name": "like an identifier or free text: it is left out; use --use name to learn from it",
}


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_each_decision_is_one_line(handnn_command, table, tmp_path, odd_flats, stream):
    out = tmp_path / "m"
    arguments = ["train", table(as_csv(odd_flats)), "--target", "price", *QUICK, *stream]
    result = handnn_command(*arguments, "--out", out, "--report", tmp_path / "r.html")
    assert result.code == 0, result.err
    lines = [line for line in result.err.splitlines() if line.startswith("note: ")]
    assert len(lines) == 8
    for (name, text), line in zip(LEFT_OUT.items(), lines[:4], strict=True):
        assert line.startswith(f"note: column {name!r} ") and line.endswith(text)
    assert "column 'share' is read as numbers, without the %; use --category share" in lines[4]
    assert lines[5].endswith("'children' has numbers and '3+': its few values are categories")
    assert lines[6].endswith("are categories; if it marks a missing value, use --gap .")
    assert "dates, read as days and cycles: 'day'; use --category day" in lines[7]
    kinds = FileModel.load(out).kinds
    assert kinds == {
        "area": "number", "floor": "number", "town": "category", "day": "date", "share": "number",
        "children": "category", "grade": "category",
    }  # fmt: skip
    decisions = json.loads(handnn_command("inspect", out, "--json").out)["decisions"]
    assert len(decisions) == 8 and "use=['name']" in decisions[3]
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "is left out" in page and "use --use name" not in page


def test_quiet_prints_no_decisions(handnn_command, table, tmp_path, odd_flats):
    arguments = ["train", table(as_csv(odd_flats)), "--target", "price", *QUICK, "--quiet"]
    assert handnn_command(*arguments, "--out", tmp_path / "m").err == ""


def test_strict_makes_them_one_error(handnn_command, table, tmp_path, odd_flats):
    arguments = ["train", table(as_csv(odd_flats)), "--target", "price", "--strict"]
    result = handnn_command(*arguments, "--out", tmp_path / "m")
    assert result.code == 1 and len(result.err.splitlines()) == 1
    assert result.err.rstrip().endswith(
        "use --ignore 'Unnamed: 0,country,remark,name' to leave them out"
    )


def test_use_keeps_a_column(table, odd_flats):
    path = table(as_csv(odd_flats))
    options = {"epochs": 1, "networks": 1, "hidden": (4,)}
    model = handnn.train_file(path, "price", use=["name", "Unnamed: 0"], **options)
    assert model.kinds["name"] == "category" and model.kinds["Unnamed: 0"] == "number"
    with pytest.raises(TableError, match="column 'country' has the same value"):
        handnn.train_file(path, "price", use="country", **options)
    with pytest.raises(TableError, match="cannot be both used and ignored"):
        handnn.train_file(path, "price", use="name", ignore="name", **options)


def test_integers_as_classes_are_reported(handnn_command, table, tmp_path):
    columns = flats()
    columns["rooms"] = [k % 4 for k in range(120)]
    arguments = ["train", table(as_csv(columns)), "--target", "rooms", *QUICK]
    result = handnn_command(*arguments, "--out", tmp_path / "m")
    expected = (
        "note: target 'rooms' has 4 different whole numbers: they are classes; use --task "
        "regression to predict a number"
    )
    assert expected in result.err.splitlines()
    assert (
        "note: "
        not in handnn_command(*arguments, "--out", tmp_path / "m", "--task", "regression").err
    )


def test_a_file_with_nothing_to_learn_from(table):
    with pytest.raises(TableError, match=r"no column to learn from: column 'a' has the same value"):
        handnn.train_file(table("a,y\n" + "".join(f"1,{k}\n" for k in range(30))), "y")


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_an_index_of_chosen_rows(table, name):
    """The index that pandas writes is not 0, 1, 2 ... where rows were filtered or shuffled."""
    index = [(7 * row) % 241 for row in range(120)]
    columns = {name: index, "size": index, **flats()}
    model = handnn.train_file(table(as_csv(columns)), "price", epochs=1, networks=1, hidden=[4])
    assert "size" in model.kinds and name not in model.kinds
    model = handnn.train_file(
        table(as_csv(columns)), "price", use=name, epochs=1, networks=1, hidden=[4]
    )
    assert name in model.kinds


@pytest.mark.parametrize("name", ["", "*", "^x$", "^a.*$", '"', "a\nb", "\x1b[1m"])
@pytest.mark.parametrize("stream", [False, True])
def test_names_of_parquet_columns(handnn_command, tmp_path, name, stream):
    """A name is never a pattern, also in a report, and control characters are escaped."""
    import polars as pl

    columns = flats()
    columns = {f"{name}": columns.pop("area"), f"{name} t": columns.pop("town"), **columns}
    pl.DataFrame(columns, strict=False).write_parquet(tmp_path / "t.parquet")
    words = ["train", tmp_path / "t.parquet", "--target", "price", *QUICK]
    words += ["--stream"] if stream else []
    done = handnn_command(*words, "--out", tmp_path / "m", "--report", tmp_path / "r.html")
    assert done.code == 0 and "\x1b" not in done.out + done.err, done.err
    done = handnn_command("predict", tmp_path / "m", tmp_path / "t.parquet", "--keep", "--json")
    assert done.code == 0 and done.out.count("\n") == 120


def test_long_identifiers_as_categories(table):
    """They differ although float64 has one number for them."""
    columns = {"shop": [2**60 + row % 4 for row in range(120)], **flats()}
    settings = {"epochs": 1, "networks": 1, "hidden": [4]}
    model = handnn.train_file(table(as_csv(columns)), "price", categories="shop", **settings)
    assert list(map(int, model.labels("shop"))) == [2**60 + k for k in range(4)]


def test_columns_that_were_left_out_may_be_in_a_table(table, odd_flats):
    """Also the target, in Python as in files."""
    odd_flats.pop("share")
    path = table(as_csv(odd_flats))
    model = handnn.train_file(path, "price", epochs=1, networks=1, hidden=[4])
    rows = {name: odd_flats[name] for name in model.kinds}
    assert (model.predict({**odd_flats, "other": [[]] * 119 + [{}]}) == model.predict(rows)).all()


@pytest.mark.parametrize("form", ["{1:02}/{2:02}/2024", "{2}.{1}.2024", "2024/{1}/{2} 12:00"])
def test_dates_in_other_forms_are_told(table, form):
    """Whether a column of them has categories or, all being different, is left out."""
    for n_months in (2, 12):
        days = [(row % n_months + 1, row // n_months % 10 + 1) for row in range(120)]
        columns = {"day": [form.format(0, month, day) for month, day in days], **flats()}
        lines = []
        settings = {"epochs": 1, "networks": 1, "hidden": [4], "log": lines.append}
        model = handnn.train_file(table(as_csv(columns)), "price", **settings)
        assert ("day" in model.kinds) == (n_months == 2)
        (line,) = [line for line in lines if "2024-05-01" in line]
        assert columns["day"][0] in line


def test_titles_with_numbers_are_free_text(table):
    """The first strings are few of the column's, and not all of them are like numbers."""
    titles = [
        "$",
        "$1000 a Touchdown",
        "$40,000",
        "(500)",
        "15%",
        *map("title {}".format, range(115)),
    ]
    columns = {"title": [f'"{title}"' for title in titles], **flats()}
    model = handnn.train_file(table(as_csv(columns)), "price", epochs=1, networks=1, hidden=[4])
    assert "title" not in model.kinds
